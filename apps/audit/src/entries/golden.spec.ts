import type { EventType, Message } from '@writ/contracts';
import { hashLeaves, TreeBuilder } from '@writ/tlog';
import { candidateOf } from './candidate.js';
import { disclose } from './disclosure.js';
import { leafOf } from './leaf.js';

const size = 70_000;
const person = { iss: 'https://id.example', sub: 'alice' };
const digest = `sha256:${'ab'.repeat(32)}`;
const id = (prefix: string, i: number) => `${prefix}_${String(i).padStart(26, '0')}`;

/** What was said of the i-th token, the same for ever. */
function eventOf(i: number): { type: EventType; data: object } {
  const [tokenId, requestId] = [id('tok', i - (i % 5)), id('req', i - (i % 5))];
  const by = { kind: 'person', principal: person };
  switch (i % 5) {
    case 0: return { type: 'request.submitted', data: { requestId, source: 'ci', submissionId: `s-${i}`, requester: { id: 'alice', team: 'orders' }, claimant: person, reason: 'nightly export', resource: 'orders', audience: 'orders', scopes: ['orders:read'], environment: 'prod', ttl: 'P1D', delivery: { mode: 'claim' }, requestDigest: digest } };
    case 1: return { type: 'review.recorded', data: { requestId, requestDigest: digest, reviewer: person, vote: 'approve', reason: 'fine' } };
    case 2: return { type: 'token.issued', data: { tokenId, requestId, owner: { id: 'alice', team: 'orders' }, resource: 'orders', scopes: ['orders:read'], environment: 'prod', expiresAt: '2026-01-02T00:00:00Z' } };
    case 3: return { type: 'usage.recorded', data: { verifierId: id('vrf', 1), watermark: '2026-01-01T00:00:00Z', records: [{ tokenId, generation: 1, code: 'VALID', gateway: 'edge', network: '203.0.113.0/24', count: i }] } };
    default: return { type: 'token.revoked', data: { tokenId, seq: i, by, code: 'revoked-by-owner', reason: 'done' } };
  }
}

/** Salts that are not random, for a log that is not secret. */
function salts(): () => Buffer {
  let count = 0;
  return () => {
    const salt = Buffer.alloc(16);
    salt.writeUInt32BE(count++);
    return salt;
  };
}

it(`writes ${size.toLocaleString('en')} leaves to the root that they had when the format was made (G8)`, () => {
  const salt = salts();
  const at = (i: number) => new Date(Date.UTC(2026, 0, 1) + i * 1_000);
  const tree = new TreeBuilder();
  for (let i = 0; i < size; i++) {
    const { type, data } = eventOf(i);
    const message = { id: id('evt', i), type, subject: 'x', time: at(i), userId: 'writ-issuer', producer: `issuer/${i % 8}`, producerSeq: String(i), aggregateVersion: (i % 5) + 1, data } as Message;
    const place = { log: 'audit.example.com/tokens', seq: i, ...(i % 5 === 4 && { prev: i - 2 }), recordedAt: at(i) };
    tree.append(hashLeaves([leafOf(candidateOf(message, salt), place, (name, value) => disclose(salt(), name, value)).bytes]));
  }
  // Proofs that people keep are of these bytes. If this root changes, what is written from now on is another format.
  expect(tree.root().toString('base64')).toBe('qhIJktaWgY2i+FVcKOfAQgJuklMfoXgN9kEbE5Lgxmk=');
});
