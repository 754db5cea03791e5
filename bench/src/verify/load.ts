import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** One way of asking over HTTP, by raw sockets: what the generator costs is the same for everything it measures. */
export interface LoadFacts {
  host: string;
  port: number;
  /** Whole requests as they go on the wire, asked in turn. */
  requests: string[];
  connections: number;
  seconds: number;
  /** What every answer must begin with, and hold. */
  status: string;
  holds: string;
  /** Requests per second; absent = as fast as answers come. */
  rate?: number;
}

export interface Load {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  count: number;
}

/** Runs the generator in a process of its own. */
export async function load(facts: LoadFacts): Promise<Load> {
  const child = fork(fileURLToPath(new URL('./load-process.js', import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return new Promise((resolve, reject) => {
    child.once('message', (message: Load & { error?: string }) => (message.error === undefined ? resolve(message) : reject(new Error(message.error))));
    child.once('exit', (code) => reject(new Error(`the load generator ended with ${String(code)}`)));
    child.send(facts);
  });
}

/** A POST as it goes on the wire. */
export function post(path: string, body: string, headers: Record<string, string>): string {
  return onTheWire('POST', path, { 'content-length': String(Buffer.byteLength(body)), ...headers }) + body;
}

/** A GET as it goes on the wire. */
export function get(path: string, headers: Record<string, string>): string {
  return onTheWire('GET', path, headers);
}

function onTheWire(method: string, path: string, headers: Record<string, string>): string {
  const lines = Object.entries({ host: 'issuer', connection: 'keep-alive', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
