/** Everything a caller can get wrong, or a peer can send wrong, by a code that never changes its meaning. */
export type TlogErrorCode =
  | 'hash-malformed'
  | 'size-malformed'
  | 'time-malformed'
  | 'index-out-of-range'
  | 'edge-malformed'
  | 'tile-malformed'
  | 'tile-path-malformed'
  | 'bundle-malformed'
  | 'entry-too-long'
  | 'base64-malformed'
  | 'note-malformed'
  | 'key-malformed'
  | 'key-type-unsupported'
  | 'key-type-mismatch'
  | 'key-ambiguous'
  | 'signature-invalid'
  | 'checkpoint-malformed'
  | 'checkpoint-unsigned'
  | 'proof-malformed'
  | 'proof-invalid'
  | 'policy-malformed'
  | 'quorum-not-met'
  | 'request-malformed'
  | 'witness-unreachable'
  | 'witness-answer-malformed'
  | 'source-missing'
  | 'source-unreachable';

/** The only error this package throws on purpose. `code` is stable; `message` names the fact and may change. */
export class TlogError extends Error {
  override readonly name = 'TlogError';

  constructor(readonly code: TlogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}
