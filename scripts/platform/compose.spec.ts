import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { images } from '../backing/compose.mjs';
import { nodeEnvironment, nodeFlags, processes, roleGroups, variableNames, withDatabase, type Process } from './services.mjs';

interface Service {
  image?: string;
  command?: string[];
  user?: string;
  privileged?: boolean;
  container_name?: string;
  ports?: string[];
  volumes?: string[];
  environment?: Record<string, string>;
  healthcheck?: { test?: string[] };
  restart?: string;
  depends_on?: Record<string, { condition: string }>;
  build?: { target?: string };
}
interface Compose { services: Record<string, Service>; volumes: Record<string, unknown> }

const root = join(import.meta.dirname, '../..');
const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
const read = (): Compose => parse(text, { merge: true }) as Compose;
const oneShots = ['provision', 'seed'];

/** Everything in which the containers differ from the table that the local start follows, or would not hold together. */
function problemsOf(compose: Compose): string[] {
  return [
    ...processes.flatMap((process) => problemsOfProcess(process, compose.services[process.name])),
    ...Object.entries(images).filter(([name, image]) => compose.services[name]?.image !== image).map(([name]) => `${name}: another image than the local start's`),
    ...Object.entries(compose.services).flatMap(([name, service]) => problemsOfService(name, service, compose)),
    ...publishedPorts(compose),
    // `docker compose up --wait` fails over a container that ended and that nobody waits for.
    ...oneShots.filter((name) => !Object.values(compose.services).some(({ depends_on }) => depends_on?.[name] !== undefined)).map((name) => `${name}: nobody waits until it is done`),
  ];
}

function problemsOfProcess(process: Process, service: Service | undefined): string[] {
  if (service === undefined) return [`${process.name}: no service`];
  const [wanted, given] = [variableNames(process), Object.keys(service.environment ?? {})];
  const port = service.environment?.WRIT_HTTP_PORT ?? service.environment?.WRIT_SIGNER_PORT;
  return [
    ...wanted.filter((name) => !given.includes(name)).map((name) => `${process.name}: ${name} is missing`),
    ...given.filter((name) => !wanted.includes(name)).map((name) => `${process.name}: ${name} is meant for somebody else`),
    ...(service.command?.at(-1) === process.entry ? [] : [`${process.name}: starts something else`]),
    ...(port === String(process.port) ? [] : [`${process.name}: another port than the local start's`]),
    ...(service.ports === undefined && service.container_name === undefined ? [] : [`${process.name}: cannot be scaled`]),
    ...problemsOfAccounts(process.name, service.environment ?? {}),
  ];
}

/** Each service goes to its own database and the broker as itself. */
function problemsOfAccounts(name: string, environment: Record<string, string>): string[] {
  if (!withDatabase.includes(name)) return [];
  const variable = `WRIT_PASSWORD_${name.toUpperCase()}:-`;
  const expected = [
    ['WRIT_DATABASE_URL', `postgres://writ_${name}:`, `/writ_${name}`], ['WRIT_BROKER_URL', `amqp://writ-${name}:`, '/writ'],
  ] as const;
  return expected.filter(([key, start, end]) => !environment[key]?.startsWith(start) || !environment[key].endsWith(end) || !environment[key].includes(variable))
    .map(([key]) => `${name}: ${key} is another account's`);
}

function problemsOfService(name: string, service: Service, { services, volumes }: Compose): string[] {
  const named = (service.volumes ?? []).map((volume) => volume.split(':')[0]!).filter((source) => !source.startsWith('.') && !source.startsWith('/'));
  return [
    ...named.filter((volume) => !(volume in volumes)).map((volume) => `${name}: volume ${volume} is not declared`),
    ...Object.entries(service.depends_on ?? {}).flatMap(([other, { condition }]) => {
      if (services[other] === undefined) return [`${name}: waits for ${other}, which is not there`];
      const wanted = oneShots.includes(other) ? 'service_completed_successfully' : 'service_healthy';
      return condition === wanted ? [] : [`${name}: does not wait until ${other} is done or healthy`];
    }),
    ...(oneShots.includes(name) || service.healthcheck?.test !== undefined ? [] : [`${name}: no health check`]),
    ...(service.restart === (oneShots.includes(name) ? 'no' : 'unless-stopped') ? [] : [`${name}: wrong restart rule`]),
    ...(service.user === undefined && service.privileged === undefined ? [] : [`${name}: other rights than the image gives`]),
    ...(service.build?.target === undefined || new RegExp(`^FROM .* AS ${service.build.target}$`, 'm').test(dockerfile) ? [] : [`${name}: the Dockerfile has no such stage`]),
  ];
}

