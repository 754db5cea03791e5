import dns from 'node:dns';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import { isPublicAddress, postSigned } from './post-signed.js';

describe('where notices may go', () => {
  it.each([
    '127.0.0.1', '127.255.255.254', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254', '100.64.0.1', '198.18.0.1',
    '224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'fc00::1', 'fd12::1', 'ff02::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '::127.0.0.1', '64:ff9b::7f00:1',
    '2002:7f00:1::', '2001:db8::1', '2001::1', '3fff::1', 'localhost', '', '1.2.3',
  ])('is never %s', (address) => expect(isPublicAddress(address)).toBe(false));

  it.each(['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1'])('may be %s', (address) => expect(isPublicAddress(address)).toBe(true));
});

describe('an address that is written otherwise', () => {
  it.each([
    '0177.0.0.1', '0x7f000001', '2130706433', '017700000001', '127.1', '127.0.0.1.', '①②⑦.0.0.1', '127。0。0。1', '0', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:ffff:a9fe:a9fe]', '[::127.0.0.1]',
    '[64:ff9b::a9fe:a9fe]', 'hooks.example.com@127.0.0.1', 'hooks.example.com:443@169.254.169.254', 'hooks.example.com%40127.0.0.1@10.0.0.1', '169.254.169.254:443',
  ])('lies inside a network all the same: %s', async (host) => {
    const sent = postSigned({ name: 'x', secret: 'x', kind: 'standard', url: `https://${host}/x` } as never, { notice_id: 'n', body: '{}' }, new Date(), 500);
    expect(await sent).toBe('the address lies inside a network');
  });
});

it('a name that means another address a moment later takes no notice there: it goes to the one that was checked', async () => {
  const received: string[] = [];
  const server = createServer((request, response) => { received.push(request.url ?? ''); response.end(); });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const asked = jest.spyOn(dns, 'lookup').mockImplementation(((_host: string, options: { all?: boolean }, done: (...answer: unknown[]) => void) => {
    if (options.all) done(null, [{ address: '127.0.0.2', family: 4 }]);
    else done(null, '127.0.0.2', 4);
  }) as never);
  const target = { name: 'x', secret: `whsec_${Buffer.alloc(32).toString('base64')}`, kind: 'standard', url: `http://localhost:${(server.address() as AddressInfo).port}/x`, allowPrivate: true };
  expect(await postSigned(target as never, { notice_id: 'n', body: '{}' }, new Date(), 2_000)).toBeUndefined();
  expect(asked).not.toHaveBeenCalled();
  expect(received).toEqual(['/x']);
  jest.restoreAllMocks();
  await new Promise((resolve) => { server.close(resolve); });
});
