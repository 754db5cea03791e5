import { digestOfText, type Digest } from '@writ/contracts';
import { maxSubmissionBytes } from '@writ/messaging';
import { refuse, type Refusal } from './refusal.js';

/** Bytes that are no JSON, or too many: judged like any other body, so that their refusal is recorded. */
export class Unreadable {
  constructor(readonly fault: Refusal, readonly bodyDigest: Digest) {}
}

/** Reads the bytes of a submission over HTTP. Total: what cannot be read is a value, too. */
export function readBytes(bytes: Buffer): unknown {
  const digest = () => digestOfText(bytes);
  if (bytes.length >= maxSubmissionBytes) {
    return new Unreadable(refuse('too-large', `The body has ${bytes.length} bytes; below ${maxSubmissionBytes} is the limit.`), digest());
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return new Unreadable(refuse('malformed-json', 'The body is not JSON in UTF-8.'), digest());
  }
}
