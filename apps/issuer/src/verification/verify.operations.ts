import { maxVerifyBatch } from '@writ/contracts';

/** What the OpenAPI document says of the routes that stand straight on Fastify. */

const text = { type: 'string', maxLength: 512 };
const question = {
  token: { type: 'string' },
  digest: { type: 'string', pattern: '^[\\w-]{43}$', description: 'the inner digest of the secret in base64url, in place of the token' },
  scopes: { type: 'array', items: { type: 'string' }, maxItems: 64 },
  audience: text, address: text, agent: text,
};
const minSeq = { type: 'integer', minimum: 0 };
const closed = (properties: object, required: string[] = []) => ({ type: 'object', additionalProperties: false, properties, required });
const body = (type: string, schema: object) => ({ required: true, content: { [type]: { schema } } });
const form = body('application/x-www-form-urlencoded', { type: 'object', properties: { token: { type: 'string' }, token_type_hint: { type: 'string' } }, required: ['token'] });
const query = (name: string) => ({ name, in: 'query', required: false, schema: { type: 'string' } });
const header = (name: string, required = false) => ({ name, in: 'header', required, schema: { type: 'string' } });
const described = (operationId: string, more: object, answers: Record<number, string>) => ({
  operationId, tags: ['Verify'], ...more,
  responses: Object.fromEntries(Object.entries(answers).map(([status, description]) => [status, { description }])),
});
const gateway = { security: [{ gateway: [] }] };
const tooManyFailed = 'too many calls from this address named no known gateway';
const tooOften = `the token is used too often, or ${tooManyFailed}`;
const refused = { 401: 'no known gateway, or no valid token', 403: 'a scope is missing', 429: tooOften, 503: 'nobody knows just now' };

export const operations = {
  '/v1/tokens/verify': described('Verify.verify', { ...gateway, requestBody: body('application/json', closed({ ...question, minSeq })) }, { 200: 'the verification, also where it says no', 400: 'the body is not usable', 401: 'no known gateway' }),
  '/v1/tokens/verify-batch': described('Verify.verifyBatch', {
    ...gateway, requestBody: body('application/json', closed({ tokens: { type: 'array', minItems: 1, maxItems: maxVerifyBatch, items: closed(question) }, minSeq }, ['tokens'])),
  }, { 200: 'the verifications in the order asked', 400: 'the body is not usable', 401: 'no known gateway' }),
  '/oauth2/introspect': described('Verify.introspect', { ...gateway, requestBody: form }, { 200: 'RFC 7662', 400: 'the token is missing', 401: 'no known gateway', 429: tooOften, 503: refused[503] }),
  '/oauth2/revoke': described('Verify.revoke', { ...gateway, requestBody: form }, { 200: 'RFC 7009', 400: 'the token is missing', 401: 'no known gateway', 429: `too many unknown tokens, or ${tooManyFailed}`, 503: refused[503] }),
  '/v1/forward-auth': described('Verify.forwardAuth', {
    parameters: [query('scope'), query('audience'), { ...query('limited'), description: '`429`: in place of 403 where it is "later", for a proxy that bears it' }, header('x-writ-gateway-authorization', true)],
  }, { 204: 'the token may pass', ...refused, 403: `a scope is missing, or ${tooOften}` }),
  '/v1/ext-authz/*': described('Verify.extAuthz', {
    parameters: [
      { name: 'path', in: 'path', required: true, schema: { type: 'string' }, description: 'of the request that is held up; not looked at' },
      header('x-writ-gateway-authorization', true), header('x-writ-scope'), header('x-writ-audience'),
    ],
  }, { 200: 'the token may pass', ...refused }),
  '/.well-known/oauth-authorization-server': described('Verify.metadata', {}, { 200: 'RFC 8414' }),
} as const;
