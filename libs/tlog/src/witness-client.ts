import { parseCheckpoint } from './checkpoint.js';
import { TlogError } from './errors.js';
import { parseDecimal } from './encoding.js';
import type { VerifierKey } from './key.js';
import { parseNote, parseSignatures, verifyNote, type VerifiedSignature } from './note.js';
import { formatAddCheckpoint, sizeContentType, type AddCheckpoint } from './witness.js';

export interface Witness {
  /** Submission prefix; `/add-checkpoint` is appended. */
  url: string;
  key: VerifierKey;
}

export type WitnessAnswer =
  | { outcome: 'cosigned'; signatures: VerifiedSignature[] }
  /** The witness has seen another size: prove from there. */
  | { outcome: 'other-size'; size: number }
  | { outcome: 'refused'; status: number };

export interface WitnessRequestOptions {
  /** Default 10 s for the whole exchange. */
  timeoutMs?: number;
  fetch?: typeof fetch;
}

const maxAnswerBytes = 65_536;

/**
 * Asks a witness once to cosign (C2SP tlog-witness, add-checkpoint). Signatures of other keys are dropped.
 * Throws `witness-unreachable` (try again later), `witness-answer-malformed`, `signature-invalid`.
 */
export async function addCheckpoint(
  witness: Witness, request: AddCheckpoint, options: WitnessRequestOptions = {},
): Promise<WitnessAnswer> {
  const { status, contentType, body } = await post(witness, formatAddCheckpoint(request), options);
  if (status === 409 && contentType === sizeContentType) {
    return { outcome: 'other-size', size: parseDecimal(body.replace(/\n$/, ''), 'witness-answer-malformed') };
  }
  if (status !== 200) return { outcome: 'refused', status };
  const note = { text: parseNote(request.checkpoint).text, signatures: parseSignatures(body) };
  const signatures = verifyNote(note, [witness.key]);
  if (signatures.length === 0) {
    throw new TlogError('witness-answer-malformed', `no signature of ${witness.key.name} in its own answer`);
  }
  return { outcome: 'cosigned', signatures };
}

/**
 * Asks a witness to cosign and, when it names the size it has seen, asks once more with a proof from there.
 * `proveFrom(oldSize)` gives the consistency proof up to the checkpoint's size.
 */
export async function cosignWith(
  witness: Witness,
  checkpoint: string,
  oldSize: number,
  proveFrom: (oldSize: number) => Promise<Uint8Array[]>,
  options: WitnessRequestOptions = {},
): Promise<WitnessAnswer> {
  const ask = async (from: number) =>
    addCheckpoint(witness, { oldSize: from, proof: await proveFrom(from), checkpoint }, options);
  const answer = await ask(oldSize);
  // A size above the checkpoint's cannot be proven from: the witness has seen a later tree, or a fork.
  const limit = parseCheckpoint(parseNote(checkpoint).text).size;
  return answer.outcome === 'other-size' && answer.size <= limit && answer.size !== oldSize ? ask(answer.size) : answer;
}

async function post(witness: Witness, body: string, options: WitnessRequestOptions) {
  const send = options.fetch ?? fetch;
  try {
    const response = await send(`${witness.url.replace(/\/$/, '')}/add-checkpoint`, {
      method: 'POST',
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(options.timeoutMs ?? 10_000),
    });
    const contentType = response.headers.get('content-type')?.split(';')[0]?.trim();
    return { status: response.status, contentType, body: await readBounded(response) };
  } catch (cause) {
    if (cause instanceof TlogError) throw cause;
    throw new TlogError('witness-unreachable', `no answer from ${witness.key.name}`, { cause });
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) throw new TlogError('witness-answer-malformed', 'answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
