import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** `hole`: connections stay, and nothing passes in either direction. */
export type Fault = 'none' | 'down' | 'hole';

/** Stands between a service and a server that it needs, and fails as that server, or the net before it, would. */
export class FaultProxy {
  private readonly pairs = new Set<[Socket, Socket]>();
  private fault: Fault = 'none';
  private unanswered?: { phrase: string; times: number };

  private constructor(private readonly server: Server, private readonly target: { host: string; port: number }) {
    server.on('connection', (near) => this.join(near));
  }

  static async before(url: string): Promise<FaultProxy> {
    const { hostname, port } = new URL(url);
    const proxy = new FaultProxy(createServer({ pauseOnConnect: true }), { host: hostname, port: Number(port) });
    await new Promise<void>((resolve) => {
      proxy.server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** The same address by way of this proxy. */
  url(url: string): string {
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = String((this.server.address() as AddressInfo).port);
    return through.toString();
  }

  /** `down` resets what there is and whatever comes; with `none` new connections work again, and those in a hole get what was held back. */
  set(fault: Fault): void {
    this.fault = fault;
    for (const pair of this.pairs) this.apply(pair);
  }

  /** So many times what holds the phrase still reaches the server, and the connection is lost before its answer comes. */
  loseAnswers(phrase: string, times: number): void {
    this.unanswered = { phrase, times };
  }

  get answersToLose(): number {
    return this.unanswered?.times ?? 0;
  }

  /** Says to all who are connected what only a server in need would say. Between two of its messages: when it is silent. */
  say(bytes: Buffer): void {
    for (const [near] of this.pairs) near.write(bytes);
  }

  async close(): Promise<void> {
    this.set('down');
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(near: Socket): void {
    if (this.fault === 'down') return near.resetAndDestroy() as unknown as void;
    const far = connect(this.target);
    const pair: [Socket, Socket] = [near, far];
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    near.on('data', (bytes: Buffer) => {
      far.write(bytes);
      if (!this.unanswered || this.unanswered.times === 0 || !bytes.includes(this.unanswered.phrase)) return;
      this.unanswered.times -= 1;
      far.removeAllListeners('data').resume().end();
      near.resetAndDestroy();
    });
    far.on('data', (bytes: Buffer) => near.write(bytes));
    this.apply(pair);
  }

  private apply([near, far]: [Socket, Socket]): void {
    for (const socket of [near, far]) {
      if (this.fault === 'down') socket.resetAndDestroy();
      else if (this.fault === 'hole') socket.pause();
      else socket.resume();
    }
  }
}