function publishedPorts({ services }: Compose): string[] {
  const published = Object.values(services).flatMap(({ ports }) => ports ?? []);
  const wanted = processes.filter(({ name }) => name !== 'signer').map(({ port }) => `127.0.0.1:${port}:${port}`);
  return [...wanted.filter((port) => !published.includes(port)), ...published.filter((port) => !wanted.includes(port))].map((port) => `${port}: published here and not there`);
}

describe('docker-compose.yml', () => {
  it('runs the same processes with the same variables, ports and accounts as the local start', () => {
    expect(problemsOf(read())).toEqual([]);
  });

  it('gives the same groups the same roles', () => {
    expect(JSON.parse(read().services.request!.environment!.WRIT_ROLE_GROUPS!)).toEqual(roleGroups);
  });

  it.each<[string, (compose: Compose) => void]>([
    ['monitor: WRIT_REDIS_URL is missing', ({ services }) => { delete services.monitor!.environment!.WRIT_REDIS_URL; }],
    ['audit: WRIT_KEYS_DIR is meant for somebody else', ({ services }) => { services.audit!.environment!.WRIT_KEYS_DIR = '/writ/keys/issuer'; }],
    ['audit: WRIT_BROKER_URL is another account\'s', ({ services }) => { services.audit!.environment!.WRIT_BROKER_URL = services.issuer!.environment!.WRIT_BROKER_URL!; }],
    ['issuer: cannot be scaled', ({ services }) => { services.issuer!.ports = []; }],
    ['policy: another port than the local start\'s', ({ services }) => { services.policy!.environment!.WRIT_HTTP_PORT = '4001'; }],
    ['issuer: volume keys-issuer is not declared', ({ volumes }) => { delete volumes['keys-issuer']; }],
    ['redis: no health check', ({ services }) => { delete services.redis!.healthcheck; }],
    ['seed: nobody waits until it is done', ({ services }) => { delete services.ports!.depends_on; }],
    ['seed: does not wait until issuer is done or healthy', ({ services }) => { services.seed!.depends_on!.issuer!.condition = 'service_started'; }],
  ])('is caught when wrong: %s', (problem, breakIt) => {
    const compose = structuredClone(read());
    breakIt(compose);
    expect(problemsOf(compose)).toContain(problem);
  });

  it('runs nothing as root: the image ends as an ordinary user', () => {
    const stages = dockerfile.split(/^FROM /m).slice(1);
    const platform = stages.find((stage) => /AS platform$/m.test(stage.split('\n')[0]!))!;
    expect(platform.match(/^USER (.*)$/gm)).toEqual(['USER node']);
    expect(stages.at(-1)).toMatch(/^platform AS identity/);
    expect(stages.at(-1)).not.toMatch(/^USER/m);
  });

  it('gives Node the same flags and environment, the limit of its memory among them', () => {
    const more = Object.entries(nodeEnvironment).map(([name, value]) => ` ${name}="${value}"`).join('');
    expect(dockerfile).toContain(`ENV NODE_OPTIONS="${nodeFlags.join(' ')}"${more}\n`);
  });

  it('builds everything that the compiler is told to build', () => {
    const { references } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as { references: { path: string }[] };
    const folders = [...new Set(references.map(({ path }) => path.split('/')[0]!))];
    expect(folders.filter((folder) => !dockerfile.includes(`\nCOPY ${folder}/ ${folder}/\n`))).toEqual([]);
  });

  it('keeps every password out of the file', () => {
    const secrets = [...text.matchAll(/(?:PASS(?:WORD\w*)?: |:\/\/[\w-]*:|--requirepass, )"?([^\s@"]+)/g)].map(([, value]) => value!).filter((value) => !/^\d|^\/\//.test(value));
    expect(secrets.length).toBeGreaterThan(20);
    expect(secrets.filter((value) => !/^\$\{WRIT_PASSWORD_\w+:-development-only\}$/.test(value))).toEqual([]);
  });
});
