import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { makeCertificates } from '../security/development-certificates.mjs';

/** Makes certificates for an installation; from here on this process, and what it starts, trusts their authority. */
export function useTls({ certificates }) {
  const tls = makeCertificates(certificates);
  process.env.NODE_EXTRA_CA_CERTS = tls.ca;
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(tls.ca, 'utf8')]);
  return tls;
}
