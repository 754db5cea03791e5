import { Worker } from 'node:worker_threads';
import type { Answered, ExchangeKind, Exchanges } from './decider-protocol.js';
import { PolicyError } from './policy-error.js';

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: PolicyError) => void;
  readonly timer: NodeJS.Timeout;
}

/** A thread that answers questions in the order asked. Its death rejects whatever waits; every wait has an end. */
export class DeciderThread {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private ended: PolicyError | undefined;

  constructor() {
    this.worker = startWorker();
    // A service that only waits for questions may end.
    this.worker.unref();
    this.worker.on('message', (answered: Answered) => this.settle(answered));
    this.worker.on('error', (cause) => this.end(new PolicyError('decider-failed', 'the deciding thread failed', { cause })));
    this.worker.on('exit', (code) => this.end(new PolicyError('decider-failed', `the deciding thread ended with ${code}`)));
  }

  get alive(): boolean {
    return this.ended === undefined;
  }

  get pending(): number {
    return this.waiting.size;
  }

  ask<K extends ExchangeKind>(kind: K, ask: Exchanges[K]['ask'], timeoutMs: number): Promise<Exchanges[K]['answer']> {
    if (this.ended) return Promise.reject(this.ended);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      // A thread that does not answer is stuck inside one question: it is given up, with all that waits behind it.
      const timer = setTimeout(() => void this.stop(new PolicyError('decider-timeout', `no answer within ${timeoutMs} ms`)), timeoutMs);
      this.waiting.set(id, { resolve: resolve as (answer: never) => void, reject, timer });
      this.worker.postMessage({ id, kind, ...ask });
    });
  }

  async stop(why = new PolicyError('decider-closed', 'the decider was closed')): Promise<void> {
    this.end(why);
    await this.worker.terminate();
  }

  private settle(answered: Answered): void {
    const waiting = this.waiting.get(answered.id);
    if (!waiting) return;
    this.waiting.delete(answered.id);
    clearTimeout(waiting.timer);
    if ('answer' in answered) waiting.resolve(answered.answer as never);
    else waiting.reject(new PolicyError('decider-failed', answered.failure));
  }

  private end(why: PolicyError): void {
    this.ended ??= why;
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(this.ended);
    }
    this.waiting.clear();
  }
}

/** Built code has its worker beside it. Under test this file is TypeScript, and so is the worker: Node is taught to read it. */
function startWorker(): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./decider-worker.js', import.meta.url));
  const worker = new URL('./decider-worker.ts', import.meta.url).href;
  return new Worker(`${readTypeScript}; import(${JSON.stringify(worker)});`, { eval: true, execArgv: ['--conditions=writ-source', '--disable-warning=ExperimentalWarning'] });
}

const readTypeScript = `
  const { registerHooks, stripTypeScriptTypes } = require('node:module');
  const { readFileSync } = require('node:fs');
  registerHooks({
    resolve: (name, context, next) => next(context.parentURL?.endsWith('.ts') && name.startsWith('.') ? name.replace(/\\.js$/, '.ts') : name, context),
    load: (url, context, next) => !url.endsWith('.ts') ? next(url, context)
      : { format: 'module', shortCircuit: true, source: stripTypeScriptTypes(readFileSync(new URL(url), 'utf8'), { mode: 'transform' }) },
  })`;
