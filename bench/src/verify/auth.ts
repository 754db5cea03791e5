import { fileURLToPath } from 'node:url';
import { until } from '@writ/testing';
import type { BenchOptions, Row } from '../row.js';
import { inTurns, type Server } from './http.js';
import type { BenchIssuer } from './issuer-process.js';
import { get, post } from './load.js';

/** The flags of an issuer whose authentication {@link authentication} can switch. */
export const switchable = ['--import', fileURLToPath(new URL('./auth-switch.js', import.meta.url))];

const bearerRate = 200;

/**
 * What telling who calls costs: the same doors of the same process, in turns with it and without, where nothing is sent
 * to tell by either. Of verification at full load, of a route for people at 200 a second.
 */
export async function authentication(issuer: BenchIssuer, secrets: readonly string[], tokenId: string, { quick, say }: BenchOptions): Promise<Row[]> {
  let isOut = false;
  const authenticated = (isWanted: boolean) => async () => {
    if (isOut === !isWanted) return;
    process.kill(issuer.pid, 'SIGUSR2');
    isOut = !isWanted;
    await until(async () => (await fetch(`${issuer.url}/v1/tokens/${tokenId}`)).ok === isOut, 'the switch to have worked');
  };
  const json = { 'content-type': 'application/json' };
  const port = Number(new URL(issuer.url).port);
  const verify = (headers: Record<string, string>) => secrets.map((token) => post('/v1/tokens/verify', JSON.stringify({ token, scopes: ['orders:read'] }), headers));
  const server = (name: string, isWanted: boolean, asked: Pick<Server['asked'], 'requests' | 'holds' | 'rate'>): Server => ({
    name, kind: isWanted ? 'ours' : 'limit', pid: issuer.pid, asked: { port, status: '200', ...asked }, before: authenticated(isWanted), ...(isWanted ? {} : { note: 'nobody is authenticated' }),
  });
  const hot = (isWanted: boolean) => server('authentication, http verify', isWanted, { requests: verify(isWanted ? { ...json, authorization: issuer.basic } : json), holds: '"code":"VALID"' });
  const other = (isWanted: boolean) => server('authentication, a route for people', isWanted, {
    requests: [get(`/v1/tokens/${tokenId}`, isWanted ? { authorization: issuer.root } : {})], holds: tokenId, rate: bearerRate,
  });
  say('authentication: in turns with and without');
  const rows = [
    ...await inTurns([hot(true), hot(false)], quick ? 2 : 5, quick ? 7 : 9),
    ...await inTurns([other(true), other(false)], quick ? 3 : 8, 5),
  ];
  await authenticated(true)();
  return rows;
}
