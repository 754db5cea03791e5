import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inPath, run } from './binaries.mjs';

/** The images `docker-compose.yml` uses too. */
export const images = { postgres: 'postgres:17', rabbitmq: 'rabbitmq:4-management', redis: 'redis:7' };

/** Whether a Docker engine with Compose answers here and now. */
export function composeAnswers() {
  const docker = inPath('docker');
  if (docker === undefined) return false;
  try {
    for (const args of [['compose', 'version'], ['info', '--format', '{{.ServerVersion}}']]) execFileSync(docker, args, { stdio: 'ignore', timeout: 5_000 });
    return true;
  } catch {
    return false;
  }
}

const projectOf = (dir) => `writ-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}`;

/** Brings up the wanted services in containers; answers their URLs, or undefined when the engine could not (no image, no network). */
export async function startComposed({ wanted, dir, ports, passwords, record, log }) {
  const file = join(dir, 'compose.json');
  const all = {
    postgres: {
      image: images.postgres, ports: [`127.0.0.1:${ports.postgres}:5432`], volumes: ['postgres:/var/lib/postgresql/data'], command: ['postgres', '-c', 'max_connections=400'],
      environment: { POSTGRES_USER: 'writ_superuser', POSTGRES_PASSWORD: passwords.postgres, POSTGRES_DB: 'postgres' },
      healthcheck: { test: ['CMD', 'pg_isready', '-h', '127.0.0.1', '-U', 'writ_superuser'], interval: '1s', retries: 60 },
    },
    rabbitmq: {
      image: images.rabbitmq, hostname: 'writ', ports: [`127.0.0.1:${ports.amqp}:5672`, `127.0.0.1:${ports.management}:15672`], volumes: ['rabbitmq:/var/lib/rabbitmq'],
      environment: { RABBITMQ_DEFAULT_USER: 'writ-admin', RABBITMQ_DEFAULT_PASS: passwords.rabbitmq },
      healthcheck: { test: ['CMD', 'rabbitmq-diagnostics', '-q', 'check_port_connectivity'], interval: '3s', timeout: '10s', retries: 40 },
    },
    redis: {
      image: images.redis, ports: [`127.0.0.1:${ports.redis}:6379`], command: ['redis-server', '--save', '', '--appendonly', 'no', '--requirepass', passwords.redis],
      healthcheck: { test: ['CMD-SHELL', 'redis-cli ping | grep -q -e PONG -e NOAUTH'], interval: '1s', retries: 30 },
    },
  };
  const services = Object.fromEntries(wanted.map((name) => [name, all[name]]));
  writeFileSync(file, JSON.stringify({ services, volumes: { postgres: {}, rabbitmq: {} } }, null, 2), { mode: 0o600 });
  const composed = { project: projectOf(dir), file };
  record(composed);
  log('starting containers with Docker Compose (the first time fetches their images)');
  const logFile = join(dir, 'compose.log');
  if (!await run('docker', [...composeArguments(composed), 'up', '--detach', '--wait', '--wait-timeout', '180'], { logFile, timeoutMs: 600_000 })) {
    await stopComposed(composed);
    return undefined;
  }
  return {
    postgres: { url: `postgres://writ_superuser:${passwords.postgres}@127.0.0.1:${ports.postgres}/postgres` },
    rabbitmq: { url: `amqp://writ-admin:${passwords.rabbitmq}@127.0.0.1:${ports.amqp}`, managementUrl: `http://writ-admin:${passwords.rabbitmq}@127.0.0.1:${ports.management}` },
    redis: { url: `redis://:${passwords.redis}@127.0.0.1:${ports.redis}/0` },
  };
}

/** Ends the containers; their volumes stay unless `withData` says otherwise. */
export const stopComposed = (composed, { withData = false } = {}) =>
  run('docker', [...composeArguments(composed), 'down', '--timeout', '20', ...(withData ? ['--volumes'] : [])], { timeoutMs: 120_000 });

const composeArguments = ({ project, file }) => ['compose', '--project-name', project, '--file', file];
