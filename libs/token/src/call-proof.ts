import { createHmac } from 'node:crypto';
import { encodeFields, type Field } from './encode.js';

/** A call from one of our own processes to another that knows the same secret. */
export interface Call {
  /** Random, and another one for each call: it ties the answer to it. */
  nonce: string;
  method: string;
  path: string;
  body: string;
}

/**
 * HMAC-SHA-256 over a call, in base64url: proves that whoever sends it knows the secret, which itself never travels. Whoever
 * listens can send the same call again and no other one, so what is called must bear repetition.
 */
export function callProof(secret: string, { nonce, method, path, body }: Call): string {
  return proof(secret, 'writ/call/v1', [nonce, method, path, body]);
}

/** As {@link callProof}, over the answer to the call of that nonce: nobody in between can have written it, or kept it from another call. */
export function answerProof(secret: string, nonce: string, status: number, body: string): string {
  return proof(secret, 'writ/answer/v1', [nonce, status, body]);
}

function proof(secret: string, domain: string, fields: readonly Field[]): string {
  return createHmac('sha256', secret).update(encodeFields(domain, fields)).digest('base64url');
}
