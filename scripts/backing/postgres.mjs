import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch, startedAt, untilReady } from './processes.mjs';
import { inPath } from './binaries.mjs';

const asRoot = process.getuid?.() === 0;
const superuser = 'writ_superuser';
/** SIGTERM would wait for every client to leave first (PostgreSQL manual, "Shutting Down the Server"). */
const fastShutdown = 'SIGINT';

/** The folder of initdb and postgres: the highest version found, or undefined. */
export function findPostgres() {
  const packaged = ['/usr/lib/postgresql', '/usr/pgsql', '/opt/homebrew/opt', '/usr/local/opt'].flatMap((root) => {
    if (!existsSync(root)) return [];
    return readdirSync(root)
      .filter((name) => /^(postgresql@)?\d+$/.test(name))
      .sort((a, b) => Number(b.replace(/\D/g, '')) - Number(a.replace(/\D/g, '')))
      .map((name) => join(root, name, 'bin'));
  });
  const bin = packaged.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
  return bin ?? inPath('initdb')?.replace(/\/initdb$/, '');
}

/** PostgreSQL refuses to run as root; there its programs run as the user that its package made. */
function account() {
  if (!asRoot) return {};
  const [uid, gid] = ['-u', '-g'].map((which) => Number(execFileSync('id', [which, 'postgres'], { encoding: 'utf8' })));
  return { uid, gid };
}

/** Where the data lies: below `dir`, or, where the postgres user cannot enter that, in a private folder it can. */
export function dataFolder(dir) {
  if (!asRoot) return join(dir, 'postgres');
  const key = createHash('sha256').update(dir).digest('hex').slice(0, 12);
  const place = [dir, tmpdir(), '/var/tmp'].find(postgresMayEnter) ?? '/var/tmp';
  return place === dir ? join(dir, 'postgres') : join(place, `writ-${key}-postgres`);
}

function postgresMayEnter(folder) {
  try {
    execFileSync('test', ['-x', folder], { ...account(), cwd: '/', stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Makes the folder the server's alone. A folder somebody else put in a shared place is refused, never used. */
function claimFolder(data, { uid = process.getuid?.(), gid }) {
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const found = lstatSync(data);
  if (!found.isDirectory() || (found.uid !== uid && found.uid !== process.getuid?.())) throw new Error(`${data} belongs to somebody else`);
  if (gid !== undefined) chownSync(data, uid, gid);
}

function initialise(bin, data, dir, password) {
  // A folder without this mark is an initdb that was cut short: nothing in it is worth keeping.
  if (existsSync(join(data, 'writ-initialised'))) return;
  rmSync(data, { recursive: true, force: true });
  const as = account();
  claimFolder(data, as);
  const passwordFile = `${data}.pw`;
  rmSync(passwordFile, { force: true });
  writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' });
  try {
    if (asRoot) chownSync(passwordFile, as.uid, as.gid);
    const args = [
      '-D', data, '-U', superuser, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C.UTF-8',
    ];
    execFileSync(join(bin, 'initdb'), args, { ...as, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'], timeout: 180_000, env: { ...process.env, LC_ALL: 'C.UTF-8' } });
    writeFileSync(join(data, 'writ-initialised'), '');
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/** A server whose record was lost still names itself in its own data folder. */
export function leftoverPostgres(data) {
  try {
    const pid = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n', 1)[0]);
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return command.includes(data) ? [{ name: 'postgres', pid, startedAt: startedAt(pid), stopSignal: fastShutdown }] : [];
  } catch {
    return [];
  }
}

/** Starts PostgreSQL on `port`; `record` is called with its process before anything is awaited. */
export async function startPostgres({ bin, dir, data, port, password, tls, record }) {
  initialise(bin, data, dir, password);
  const logFile = join(dir, 'postgres.log');
  const args = [
    '-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=',
    '-c', 'max_connections=400', '-c', 'fsync=on', '-c', 'synchronous_commit=on', '-c', 'password_encryption=scram-sha-256',
    '-c', 'log_min_messages=warning', '-c', 'log_line_prefix=%m [%p] %d ', ...(tls === undefined ? [] : encrypted(data, tls)),
  ];
  const server = launch({ name: 'postgres', command: join(bin, 'postgres'), args, account: account(), env: process.env, cwd: '/', logFile, stopSignal: fastShutdown });
  record(server);
  const outcome = await untilReady(
    () => readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[7]?.trim() === 'ready',
    { records: [server], withinMs: 120_000, everyMs: 50 },
  );
  // By its name: the client compares an address with nothing.
  const place = tls === undefined ? `127.0.0.1:${port}/postgres` : `localhost:${port}/postgres?sslmode=verify-full`;
  return { outcome, logFile, url: `postgres://${superuser}:${password}@${place}` };
}

/** Options by which only TLS is answered. The server wants a key file of its own, and a rule that lets nobody else in. */
function encrypted(data, { cert, key }) {
  const { uid, gid } = account();
  const own = (name, write) => {
    const file = join(data, name);
    write(file);
    chmodSync(file, 0o600);
    if (uid !== undefined) chownSync(file, uid, gid);
    return file;
  };
  const certFile = own('writ-server.pem', (file) => copyFileSync(cert, file));
  const keyFile = own('writ-server.key', (file) => copyFileSync(key, file));
  const rules = own('writ-hba.conf', (file) => writeFileSync(file, 'hostssl all all 127.0.0.1/32 scram-sha-256\n'));
  return ['ssl=on', `ssl_cert_file=${certFile}`, `ssl_key_file=${keyFile}`, 'ssl_min_protocol_version=TLSv1.2', `hba_file=${rules}`].flatMap((setting) => ['-c', setting]);
}
