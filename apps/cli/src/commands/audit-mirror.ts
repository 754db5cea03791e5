import { checkLog, contentTypeOf, isS3Address, mirrorLog, MirrorDiffers, S3Refused, s3Target, verifierPage, type MirrorTarget } from '@writ/site';
import { evaluatePolicy, parseNote, TlogError, type Checkpoint } from '@writ/tlog';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { isAddress, sourceAt, trustOf, type TrustOptions } from '../log-policy.js';
import { painted } from '../output.js';

export interface MirrorOptions extends TrustOptions { from?: string; to: string }

/** Copies the log of one checkpoint into an S3-compatible store, after verifying all of it; again to catch up. */
export async function mirrorToStore({ from, to, ...options }: MirrorOptions, { session, output }: Context): Promise<void> {
  const where = from ?? session.address('WRIT_AUDIT_URL');
  const target = storeAt(to);
  const { policy, remembered, remember } = trustOf(options, session);
  const source = sourceAt(where);
  const note = await source.readCheckpoint();
  const report = await checkLog({ ...source, readCheckpoint: async () => note }, {
    policy, remembered, onProgress: (checked, total) => output.share(checked, total, 'entries verified'),
  });
  const verdict = evaluatePolicy(policy, parseNote(note));
  const [wrong] = [...report.findings, ...report.omissions];
  if (wrong || !verdict.log) {
    throw new Ended(exitCodes.failed, `The log at ${where} is not what it claims to be, so nothing was copied: ${wrong?.detail ?? 'your key did not sign it'}.`, 'Keep what you have as evidence, and compare with another copy of the log.');
  }
  const key = verdict.log;
  const copied = await mirrorLog(source, note, [key], target, (entries, total) => output.share(entries, total, 'entries copied')).catch((error: Error) => {
    if (error instanceof MirrorDiffers) throw new Ended(exitCodes.failed, `${error.message} Nothing was written.`, 'Keep both as evidence, or name an empty place.');
    if (error instanceof S3Refused || error instanceof TlogError) throw new Ended(exitCodes.failed, error.message, 'Run it again: it goes on where it stopped.');
    throw error;
  });
  await target.put('verify.html', Buffer.from(verifierPage().html), contentTypeOf('verify.html'));
  output.progressDone();
  const { size, root }: Checkpoint = verdict.checkpoint;
  output.answer({ store: to, ...copied, size, root: Buffer.from(root).toString('base64') }, () => output.facts({
    verdict: copied.to > size ? painted('good', 'the store is ahead of this log, and was left alone') : painted('good', 'verified and copied'),
    store: to, entries: size.toLocaleString('en'), files: `${copied.files.toLocaleString('en')} written now`, next: 'point any verifier at the address that serves the bucket',
  }));
  remember(verdict.checkpoint);
}

/** Credentials as every other tool for S3 takes them. */
function storeAt(address: string): MirrorTarget {
  if (!isS3Address(address)) throw new Ended(exitCodes.usage, `${address} is not an address like s3://bucket/prefix.`);
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken, AWS_REGION: region, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  const endpoint = AWS_ENDPOINT_URL_S3 ?? AWS_ENDPOINT_URL;
  if (!accessKeyId || !secretAccessKey) throw new Ended(exitCodes.usage, 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set.', 'Set them, and AWS_ENDPOINT_URL for a store that is not Amazon’s.');
  if (endpoint !== undefined && !isAddress(endpoint)) throw new Ended(exitCodes.usage, 'AWS_ENDPOINT_URL is not an http or https address.');
  return s3Target({ address, accessKeyId, secretAccessKey, sessionToken, region, endpoint });
}
