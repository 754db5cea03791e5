import { mint } from '@writ/token';
import { createLog } from './log.js';

/** What the log writes of a line. */
function written(work: (log: ReturnType<typeof createLog>) => void): string {
  const lines: string[] = [];
  const log = createLog('test', 'info');
  const stream = (log as unknown as Record<symbol, { write(line: string): void }>)[Object.getOwnPropertySymbols(log).find(({ description }) => description === 'pino.stream')!]!;
  stream.write = (line) => { lines.push(line); };
  work(log);
  return lines.join('');
}

describe('a log line (G3)', () => {
  const secret = mint('dev', new Uint8Array(32).fill(7)).reveal();

  it.each<[string, object, string]>([
    ['a text', {}, `claimed ${secret}`],
    ['a field', { answer: { deep: [secret] } }, 'x'],
    ['an error', { err: new Error(`bad ${secret}`, { cause: new Error(secret) }) }, 'x'],
    ['a header', { request: { headers: { authorization: `Bearer ${secret}` }, authorization: secret } }, 'x'],
  ])('keeps no secret of %s', (_, facts, text) => {
    const line = written((log) => log.warn(facts, text));
    expect(line).toContain('"service":"test"');
    expect(line).not.toContain(secret.slice(-20));
  });

  it('keeps no password of an address, and the address itself', () => {
    const line = written((log) => log.error({ err: new Error('connect amqp://writ:hunter2@broker:5672/writ failed') }, 'postgres://writ:hunter2@db/writ'));
    expect(line).not.toContain('hunter2');
    expect(line).toContain('broker:5672');
  });

  it('keeps of a driver’s error its text and code, not the row or the parameters', () => {
    const error = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (sub)=(alice) exists', parameters: ['alice'], query: 'INSERT' });
    const line = written((log) => log.error({ err: error }, 'x'));
    expect(line).toContain('23505');
    expect(line).not.toContain('alice');
  });

  it.each(['authorization', 'cookie', 'password', 'secret', 'token', 'headers'])('keeps no field named %s', (name) => {
    expect(written((log) => log.info({ call: { [name]: 'plain text' } }, 'x'))).not.toContain('plain text');
  });
});
