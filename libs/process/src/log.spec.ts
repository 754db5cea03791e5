import { jest } from '@jest/globals';
import { mint } from '@writ/token';
import { crashWithoutSecrets, createLog, withoutSecrets } from './log.js';

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

  it.each(['amqp://writ:hunter2@broker:5672/writ', 'redis://:hunter2@redis:6379', 'postgres://writ:hun@ter2@db/writ', 'amqps://writ:p%40%2Fhunter2@broker'])('keeps no password of %s', (address) => {
    const kept = address.replace(/:[^:/]*@(?=[^@]*$)/, ':[secret]@');
    expect(withoutSecrets(`cannot reach ${address}, nor http://issuer:4003/x@y`)).toBe(`cannot reach ${kept}, nor http://issuer:4003/x@y`);
  });

  it('keeps of a driver’s error its text and code, not the row or the parameters', () => {
    const error = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (sub)=(alice) exists', parameters: ['alice'], query: 'INSERT' });
    const line = written((log) => log.error({ err: error }, 'x'));
    expect(line).toContain('23505');
    expect(line).not.toContain('alice');
  });

  it.each(['authorization', 'cookie', 'password', 'secret', 'token', 'headers'])('keeps no field named %s', (name) => {
    expect(written((log) => log.info({ [name]: 'plain text', call: { [name]: 'plain text' } }, 'x'))).not.toContain('plain text');
  });
});

it('the last line of a process that an error ends has no more of it than a log line, and no secret (G3)', async () => {
  const secret = mint('dev', new Uint8Array(32).fill(7)).reveal();
  const written = jest.spyOn(process.stderr, 'write').mockImplementation(((_line: string, done: () => void) => { done(); return true; }) as never);
  const exited = new Promise((resolve) => { jest.spyOn(process, 'exit').mockImplementation(resolve as never); });
  crashWithoutSecrets('test');
  process.emit('uncaughtException', Object.assign(new Error(`no row for ${secret}`), { code: '23505', parameters: ['alice'], query: 'INSERT' }));
  expect(await exited).toBe(1);
  const line = String(written.mock.calls[0]?.[0]);
  process.removeAllListeners('uncaughtException');
  jest.restoreAllMocks();
  expect(JSON.parse(line)).toMatchObject({ service: 'test', err: { code: '23505', message: 'no row for [secret]' } });
  expect(line).not.toMatch(/alice|INSERT/);
});
