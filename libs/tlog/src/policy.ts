import { parseCheckpoint, signedByLog, type Checkpoint } from './checkpoint.js';
import { decodeText, parseDecimal } from './encoding.js';
import { TlogError } from './errors.js';
import { keyTypes, VerifierKey, type KeyType } from './key.js';
import { verifyNote, type Note } from './note.js';

export interface PolicyLog {
  key: VerifierKey;
  url?: string;
}

export interface PolicyWitness {
  name: string;
  key: VerifierKey;
  url?: string;
}

export interface PolicyGroup {
  name: string;
  threshold: number;
  /** Names of witnesses and of earlier groups. */
  members: string[];
}

/** Whose signatures make a checkpoint acceptable (C2SP tlog-policy). */
export interface Policy {
  logs: PolicyLog[];
  witnesses: PolicyWitness[];
  groups: PolicyGroup[];
  /** A witness, a group, or `none`. */
  quorum: string;
}

export interface PolicyVerdict {
  checkpoint: Checkpoint;
  /** The log key that signed, undefined when none of the policy did. */
  log: VerifierKey | undefined;
  /** Valid cosignatures by the policy's witnesses, the latest of each. */
  cosigned: { name: string; timeSeconds: number }[];
  /** A log of the policy signed and the quorum is met. */
  satisfied: boolean;
}

const noQuorum = 'none';

/**
 * Parses a policy file. It must be UTF-8 (the format would allow other octets in names and comments); names are
 * compared without any normalisation. Throws `policy-malformed` naming the line.
 */
export function parsePolicy(input: string | Uint8Array): Policy {
  const text = decodeText(input, 'policy-malformed');
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) throw new TlogError('policy-malformed', 'control character in policy');
  const parser = new PolicyParser();
  text.split('\n').forEach((line, i) => {
    try {
      parser.line(line.split(/[ \t]+/).filter(Boolean));
    } catch (cause) {
      throw new TlogError('policy-malformed', `line ${i + 1}: ${(cause as Error).message}`, { cause });
    }
  });
  return parser.finish();
}

/** Formats a policy as a file that `parsePolicy` reads back. */
export function formatPolicy({ logs, witnesses, groups, quorum }: Policy): string {
  const rows = [
    ...logs.map(({ key, url }) => ['log', key.toString(), url]),
    ...witnesses.map(({ name, key, url }) => ['witness', name, key.toString(), url]),
    ...groups.map(({ name, threshold, members }) => ['group', name, String(threshold), ...members]),
    ['quorum', quorum],
  ];
  return rows.map((row) => `${row.filter((word) => word !== undefined).join(' ')}\n`).join('');
}

/**
 * Judges a checkpoint note by a policy. A missing signature is a verdict; a wrong one by a known key is an error.
 * With no log in the policy, pass the log keys known from elsewhere. Throws `signature-invalid`, `checkpoint-malformed`.
 */
export function evaluatePolicy(policy: Policy, note: Note, logKeys: readonly VerifierKey[] = []): PolicyVerdict {
  const checkpoint = parseCheckpoint(note.text);
  const log = signedByLog(note, checkpoint.origin, [...policy.logs.map(({ key }) => key), ...logKeys]);
  const times = new Map<string, number>();
  for (const { key, timeSeconds } of verifyNote(note, policy.witnesses.map((witness) => witness.key))) {
    const { name } = policy.witnesses.find((witness) => witness.key.toString() === key.toString())!;
    times.set(name, Math.max(timeSeconds!, times.get(name) ?? 0));
  }
  const met = new Set(times.keys());
  for (const { name, threshold, members } of policy.groups) {
    if (members.filter((member) => met.has(member)).length >= threshold) met.add(name);
  }
  const quorum = policy.quorum === noQuorum || met.has(policy.quorum);
  const cosigned = [...times].map(([name, timeSeconds]) => ({ name, timeSeconds }));
  return { checkpoint, log, cosigned, satisfied: log !== undefined && quorum };
}

/** Takes the lines in order: a group and the quorum may only name what stands above them. */
class PolicyParser {
  readonly #policy: Policy = { logs: [], witnesses: [], groups: [], quorum: '' };
  readonly #defined = new Set<string>();
  readonly #grouped = new Set<string>();

  line([keyword, ...words]: string[]): void {
    if (keyword === undefined || keyword.startsWith('#')) return;
    if (keyword === 'log') this.#log(words);
    else if (keyword === 'witness') this.#witness(words);
    else if (keyword === 'group') this.#group(words);
    else if (keyword === 'quorum') this.#quorum(words);
    else throw new Error('unknown keyword');
  }

  finish(): Policy {
    if (!this.#policy.quorum) throw new TlogError('policy-malformed', 'no quorum line');
    return this.#policy;
  }

  #log([vkey, url, ...rest]: string[]): void {
    if (!vkey || rest.length > 0) throw new Error('a log is a vkey and perhaps a URL');
    this.#policy.logs.push({ key: newKey(vkey, keyTypes.ed25519, this.#policy.logs), ...(url && { url }) });
  }

  #witness([name, vkey, url, ...rest]: string[]): void {
    if (!name || !vkey || rest.length > 0) throw new Error('a witness is a name, a vkey and perhaps a URL');
    this.#define(name);
    const key = newKey(vkey, keyTypes.cosignature, this.#policy.witnesses);
    this.#policy.witnesses.push({ name, key, ...(url && { url }) });
  }

  #group([name, count, ...members]: string[]): void {
    if (!name || !count || members.length === 0) throw new Error('a group is a name, a threshold and members');
    for (const member of members) {
      if (!this.#defined.has(member)) throw new Error('a member is not defined above');
      if (this.#grouped.has(member)) throw new Error('a member may count only once');
      this.#grouped.add(member);
    }
    const words: Record<string, number> = { any: 1, all: members.length };
    const threshold = Object.hasOwn(words, count) ? words[count]! : parseDecimal(count, 'policy-malformed');
    if (threshold < 1 || threshold > members.length) throw new Error('a threshold is 1 to the number of members');
    this.#define(name);
    this.#policy.groups.push({ name, threshold, members });
  }

  #quorum([name, ...rest]: string[]): void {
    if (!name || rest.length > 0) throw new Error('a quorum is one name');
    if (this.#policy.quorum) throw new Error('a second quorum line');
    if (name !== noQuorum && !this.#defined.has(name)) throw new Error('the quorum is not defined above');
    this.#policy.quorum = name;
  }

  #define(name: string): void {
    if (name === noQuorum || this.#defined.has(name)) throw new Error('a name is taken');
    this.#defined.add(name);
  }
}

function newKey(vkey: string, type: KeyType, known: readonly { key: VerifierKey }[]): VerifierKey {
  const key = VerifierKey.parse(vkey);
  if (key.type !== type) throw new Error('a log has a key of type 0x01, a witness one of type 0x04');
  if (known.some((other) => Buffer.compare(other.key.publicKey, key.publicKey) === 0)) throw new Error('a public key is listed twice');
  return key;
}
