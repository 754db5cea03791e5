import { connect, type Socket } from 'node:net';
import { quantile } from '../row.js';
import type { LoadFacts } from './load.js';

/** Sends one request after the other on each connection, and times each from its first byte to its answer's last. */
class Asker {
  private readonly socket: Socket;
  private received = '';
  private begun = 0;
  private next: number;

  constructor(private readonly facts: LoadFacts, start: number, private readonly done: (latencyMs: number) => 'ask' | 'wait' | 'end', private readonly fail: (error: string) => void) {
    this.next = start % facts.requests.length;
    this.socket = connect(facts.port, facts.host);
    this.socket.setNoDelay(true).setEncoding('latin1');
    this.socket.on('data', (chunk: string) => this.take(chunk));
    this.socket.on('error', (error) => fail(error.message));
  }

  ask(): void {
    this.begun = performance.now();
    this.socket.write(this.facts.requests[this.next] as string);
    this.next = (this.next + 1) % this.facts.requests.length;
  }

  private take(chunk: string): void {
    this.received = this.received === '' ? chunk : this.received + chunk;
    const head = this.received.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = /content-length: (\d+)/i.exec(this.received.slice(0, head))?.[1];
    if (this.received.length < head + 4 + Number(length ?? 0)) return;
    if (!this.received.startsWith(this.facts.status, 9) || !this.received.includes(this.facts.holds)) this.fail(`unexpected answer: ${this.received.slice(0, 200)}`);
    this.received = '';
    const then = this.done(performance.now() - this.begun);
    if (then === 'ask') this.ask();
    else if (then === 'end') this.socket.destroy();
  }
}

process.once('message', (facts: LoadFacts) => {
  const latencies: number[] = [];
  const begun = performance.now();
  const end = begun + facts.seconds * 1_000;
  let open = facts.connections;
  const finish = (error?: string) => {
    const seconds = (performance.now() - begun) / 1_000;
    process.send?.({ perSecond: latencies.length / seconds, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99), count: latencies.length, error }, () => process.exit(0));
  };
  const gapMs = facts.rate === undefined ? 0 : (facts.connections / facts.rate) * 1_000;
  for (let i = 0; i < facts.connections; i++) {
    const asker = new Asker(facts, i * 7, (latencyMs) => {
      latencies.push(latencyMs);
      if (performance.now() < end) {
        if (gapMs === 0) return 'ask';
        setTimeout(() => asker.ask(), Math.max(0, gapMs - latencyMs));
        return 'wait';
      }
      if (--open === 0) finish();
      return 'end';
    }, finish);
    if (gapMs === 0) asker.ask();
    else setTimeout(() => asker.ask(), Math.random() * gapMs);
  }
});
