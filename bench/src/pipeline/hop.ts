import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { quantile, type Row } from '../row.js';

export interface HopFacts {
  role: 'send' | 'receive';
  kind: 'ours' | 'bare';
  databaseUrl: string;
  brokerUrl: string;
  count: number;
}

interface Done {
  ready?: true;
  finishedAt?: number;
  cpuUs?: number;
  rssMb?: number;
  latencies?: number[];
}

/** Starts the sender and the receiver of one hop as processes of their own and measures from go to the last commit. */
export async function measureHop(name: string, kind: 'ours' | 'limit', sender: HopFacts, receiver: HopFacts): Promise<Row> {
  const children = [child(sender), child(receiver)] as const;
  try {
    await Promise.all(children.map(({ ready }) => ready));
    const startedAt = Date.now();
    for (const { process } of children) process.send('go');
    const [sent, received] = await Promise.all(children.map(({ done }) => done));
    const seconds = ((received?.finishedAt ?? 0) - startedAt) / 1000;
    return {
      bench: 'pipeline', name, kind, perSecond: receiver.count / seconds,
      p50Ms: quantile(received?.latencies ?? [], 0.5), p99Ms: quantile(received?.latencies ?? [], 0.99),
      cpuUsPerOp: ((sent?.cpuUs ?? 0) + (received?.cpuUs ?? 0)) / receiver.count,
      rssMb: Math.max(sent?.rssMb ?? 0, received?.rssMb ?? 0),
    };
  } finally {
    for (const { process } of children) process.kill('SIGKILL');
  }
}

function child(facts: HopFacts): { process: ChildProcess; ready: Promise<void>; done: Promise<Done> } {
  const process = fork(fileURLToPath(new URL('./hop-process.js', import.meta.url)), [JSON.stringify(facts)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = new Promise<never>((_, reject) => {
    process.once('exit', (code) => reject(new Error(`${facts.kind} ${facts.role} ended with ${code}`)));
  });
  const message = (wanted: keyof Done) => new Promise<Done>((resolve) => {
    process.on('message', (said: Done) => {
      if (said[wanted] !== undefined) resolve(said);
    });
  });
  const done = Promise.race([message('finishedAt'), ended]);
  done.catch(() => undefined); // Killed at the end, which is no error.
  return { process, ready: Promise.race([message('ready'), ended]).then(() => undefined), done };
}
