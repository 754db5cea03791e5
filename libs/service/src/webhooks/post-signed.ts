import { lookup as resolve, type LookupAddress } from 'node:dns';
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { promisify } from 'node:util';
import { Webhook } from 'standardwebhooks';
import type { WebhookTarget } from './webhook-target.js';

const answerWithinMs = 5_000;

export interface Notice {
  /** Receivers tell repetitions by it. */
  notice_id: string;
  body: string;
}

/** Posts a notice, signed by Standard Webhooks. @returns what went wrong, if anything did */
export async function postSigned(target: WebhookTarget, notice: Notice, now: Date, withinMs = answerWithinMs): Promise<string | undefined> {
  const url = new URL(target.url);
  if (url.protocol !== 'https:' && !target.allowPrivate) return 'the address is not https';
  const addresses = await addressesOf(url.hostname.replace(/^\[(.*)\]$/, '$1'));
  if (!target.allowPrivate && !addresses.every(({ address }) => isPublicAddress(address))) return 'the address lies inside a network';
  const status = await post(url, addresses, notice.body, withinMs, {
    'content-type': 'application/json', 'content-length': String(Buffer.byteLength(notice.body)), 'user-agent': 'writ',
    'webhook-id': notice.notice_id, 'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(target.secret).sign(notice.notice_id, now, notice.body),
  });
  // A redirect is not followed: its target was never checked.
  return status >= 200 && status < 300 ? undefined : `the receiver answered ${status}`;
}

const lookupAll = promisify(resolve) as (host: string, options: { all: true }) => Promise<LookupAddress[]>;

/** Resolves once; the connection goes to what was checked, whatever the name says a moment later. */
async function addressesOf(host: string): Promise<LookupAddress[]> {
  const family = isIP(host);
  return family ? [{ address: host, family }] : lookupAll(host, { all: true });
}

function post(url: URL, pinned: readonly LookupAddress[], body: string, withinMs: number, headers: Record<string, string>): Promise<number> {
  const lookup: LookupFunction = (_host, options, done) => {
    if (options.all) (done as (error: null, addresses: LookupAddress[]) => void)(null, [...pinned]);
    else done(null, pinned[0]?.address ?? '', pinned[0]?.family);
  };
  const request = url.protocol === 'https:' ? tlsRequest : plainRequest;
  return new Promise((fulfil, reject) => {
    const sent = request(url, { method: 'POST', headers, lookup, agent: false, signal: AbortSignal.timeout(withinMs) }, (answer) => {
      fulfil(answer.statusCode ?? 0);
      answer.destroy(); // What it says does not matter, and may be endless.
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Everything that RFC 6890 and its successors set aside: this host, private networks, link-local (cloud metadata), and so on. */
const setAside = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.0.2.0', 24],
  ['192.31.196.0', 24], ['192.52.193.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['192.175.48.0', 24], ['198.18.0.0', 15], ['198.51.100.0', 24],
  ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4],
] as const) setAside.addSubnet(network, bits, 'ipv4');
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');
for (const [network, bits] of [
  ['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['3fff::', 20],
] as const) setAside.addSubnet(network, bits, 'ipv6');

/** Says whether an address is out on the internet. IPv6 must be global unicast, which no mapped or embedded IPv4 is. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !setAside.check(address, 'ipv4');
  return version === 6 && global.check(address, 'ipv6') && !setAside.check(address, 'ipv6');
}
