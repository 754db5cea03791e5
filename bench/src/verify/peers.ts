import { randomBytes } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import pg from 'pg';
import { backingUrls } from '@writ/testing';
import { program, type Server } from './http.js';
import { post } from './load.js';

interface Peer { name: string; kind: string; path: string; note: string }

const peers: Peer[] = [
  { name: 'http verify, better-auth on Redis', kind: 'better-auth-redis', path: '/verify', note: 'verifyApiKey, bare node:http' },
  { name: 'http verify, better-auth on PostgreSQL', kind: 'better-auth-postgres', path: '/verify', note: 'verifyApiKey, bare node:http' },
  { name: 'http verify, node-oauth2-server', kind: 'oauth2-server', path: '/verify', note: 'authenticate, one Redis read, bare node:http' },
  { name: 'http introspect, oidc-provider', kind: 'oidc-provider', path: '/token/introspection', note: 'opaque tokens in Redis' },
];

/** What others check keys with, started and filled. They end with `stop`. */
export async function startPeers(): Promise<{ servers: Server[]; stop: () => Promise<void> }> {
  const started: ChildProcess[] = [];
  const { redis, postgres } = backingUrls();
  const database = await emptyDatabase(postgres);
  const servers: Server[] = [];
  for (const { name, kind, path, note } of peers) {
    const { process, port, said } = await program<{ keys: string[]; basic: string }>('peer-process', kind, redis, database.url);
    started.push(process);
    const isForm = kind === 'oidc-provider';
    const headers: Record<string, string> = isForm ? { authorization: said.basic, 'content-type': 'application/x-www-form-urlencoded' } : { 'content-type': 'application/json' };
    const requests = said.keys.map((key) => post(path, isForm ? `token=${encodeURIComponent(key)}` : JSON.stringify({ key }), headers));
    servers.push({ name, kind: 'peer', pid: process.pid as number, note, asked: { port, requests, status: '200', holds: '"active":true' } });
  }
  return {
    servers,
    stop: async () => {
      for (const process of started) process.kill('SIGKILL');
      await database.drop();
    },
  };
}

async function emptyDatabase(postgres: string): Promise<{ url: string; drop: () => Promise<void> }> {
  const admin = new pg.Client({ connectionString: postgres });
  await admin.connect();
  const name = `writ_peer_${randomBytes(4).toString('hex')}`;
  await admin.query(`CREATE DATABASE ${name}`);
  const url = new URL(postgres);
  url.pathname = `/${name}`;
  return {
    url: url.toString(),
    drop: async () => {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.end();
    },
  };
}
