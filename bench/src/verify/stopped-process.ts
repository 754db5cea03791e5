import { createGateway } from '@writ/gateway';

/** A verifier that is stopped and goes on; it answers each message once it is under lease. */
const { issuerUrl, leaseMs, ...credentials } = JSON.parse(process.argv[2] as string) as { issuerUrl: string; leaseMs: number; clientId: string; clientSecret: string };
const gateway = createGateway({ issuerUrl, ...credentials, audience: 'orders', name: 'bench-stopped', leaseMs });
process.on('message', () => {
  const look = () => {
    if (gateway.status().underLease) process.send?.('under lease');
    else setTimeout(look, 2);
  };
  look();
});
