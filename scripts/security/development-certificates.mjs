import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Problem } from '../backing/problem.mjs';

const days = '30';
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/**
 * Makes a certificate authority and one server certificate for this machine, for trying things; what lay in the folder
 * is replaced. Services read `cert` and `key` by WRIT_TLS_CERT_FILE and WRIT_TLS_KEY_FILE; clients, the services among
 * them, trust `ca` by NODE_EXTRA_CA_CERTS. The authority's own key is thrown away. Needs openssl.
 *
 * @returns {{ca: string, cert: string, key: string}} where the PEM files lie
 */
export function makeCertificates(folder) {
  const dir = resolve(folder);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const openssl = (...args) => run(dir, args);
  writeFileSync(join(dir, 'server.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n');
  openssl('req', '-x509', ...newKey, '-days', days, '-subj', '/CN=Writ development', '-addext', 'keyUsage=critical,keyCertSign', '-keyout', 'ca.key', '-out', 'ca.pem');
  openssl('req', ...newKey, '-subj', '/CN=localhost', '-keyout', 'server.key', '-out', 'server.csr');
  openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', `0x${Date.now().toString(16)}`, '-days', days, '-extfile', 'server.ext', '-out', 'server.pem');
  for (const leftover of ['ca.key', 'server.csr', 'server.ext']) rmSync(join(dir, leftover));
  return { ca: join(dir, 'ca.pem'), cert: join(dir, 'server.pem'), key: join(dir, 'server.key') };
}

function run(cwd, args) {
  try {
    execFileSync('openssl', args, { cwd, stdio: ['ignore', 'ignore', 'pipe'], timeout: 30_000 });
  } catch (cause) {
    if (cause.code === 'ENOENT') throw new Problem('There is no openssl on this machine to make certificates with.', 'Install the package openssl.', { cause });
    throw cause;
  }
}

if (import.meta.main) {
  const { ca, cert, key } = makeCertificates(process.argv[2] ?? '.writ/certificates');
  process.stdout.write(`authority    ${ca}\ncertificate  ${cert}\nkey          ${key}\ngood for ${days} days\n`);
}
