/** A question over AMQP, framed as Nest's clients frame it. */
export interface Asked {
  pattern: string;
  data: unknown;
  id: unknown;
}

const maxBytes = 1_048_576;
const bytesPerTry = 1_024;

/** Reads a message, or says by `undefined` that it is none of ours. Never throws; what is too large is not even parsed. */
export function askedOf(bytes: Buffer): Asked | undefined {
  if (bytes.length > maxBytes) return undefined;
  try {
    const { pattern, data, id } = JSON.parse(bytes.toString()) as Partial<Asked>;
    return typeof pattern === 'string' ? { pattern, data, id } : undefined;
  } catch {
    return undefined;
  }
}

/** What a message takes out of its sender's budget, known before it is read: a batch costs more than one question. */
export function triesOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / bytesPerTry));
}
