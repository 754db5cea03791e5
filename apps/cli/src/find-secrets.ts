import { createHash } from 'node:crypto';
import { findSecrets, maxEnvironmentLength, parse, type Secret } from '@writ/token';

/** Where a secret lies. The secret itself travels beside it and is never part of what is shown. */
export interface Find {
  place: string;
  line: number;
  column: number;
  environment: string;
  /** First 12 hexadecimal digits of the SHA-256: enough to tell two apart, useless to whoever reads it. */
  fingerprint: string;
}

/** As long as the longest secret: what may be cut by the end of a piece. */
const overlap = 'writ_'.length + maxEnvironmentLength + '_'.length + 49;

/**
 * Finds secrets in a text that comes in pieces, wherever the pieces are cut. Memory is one piece. Bytes are read as
 * Latin-1, in which a secret looks as in any encoding that extends ASCII; so columns count bytes.
 */
export class SecretFinder {
  private rest = '';
  private line = 1;
  private column = 1;

  constructor(private readonly place: string, private readonly onFind: (find: Find, secret: Secret) => void) {}

  write(piece: Uint8Array): void {
    this.look(this.rest + Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1'), false);
  }

  end(): void {
    this.look(this.rest, true);
  }

  private look(text: string, isEnd: boolean): void {
    // A secret that begins before this mark is whole within the text; what begins behind it is looked at again.
    const settled = isEnd ? text.length : Math.max(0, text.length - overlap);
    let at = 0;
    for (const { index, secret } of findSecrets(text)) {
      if (index >= settled) break;
      this.pass(text, at, index);
      at = index;
      this.onFind({ place: this.place, line: this.line, column: this.column, ...describe(secret) }, secret);
    }
    const from = Math.max(at, Math.min(settled, text.length));
    this.pass(text, at, from);
    this.rest = text.slice(from);
  }

  private pass(text: string, from: number, to: number): void {
    for (let next = text.indexOf('\n', from); next >= 0 && next < to; next = text.indexOf('\n', from)) {
      this.line += 1;
      this.column = 1;
      from = next + 1;
    }
    this.column += to - from;
  }
}

function describe(secret: Secret): Pick<Find, 'environment' | 'fingerprint'> {
  const text = secret.reveal();
  const parsed = parse(text);
  return { environment: parsed.ok ? parsed.environment : '', fingerprint: createHash('sha256').update(text).digest('hex').slice(0, 12) };
}
