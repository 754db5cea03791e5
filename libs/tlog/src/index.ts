export { TlogError, type TlogErrorCode } from './errors.js';
export { decodeHash, encodeBase64 } from './encoding.js';
export { emptyRoot, foldHashes, hashLeaf, hashLeaves, hashNode, hashSize, isHash, sameHash } from './hash.js';
export {
  edgeTiles, entriesPath, hashesAtLevel, newTiles, parseTilePath, tilePath, tileWidth, widthIn,
  type ParsedTilePath, type Tile, type TileCoordinate,
} from './tile.js';
export { decodeBundle, encodeBundle, maxEntryBytes } from './bundle.js';
export { appendLeaves, edgeFrom, emptyEdge, rootOfEdge, TreeBuilder, type Edge, type Growth } from './tree.js';
export { filesBetween, type EntryReader, type LogFile } from './growth.js';
export {
  inclusionProver, proveConsistency, proveInclusion, proveInclusionIn, readEdge, rootAt, rootOf, verifyConsistency, verifyInclusion,
  type TileReader,
} from './proof.js';
export { isKeyName, keyTypes, SignerKey, VerifierKey, type KeyType, type NoteSignature, type SignatureClaim } from './key.js';
export { formatNote, formatSignature, parseNote, parseSignatures, verifyNote, type Note, type VerifiedSignature } from './note.js';
export {
  addSignatures, cosignCheckpoint, formatCheckpoint, openCheckpoint, parseCheckpoint, signCheckpoint, signedByLog,
  type Checkpoint, type SignedCheckpoint,
} from './checkpoint.js';
export { formatProofFile, parseProofFile, verifyProofFile, type ProofFile } from './proof-file.js';
export {
  evaluatePolicy, formatPolicy, parsePolicy,
  type Policy, type PolicyGroup, type PolicyLog, type PolicyVerdict, type PolicyWitness,
} from './policy.js';
export {
  formatAddCheckpoint, judgeAddCheckpoint, parseAddCheckpoint, sizeContentType,
  type AddCheckpoint, type WitnessedHead, type WitnessRefusal, type WitnessVerdict,
} from './witness.js';
export { addCheckpoint, cosignWith, type Witness, type WitnessAnswer, type WitnessRequestOptions } from './witness-client.js';
export { folderSource, tileSource, urlSource, type PathReader, type TileSource, type UrlSourceOptions } from './sources.js';
export { verifyLog, type Finding, type FindingCode, type VerifyOptions, type VerifyReport } from './verify.js';
