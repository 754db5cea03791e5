export { findSecrets, maxEnvironmentLength, mint, parse, redacted, redactSecrets, Secret, secretPattern, type MalformedReason, type Parsed } from './secret.js';
export { innerDigest, innerDigestLatin1, macEquals, rowBytes, rowMac, verifierOf, type RowFields } from './verifier.js';
export { answerProof, callProof, type Call } from './call-proof.js';
export { chainBytes, chainMac, chainStart, type StateEntry, type StateKind } from './state-log.js';
export { InMemoryKeys, keyPurposes, UnknownKeyError, type KeyMaterial, type KeyProvider, type KeyPurpose, type KeyRing } from './keys.js';
export { encodeFields, type Field } from './encode.js';
