import { createHash } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
import type { MirrorTarget } from './mirror.js';

/** How to reach an S3-compatible store. */
export interface S3Options {
  /** `s3://bucket/prefix`. */
  address: string;
  /** The store's own address, such as `https://minio.example:9000`; that of the region at Amazon where nothing is said. */
  endpoint?: string;
  region?: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  /** Per request and its repetitions, default 60 s. */
  timeoutMs?: number;
}

/** The store refused, or could not be reached. Its words are kept; no credential is ever among them. */
export class S3Refused extends Error {
  override readonly name = 'S3Refused';

  constructor(readonly status: number, readonly code: string, what: string) {
    super(`The object store refused ${what}: ${status} ${code}`.trim());
  }
}

/** A failure that passes is tried again so often, with growing pauses. */
const retries = 4;
const addressPattern = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9!_.*'()/-]*))?$/;

export function isS3Address(text: string): boolean {
  return addressPattern.test(text);
}

/**
 * A folder of a bucket, by requests in path style signed with AWS Signature Version 4. The signature covers the SHA-256
 * of every body, so that what is stored is what was sent.
 */
export function s3Target({ address, endpoint, region = 'us-east-1', timeoutMs = 60_000, ...credentials }: S3Options): MirrorTarget {
  const [, bucket, prefix = ''] = addressPattern.exec(address) ?? [];
  if (bucket === undefined) throw new TypeError(`${address} is not an address like s3://bucket/prefix.`);
  const client = new AwsClient({ ...credentials, service: 's3', region, retries });
  const base = (endpoint ?? `https://s3.${region}.amazonaws.com`).replace(/\/+$/, '');
  const folder = prefix.replace(/^\/+|\/+$/g, '');
  const send = (method: string, path: string, body: Uint8Array<ArrayBuffer> | undefined, headers: Record<string, string>) =>
    client.fetch([base, bucket, ...(folder ? [folder] : []), path].join('/'), {
      method, body, redirect: 'error', signal: AbortSignal.timeout(timeoutMs),
      headers: { ...headers, 'x-amz-content-sha256': createHash('sha256').update(body ?? '').digest('hex') },
    });
  return {
    async get(path) {
      const answer = await send('GET', path, undefined, {});
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (answer.status === 404 && codeOf(bytes) !== 'NoSuchBucket') return undefined;
      if (!answer.ok) throw new S3Refused(answer.status, codeOf(bytes), `GET ${path}`);
      return bytes;
    },
    async put(path, bytes, contentType) {
      const cacheControl = path.startsWith('tile/') ? 'public, max-age=31536000, immutable' : 'public, max-age=1';
      const answer = await send('PUT', path, new Uint8Array(bytes), { 'content-type': contentType, 'cache-control': cacheControl });
      const text = Buffer.from(await answer.arrayBuffer());
      if (!answer.ok) throw new S3Refused(answer.status, codeOf(text), `PUT ${path}`);
    },
  };
}

/** S3 answers problems as XML with one code. */
function codeOf(body: Buffer): string {
  return /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(body.toString())?.[1] ?? '';
}
