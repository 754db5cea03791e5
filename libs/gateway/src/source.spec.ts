import fc from 'fast-check';
import { sourceOf } from './source.js';

it.each([
  ['192.0.2.7', '192.0.2.7'], ['::ffff:192.0.2.7', '192.0.2.7'], ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'], ['2001:0DB8:1:2::9', '2001:db8:1:2'],
  ['2001:db8::1:2:3:4:5', '2001:db8:0:1'], ['2001:db8::1', '2001:db8:0:0'], ['::1', '0:0:0:0'], ['fe80::1%eth0', 'fe80:0:0:0'], ['a proxy', 'a proxy'],
])('takes what %s asks from the share of %s', (address, source) => {
  expect(sourceOf(address)).toBe(source);
});

it('takes every text for a source, and all addresses of one /64 for the same', () => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.ipV6(), fc.ipV6().map((address) => `${address}%eth0`), fc.ipV4().map((address) => `::ffff:${address}`)), (text) => { sourceOf(text); }));
  const groups = (count: number) => fc.array(fc.nat(0xffff).map((group) => group.toString(16)), { minLength: count, maxLength: count });
  fc.assert(fc.property(groups(4), groups(4), groups(4), (network, one, other) => {
    expect(sourceOf([...network, ...one].join(':'))).toBe(sourceOf([...network, ...other].join(':')));
  }));
});
