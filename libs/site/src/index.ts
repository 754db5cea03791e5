export { contentTypeOf, mirrorLog, MirrorDiffers, type Mirrored, type MirrorTarget } from './mirror.js';
export { verifierPage, type VerifierPage } from './page.js';
export { isS3Address, S3Refused, s3Target, type S3Options } from './s3.js';
