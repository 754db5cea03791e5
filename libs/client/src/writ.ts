import { Http, type Authorization } from './http.js';

export const serviceNames = ['request', 'policy', 'issuer', 'rotation', 'audit', 'monitor'] as const;
export type ServiceUrls = Record<(typeof serviceNames)[number], string>;

/** The platform as one caller sees it. */
export type Writ = Record<(typeof serviceNames)[number], Http>;

/** @param authorization the header's value: `Bearer …` for people and machines, `Basic …` for gateways; or where to get it before each call */
export function writAs(urls: ServiceUrls, authorization?: Authorization): Writ {
  return Object.fromEntries(serviceNames.map((name) => [name, new Http(urls[name], authorization)])) as Writ;
}

/** HTTP Basic as RFC 6749, section 2.3.1 wants client credentials: both halves form-encoded. */
export function basic(clientId: string, clientSecret: string): string {
  const encode = (text: string) => new URLSearchParams({ x: text }).toString().slice(2);
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString('base64')}`;
}
