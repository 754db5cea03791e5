import { randomBytes } from 'node:crypto';
import { TokenCache } from '@writ/gateway';

/** Remembers as many tokens as it is told, with the memory that issuer and SDK have, and tells by how many megabytes it grew. */
const count = Number(process.argv[2]);
const scopes = ['orders:read', 'orders:write'];
const megabytes = () => process.memoryUsage().rss / 1_048_576;
const before = megabytes();
const memory = new TokenCache(count);
for (let i = 0; i < count; i++) {
  memory.put(randomBytes(32).toString('latin1'), {
    state: 'VALID', tokenId: `tok_${String(i).padStart(26, '0')}`, owner: `svc:${i % 1_000}`, expiresAtMs: 1.9e12, grant: { audience: 'orders', environment: 'prod', scopes, generation: 1 },
  }, 1);
}
process.send?.({ size: memory.size, grownMb: megabytes() - before });
