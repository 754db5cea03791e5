export { judgeLife, LogJudge, staleness, type JudgedLeaf, type JudgedUse, type Omission, type OmissionCode, type TokenLife } from '../page/judge.js';
export { checkBundle, type BundleReport } from './check-bundle.js';
export { checkLog, type LogReport } from './check-log.js';
export { contentTypeOf, mirrorLog, MirrorDiffers, type Mirrored, type MirrorTarget } from './mirror.js';
export { verifierPage, type VerifierPage } from './page.js';
export { isS3Address, S3Refused, s3Target, type S3Options } from './s3.js';
