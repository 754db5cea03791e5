/**
 * Writes a small file in MaxMind's DB format 2.0 (maxmind.github.io/MaxMind-DB), for tests: 32-bit records, IPv6 with
 * IPv4 under ::/96, strings, numbers and maps.
 */
type Value = string | number | { [key: string]: Value };

export function mmdb(networks: Readonly<Record<string, Value>>): Buffer {
  const nodes: [Slot, Slot][] = [[undefined, undefined]];
  const data: Buffer[] = [];
  let offset = 0;
  for (const [network, value] of Object.entries(networks)) {
    const bytes = encode(value);
    insert(nodes, bitsOf(network), { offset });
    data.push(bytes);
    offset += bytes.length;
  }
  const tree = Buffer.alloc(nodes.length * 8);
  nodes.forEach((slots, i) => slots.forEach((slot, side) => {
    const record = slot === undefined ? nodes.length : typeof slot === 'number' ? slot : nodes.length + 16 + slot.offset;
    tree.writeUInt32BE(record, i * 8 + side * 4);
  }));
  const metadata = encode({
    binary_format_major_version: 2, binary_format_minor_version: 0, build_epoch: 1_700_000_000, database_type: 'Test-City', ip_version: 6, node_count: nodes.length, record_size: 32,
    description: { en: 'made by a test' },
  });
  return Buffer.concat([tree, Buffer.alloc(16), ...data, Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'), metadata]);
}

type Slot = number | { offset: number } | undefined;

function insert(nodes: [Slot, Slot][], bits: number[], leaf: { offset: number }): void {
  let at = 0;
  bits.forEach((bit, i) => {
    const node = nodes[at] as [Slot, Slot];
    if (i === bits.length - 1) node[bit] = leaf;
    else {
      if (typeof node[bit] !== 'number') node[bit] = nodes.push([undefined, undefined]) - 1;
      at = node[bit] as number;
    }
  });
}

function bitsOf(network: string): number[] {
  const [address = '', length = '32'] = network.split('/');
  const bits = address.split('.').flatMap((byte) => [...Number(byte).toString(2).padStart(8, '0')].map(Number));
  return [...Array.from({ length: 96 }, () => 0), ...bits.slice(0, Number(length))];
}

function encode(value: Value): Buffer {
  if (typeof value === 'string') return tagged(2, Buffer.from(value));
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return tagged(6, bytes);
  }
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    return tagged(3, bytes);
  }
  const entries = Object.entries(value);
  return Buffer.concat([Buffer.from([(7 << 5) | entries.length]), ...entries.flatMap(([key, member]) => [encode(key), encode(member)])]);
}

/** Type and length in the first byte; from 29 on the length goes on in a second. */
function tagged(type: number, bytes: Buffer): Buffer {
  const head = bytes.length < 29 ? [(type << 5) | bytes.length] : [(type << 5) | 29, bytes.length - 29];
  return Buffer.concat([Buffer.from(head), bytes]);
}
