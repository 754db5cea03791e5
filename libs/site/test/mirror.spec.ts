import { decimals, logKey, MemoryLog } from '../../tlog/test/memory-log.js';
import { parsePolicy, SignerKey, tileSource, verifyLog } from '@writ/tlog';
import { isS3Address, mirrorLog, MirrorDiffers, s3Target, type MirrorTarget } from '@writ/site';
import { SignedStore, signatureOf } from '../../testing/src/signed-store.js';

const keys = [logKey.verifier];
const policy = parsePolicy(`log ${logKey.verifier}\nquorum none\n`);
const read = (target: MirrorTarget) => tileSource((path) => target.get(path));
const mirror = (log: MemoryLog, target: MirrorTarget) => mirrorLog(log.source, log.files.get('checkpoint')!, keys, target);

/** Any S3-compatible store: `WRIT_TEST_S3_ENDPOINT`, `…_BUCKET`, `…_KEY_ID` and `…_SECRET` name a real one. */
const real = process.env.WRIT_TEST_S3_ENDPOINT;
let store: SignedStore;
let folders = 0;
beforeAll(async () => {
  store = await SignedStore.start();
});
afterAll(() => store.close());

function bucket(more: { secretAccessKey?: string } = {}): MirrorTarget {
  const env = (name: string) => process.env[`WRIT_TEST_S3_${name}`]!;
  const prefix = `writ-${process.pid}-${folders++}/log`;
  return real
    ? s3Target({ address: `s3://${env('BUCKET')}/${prefix}`, endpoint: real, accessKeyId: env('KEY_ID'), secretAccessKey: env('SECRET'), ...more })
    : s3Target({ address: `s3://logs/${prefix}`, endpoint: store.endpoint, accessKeyId: store.keyId, secretAccessKey: store.secret, ...more });
}

describe('signatures', () => {
  it.each([
    // "Examples: Signature Calculations in AWS Signature Version 4", Amazon S3 API reference.
    ['GET', '/test.txt', { range: 'bytes=0-9' }, '', 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41'],
    ['PUT', '/test%24file.text', { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' }, 'Welcome to Amazon S3.', '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd'],
  ])('are judged as Amazon published them: %s', (method, path, more, text, expected) => {
    const body = Buffer.from(text);
    const digest = method === 'GET' ? 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' : '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072';
    const headers: Record<string, string> = { host: 'examplebucket.s3.amazonaws.com', 'x-amz-content-sha256': digest, 'x-amz-date': '20130524T000000Z', ...more };
    expect(signatureOf({ method, path, headers, body }, Object.keys(headers).sort(), '20130524/us-east-1/s3/aws4_request', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')).toBe(expected);
  });
});

describe(`a mirror in ${real ? `the object store at ${real}` : 'an object store that checks every signature'}`, () => {
  it('holds the whole log, grows with it, and is verified like the log itself', async () => {
    const target = bucket();
    const log = MemoryLog.of(300);
    expect(await mirror(log, target)).toMatchObject({ from: 0, to: 300 });
    expect(await mirror(log, target)).toEqual({ from: 300, to: 300, files: 0 });
    for (const size of [301, 512, 1_000]) {
      const before = log.entries.length;
      log.grow(decimals(before, size));
      expect(await mirror(log, target)).toMatchObject({ from: before, to: size });
      const report = await verifyLog(read(target), { policy });
      expect([report.findings, report.checked]).toEqual([[], size]);
    }
  });

  it('shows the old checkpoint until every file of the new one is there, and goes on where it broke off', async () => {
    const target = bucket();
    const log = MemoryLog.of(300);
    await mirror(log, target);
    log.grow(decimals(300, 900));
    let left = 3;
    const breaking: MirrorTarget = { get: (path) => target.get(path), put: async (path, bytes, type) => {
      if (left-- === 0) throw new Error('the line is dead');
      await target.put(path, bytes, type);
    } };
    await expect(mirror(log, breaking)).rejects.toThrow('the line is dead');
    expect((await verifyLog(read(target), { policy })).checked).toBe(300);
    expect(await mirror(log, target)).toMatchObject({ from: 300, to: 900 });
    expect((await verifyLog(read(target), { policy })).findings).toEqual([]);
  });

  it('is never written over by another history, by a key that is not the log’s, or by a log whose files do not fit', async () => {
    const target = bucket();
    await mirror(MemoryLog.of(300), target);
    const other = new MemoryLog().grow([Buffer.from('another first'), ...decimals(1, 600)]);
    await expect(mirror(other, target)).rejects.toThrow(MirrorDiffers);
    const stranger = SignerKey.generate(logKey.verifier.name, 0x01).verifier;
    await expect(mirrorLog(other.source, other.files.get('checkpoint')!, [stranger], target)).rejects.toThrow();
    const torn = MemoryLog.of(300).grow(decimals(300, 600));
    torn.files.set('tile/entries/002.p/88', Buffer.from(torn.files.get('tile/entries/002.p/88')!.toString().replace('599', '999')));
    await expect(mirror(torn, target)).rejects.toThrow('do not hash');
    expect((await verifyLog(read(target), { policy })).checked).toBe(300);
    expect((await verifyLog(read(target), { policy })).findings).toEqual([]);
  });

  it('is left alone when it is ahead', async () => {
    const target = bucket();
    await mirror(MemoryLog.of(600), target);
    expect(await mirror(MemoryLog.of(300), target)).toEqual({ from: 600, to: 600, files: 0 });
    expect((await verifyLog(read(target), { policy })).checked).toBe(600);
  });

  it('is refused to whoever has not the secret', async () => {
    await expect(mirror(MemoryLog.of(10), bucket({ secretAccessKey: 'a-guess' }))).rejects.toThrow('SignatureDoesNotMatch');
  });
});

describe('a store that is busy', () => {
  it('is asked again, and what it goes on refusing is told', async () => {
    const target = s3Target({ address: 's3://logs/busy', endpoint: store.endpoint, accessKeyId: store.keyId, secretAccessKey: store.secret });
    store.failNext = [503, 429];
    await target.put('checkpoint', Buffer.from('x'), 'text/plain');
    expect(await target.get('checkpoint')).toEqual(Buffer.from('x'));
    store.failNext = [503, 503, 503, 503, 503];
    await expect(target.get('checkpoint')).rejects.toThrow('GET checkpoint: 503 SlowDown');
  });

  it('has an address of one form', () => {
    expect(['s3://logs', 's3://logs/', 's3://logs/writ/prod', 's3://my.logs/a_b'].map(isS3Address)).toEqual([true, true, true, true]);
    expect(['s3://', 'https://logs/x', 's3://Logs/x', 's3://logs/a b', 's3://logs/?x', 's3:logs'].map(isS3Address)).toEqual([false, false, false, false, false, false]);
  });
});
