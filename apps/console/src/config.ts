import { IsInt, IsObject, IsOptional, IsString, Matches, Max, Min, ValidateBy } from 'class-validator';
import { Type } from 'class-transformer';
import { isLocalHttp, type ClientProof, type ServiceUrls } from '@writ/client';
import { ConfigurationError, FromJson, IsSecretsAddress, ProcessConfig, readConfig } from '@writ/process';

/** The address that browsers know the console by: https, or plain http to this machine, where browsers keep Secure cookies too. */
function IsOwnAddress(): PropertyDecorator {
  const fits = (text: unknown) => {
    if (typeof text !== 'string' || !URL.canParse(text)) return false;
    const url = new URL(text);
    return (url.protocol === 'https:' || isLocalHttp(url)) && url.href === `${url.origin}/`;
  };
  return ValidateBy({ name: 'isOwnAddress', validator: { validate: fits, defaultMessage: () => '$property must be https://host[:port], or http to 127.0.0.1 or localhost, without a path' } });
}

export class ConsoleConfig extends ProcessConfig {
  @IsOwnAddress() consoleUrl!: string;
  /** 32 random bytes in base64, the same for every replica. With another one everybody signs in again. */
  @Matches(/^[\w+/-]{43}=?$/, { message: '$property must be 32 bytes in base64' }) consoleKey!: string;
  @IsSecretsAddress('redis', 'rediss') redisUrl!: string;
  @IsSecretsAddress('http', 'https') oidcIssuer!: string;
  @IsString() oidcClientId: string = 'writ-console';
  @IsOptional() @IsString() oidcClientSecret?: string;
  /** Instead of a secret: a private key of P-256 or Ed25519 in PEM (private_key_jwt, RFC 7523), best in `WRIT_OIDC_CLIENT_KEY_FILE`. */
  @IsOptional() @Matches(/^-----BEGIN [A-Z ]*PRIVATE KEY-----/) oidcClientKey?: string;
  @Matches(/\bopenid\b/) oidcScope: string = 'openid profile offline_access';
  /** How this provider wants to hear for which API the access token is: `{"resource":"urn:writ:api"}` (RFC 8707), `{"audience":…}`, or `{}`. */
  @IsObject() @FromJson() oidcParameters: Record<string, string> = { resource: 'urn:writ:api' };
  /** A session that nobody uses ends after this. */
  @IsInt() @Min(60) @Max(86_400) @Type(() => Number) sessionIdleSeconds: number = 1_800;
  /** Every session ends after this. */
  @IsInt() @Min(60) @Max(86_400) @Type(() => Number) sessionSeconds: number = 28_800;
  /** So many calls a second one session may make of a replica, and twenty seconds' worth of them at once. */
  @IsInt() @Min(1) @Type(() => Number) callsPerSecond: number = 200;
  @IsSecretsAddress('http', 'https') requestUrl!: string;
  @IsSecretsAddress('http', 'https') policyUrl!: string;
  @IsSecretsAddress('http', 'https') issuerUrl!: string;
  @IsSecretsAddress('http', 'https') rotationUrl!: string;
  @IsSecretsAddress('http', 'https') auditUrl!: string;
  @IsSecretsAddress('http', 'https') monitorUrl!: string;
}

/** Reads what the console is told by its environment. @throws ConfigurationError that lists everything wrong */
export function readConsoleConfig(env: NodeJS.ProcessEnv): ConsoleConfig {
  const config = readConfig(ConsoleConfig, env);
  if ((config.oidcClientSecret === undefined) === (config.oidcClientKey === undefined)) throw new ConfigurationError(['one of WRIT_OIDC_CLIENT_SECRET and WRIT_OIDC_CLIENT_KEY is needed']);
  return config;
}

export const proofOf = ({ oidcClientSecret: secret, oidcClientKey = '' }: ConsoleConfig): ClientProof => (secret === undefined ? { privateKeyPem: oidcClientKey } : { secret });

export const serviceUrls = (config: ConsoleConfig): ServiceUrls => ({
  request: config.requestUrl, policy: config.policyUrl, issuer: config.issuerUrl, rotation: config.rotationUrl, audit: config.auditUrl, monitor: config.monitorUrl,
});
