import { Injectable } from '@nestjs/common';
import { decodeHash, encodeBase64, VerifierKey } from '@writ/tlog';
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

  private async send(method: string, path: string, body?: string): Promise<string> {
    const { signerUrl, signerSecret } = this.config;
    const answer = await fetch(`${signerUrl.replace(/\/$/, '')}${path}`, {
      method, body, headers: { authorization: `Bearer ${signerSecret}`, 'content-type': 'application/json' }, redirect: 'error', signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Unavailable(`The signer refused ${method} ${path}: ${answer.status} ${codeOf(text)}`);
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
