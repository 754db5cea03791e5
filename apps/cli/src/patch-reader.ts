import type { Secret } from '@writ/token';
import { SecretFinder, type Find } from './find-secrets.js';

/** Longer lines than this are looked at in pieces; it only bounds memory. */
const longestLine = 1024 * 1024;

/**
 * Finds secrets in the lines that patches add (`git log -p -U0`, `git diff -U0`), with commit, file and line.
 * Pieces may be cut anywhere.
 */
export class PatchReader {
  private rest = '';
  private file = '';
  private commit = '';
  private line = 0;
  private isHunk = false;
  commits = 0;

  constructor(private readonly onFind: (find: Find, secret: Secret) => void) {}

  write(piece: Uint8Array): void {
    const lines = (this.rest + Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1')).split('\n');
    this.rest = lines.pop()!;
    for (const line of lines) this.read(line);
    if (this.rest.length > longestLine) {
      this.add(this.rest);
      this.rest = `+${this.rest.slice(-100)}`;
    }
  }

  end(): void {
    if (this.rest !== '') this.read(this.rest);
  }

  private read(line: string): void {
    // Without context every line of a hunk begins with one of these; any other ends it.
    if (!/^[-+\\@]/.test(line)) this.isHunk = false;
    const hunk = /^@@ -\d+(?:,\d+)? \+(\d+)/.exec(line);
    if (line.startsWith('commit ')) {
      this.commit = line.slice('commit '.length, 'commit '.length + 12);
      this.commits += 1;
    } else if (!this.isHunk && line.startsWith('+++ ')) {
      this.file = Buffer.from(line.replace(/^\+\+\+ (?:b\/)?/, '').replace(/\t$/, ''), 'latin1').toString();
    } else if (hunk) {
      this.isHunk = true;
      this.line = Number(hunk[1]) - 1;
    } else if (this.isHunk && line.startsWith('+')) {
      this.line += 1;
      this.add(line);
    } else if (!this.isHunk) {
      this.add(` ${line}`); // A commit's message can hold a secret as well.
    }
  }

  private add(line: string): void {
    if (!line.includes('writ_')) return;
    const inFile = this.isHunk;
    const finder = new SecretFinder([this.commit, inFile ? this.file : 'message'].filter(Boolean).join(' '), (find, secret) => {
      this.onFind({ ...find, line: inFile ? this.line : 1, column: find.column }, secret);
    });
    finder.write(Buffer.from(line.slice(1), 'latin1'));
    finder.end();
  }
}
