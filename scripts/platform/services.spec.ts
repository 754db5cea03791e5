import { purposes } from '@writ/contracts';
import { environmentOf, processes, processOf, variableNames } from './services.mjs';

const facts = {
  host: '127.0.0.1', logLevel: 'info', ports: Object.fromEntries(processes.map(({ name, port }) => [name, port])), oidcIssuer: 'http://127.0.0.1:4010', redisUrl: 'redis://', plainHosts: '127.0.0.1', signerUrl: 'http://',
  logOrigin: 'log', signerSecretFile: 'secret', signerKeyFile: 'key', trustFile: 'trust', tokensFile: 'tokens', clientsFile: 'clients',
  consoleUrl: 'http://127.0.0.1:4000', consoleKeyFile: 'session.key', consoleSecret: 'shared', serviceUrl: (name: string) => `http://${name}`,
  databaseUrl: (name: string) => `postgres://writ_${name}`, brokerUrl: (name: string) => `amqp://writ-${name}/writ`, rpcBrokerUrl: (name: string) => `amqp://writ-${name}/writ-rpc`,
  keysDir: (name: string) => `keys/${name}`, stateDir: (name: string) => `state/${name}`,
};

describe('the table of processes', () => {
  it.each(processes)('tells $name what it needs and nothing else', (process) => {
    const environment = environmentOf(process, facts);
    expect(Object.keys(environment)).toEqual(variableNames(process));
    expect(Object.entries(environment).filter(([, value]) => value === undefined || value === '')).toEqual([]);
    const others = processes.filter(({ name }) => name !== process.name).map(({ name }) => new RegExp(`(writ[-_]|keys/|state/)${name}\\b`));
    expect(Object.values(environment).filter((value) => others.some((other) => other.test(value)))).toEqual([]);
  });

  it.each(processes)('tells $name its certificate and whom to trust where the installation speaks TLS, and nothing of it elsewhere', (process) => {
    const tls = { cert: 'cert.pem', key: 'key.pem', ca: 'ca.pem' };
    const encrypted = environmentOf(process, { ...facts, tls });
    expect(encrypted).toEqual({ ...environmentOf(process, facts), WRIT_TLS_CERT_FILE: 'cert.pem', WRIT_TLS_KEY_FILE: 'key.pem', NODE_EXTRA_CA_CERTS: 'ca.pem' });
  });

  it('has each kind of statement signed by exactly one service', () => {
    expect(processes.flatMap(({ signs }) => signs ?? []).sort()).toEqual([...purposes].sort());
  });

  it('gives the RPC virtual host to the issuer alone', () => {
    expect(processes.filter((process) => variableNames(process).includes('WRIT_RPC_BROKER_URL'))).toEqual([processOf('issuer')]);
  });

  it('gives every process a port of its own', () => {
    expect(new Set(processes.map(({ port }) => port)).size).toBe(processes.length);
  });
});
