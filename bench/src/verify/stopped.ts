import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { FleetReceipt } from '@writ/contracts';
import { defaultFenceBounds, grantedLeaseMs, leaseOverBy } from '@writ/gateway';
import { quantile, type BenchOptions, type Row } from '../row.js';
import type { BenchIssuer } from './issuer-process.js';

/** As asked for: nobody's revocation waits longer for this verifier. */
const leaseMs = 800;

/** How long `wait=fleet` waits for a verifier that is stopped, as by SIGSTOP: until its lease is over everywhere, and no longer. */
export async function besideStopped(issuer: BenchIssuer, { quick, say }: BenchOptions): Promise<Row> {
  const count = quick ? 5 : 20;
  say(`revoke, wait=fleet, beside a stopped verifier: ${count} revocations`);
  const verifier = fork(new URL('stopped-process.js', import.meta.url), [JSON.stringify({ issuerUrl: issuer.url, leaseMs, ...issuer.gateway })]);
  try {
    const returns: number[] = [];
    for (const id of await issuer.issue(count)) {
      await underLease(verifier);
      verifier.kill('SIGSTOP');
      const begun = performance.now();
      const { receipts } = (await issuer.post(`/v1/tokens/${id}/revoke?wait=fleet`, { reason: 'bench' }, issuer.alice)) as { receipts: FleetReceipt[] };
      returns.push(performance.now() - begun);
      verifier.kill('SIGCONT');
      if (receipts.find(({ name }) => name === 'bench-stopped')?.outcome !== 'fenced') throw new Error('a stopped verifier was not waited for');
    }
    const [p50Ms, p99Ms] = [quantile(returns, 0.5), quantile(returns, 0.99)];
    const bound = Math.ceil(leaseOverBy(0, grantedLeaseMs(leaseMs), defaultFenceBounds));
    return { bench: 'verify', name: 'revoke, wait=fleet, one verifier stopped', kind: 'ours', perSecond: 1_000 / p50Ms, p50Ms, p99Ms, note: `it asked for ${leaseMs} ms: its lease is over for everybody ${bound} ms after the commit` };
  } finally {
    verifier.kill('SIGKILL');
  }
}

async function underLease(verifier: ChildProcess): Promise<void> {
  const answered = once(verifier, 'message');
  verifier.send('ready?');
  await answered;
}
