import { BlockList, isIP } from 'node:net';

const parsed = new WeakMap<readonly string[], BlockList>();

/**
 * Tells whether an address lies in one of the CIDR blocks. No address, or one that is none, lies
 * nowhere; an IPv4 address mapped into IPv6 counts as the IPv4 one.
 */
export function inNetworks(networks: readonly string[], address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(plain);
  if (family === 0) return false;
  return blocksOf(networks).check(plain, family === 4 ? 'ipv4' : 'ipv6');
}

function blocksOf(networks: readonly string[]): BlockList {
  const known = parsed.get(networks);
  if (known) return known;
  const blocks = new BlockList();
  for (const network of networks) {
    const [base = '', bits = ''] = network.split('/');
    const family = isIP(base);
    // A block that cannot be read admits nobody; the others still count.
    if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) continue;
    blocks.addSubnet(base, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  }
  parsed.set(networks, blocks);
  return blocks;
}
