// A gateway in a process of its own, so that a test can stop it with a signal. Verifies what it is told to, as fast as
// it can, and reports each VALID answer with the machine's monotonic time at the beginning of the call.
import { createGateway } from '@writ/gateway';

const [issuerUrl, clientId, clientSecret] = process.argv.slice(2);
const gateway = createGateway({ issuerUrl, clientId, clientSecret, name: 'child', audience: 'orders' });
const monotonicMs = () => Number(process.hrtime.bigint() / 1000n) / 1000;
let tokens = [];
const lastValid = new Map();
process.on('message', async ({ watch, report }) => {
  if (watch) tokens = [...tokens, ...watch];
  if (report) process.send({ lastValid: [...lastValid] });
});
await gateway.ready();
process.send({ ready: true });
for (;;) {
  for (const token of tokens) {
    const begun = monotonicMs();
    const answer = await gateway.verify(token);
    if (answer.valid) lastValid.set(token, begun);
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
}
