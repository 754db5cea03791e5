import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/**
 * Makes a certificate authority and one server certificate for this machine, for trying things: `ca.pem`, `server.pem`,
 * `server.key` in the folder named. Services read the two latter by WRIT_TLS_CERT_FILE and WRIT_TLS_KEY_FILE; clients,
 * the services among them, trust the authority by NODE_EXTRA_CA_CERTS. Needs openssl.
 */
const dir = resolve(process.argv[2] ?? '.writ/certificates');
const days = '30';
const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'], timeout: 30_000 });
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

mkdirSync(dir, { recursive: true, mode: 0o700 });
writeFileSync(join(dir, 'server.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n');
openssl('req', '-x509', ...newKey, '-days', days, '-subj', '/CN=Writ development', '-addext', 'keyUsage=critical,keyCertSign', '-keyout', 'ca.key', '-out', 'ca.pem');
openssl('req', ...newKey, '-subj', '/CN=localhost', '-keyout', 'server.key', '-out', 'server.csr');
openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', days, '-extfile', 'server.ext', '-out', 'server.pem');
process.stdout.write(`${dir}: ca.pem, server.pem, server.key; good for ${days} days\n`);
