import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAll, isAlive, launch, self, untilReady, type ProcessRecord } from './processes.mjs';
import { alone } from './state.mjs';

let dir: string;
const started: ProcessRecord[] = [];

beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'writ-processes-')); });
afterEach(async () => {
  await endAll(started.splice(0), 0);
  rmSync(dir, { recursive: true });
});

function start(program: string): ProcessRecord {
  const record = launch({ name: 'test', command: process.execPath, args: ['-e', program], env: process.env, cwd: dir, logFile: join(dir, 'log') });
  started.push(record);
  return record;
}

const said = (text: string) => untilReady(() => readFileSync(join(dir, 'log'), 'utf8').includes(text), { withinMs: 10_000, everyMs: 20 });

describe('processes that are recorded', () => {
  it('are ended by their stop signal', async () => {
    const record = start("process.once('SIGTERM', () => { console.log('goodbye'); process.exit(0); }); setInterval(() => {}, 1000); console.log('up');");
    await said('up');
    await endAll([record]);
    expect(isAlive(record)).toBe(false);
    expect(readFileSync(join(dir, 'log'), 'utf8')).toContain('goodbye');
  });

  it('are ended for good when they ignore it', async () => {
    const record = start("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up');");
    await said('up');
    await endAll([record], 100);
    expect(isAlive(record)).toBe(false);
  });

  it('are left alone when another process has inherited the pid', async () => {
    const record = start('setInterval(() => {}, 1000);');
    await endAll([{ ...record, startedAt: '1' }], 0);
    expect(isAlive(record)).toBe(true);
  });

  it('are told apart: ready, died, late', async () => {
    const record = start('setInterval(() => {}, 1000);');
    expect(await untilReady(() => true, { records: [record], withinMs: 1_000 })).toBe('ready');
    expect(await untilReady(() => { throw new Error('not yet'); }, { records: [record], withinMs: 50, everyMs: 10 })).toBe('late');
    await endAll([record], 0);
    expect(await untilReady(() => false, { records: [record], withinMs: 1_000 })).toBe('died');
  });
});

describe('work that is done alone', () => {
  it('is refused while another process is at it, and taken over when that one is gone', async () => {
    const other = start('setInterval(() => {}, 1000);');
    writeFileSync(join(dir, 'backing.lock'), JSON.stringify(other));
    await expect(alone(dir, () => 'done')).rejects.toThrow(`Process ${other.pid} is already at work`);
    await endAll([other], 0);
    expect(await alone(dir, () => 'done')).toBe('done');
  });

  it('waits for its turn where it may', async () => {
    writeFileSync(join(dir, 'backing.lock'), JSON.stringify(self()));
    setTimeout(() => rmSync(join(dir, 'backing.lock')), 300);
    expect(await alone(dir, () => 'done', { waitMs: 10_000 })).toBe('done');
  });
});
