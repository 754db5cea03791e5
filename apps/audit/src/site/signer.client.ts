import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { decodeHash, encodeBase64, VerifierKey } from '@writ/tlog';
import { answerProof, callProof, macEquals } from '@writ/token';
import { Unavailable } from '@writ/messaging';
import { AuditConfig } from '../config.js';
import type { TreeHead } from './log.store.js';

const timeoutMs = 5_000;

/** The separate process that holds the log's key. It signs only what is proven to extend all it has signed. */
@Injectable()
export class Signer {
  private known?: VerifierKey;

  constructor(private readonly config: AuditConfig) {}

  /** The log's public key. Asked for once: a signer with another key is another log. */
  async key(): Promise<VerifierKey> {
    if (!this.known) await this.head();
    return this.known!;
  }

  /** The largest head that the signer may have signed. */
  async head(): Promise<TreeHead> {
    const answer = await this.send('GET', '/head');
    const { vkey, size, root } = JSON.parse(answer) as { vkey: string; size: number; root: string };
    const key = VerifierKey.parse(vkey);
    if (key.name !== this.config.logOrigin) throw new Unavailable(`The signer signs for ${key.name}, not for ${this.config.logOrigin}.`);
    if (this.known && this.known.toString() !== vkey) throw new Unavailable('The signer’s key is not the one that it had.');
    this.known = key;
    return { size, root: decodeHash(root) };
  }

  /** Asks for the checkpoint note of a head that the proof shows to extend the signer's. Repeatable: the bytes are the same. */
  async sign({ size, root }: TreeHead, proof: readonly Uint8Array[]): Promise<string> {
    return this.send('POST', '/sign', JSON.stringify({ size, root: encodeBase64(root), proof: proof.map(encodeBase64) }));
  }

  /** Either side proves to know the secret; it does not travel, and what does is public or soon will be. */
  private async send(method: string, path: string, body?: string): Promise<string> {
    const { signerUrl, signerSecret } = this.config;
    const nonce = randomBytes(16).toString('base64url');
    const proof = callProof(signerSecret, { nonce, method, path, body: body ?? '' });
    const answer = await fetch(`${signerUrl.replace(/\/$/, '')}${path}`, {
      method, body, headers: { authorization: `Writ-MAC ${nonce}.${proof}`, 'content-type': 'application/json' }, redirect: 'error', signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Unavailable(`The signer refused ${method} ${path}: ${answer.status} ${codeOf(text)}`);
    const [shown, expected] = [answer.headers.get('writ-proof') ?? '', answerProof(signerSecret, nonce, answer.status, text)];
    if (!macEquals(Buffer.from(shown), Buffer.from(expected))) throw new Unavailable('Whoever answers at the signer’s address does not know the secret.');
    return text;
  }
}

function codeOf(problem: string): string {
  try {
    return String((JSON.parse(problem) as { code?: unknown }).code);
  } catch {
    return '';
  }
}
