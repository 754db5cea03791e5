import { createGateway } from '@writ/gateway';

/**
 * A verifier process that asks without pause, from its own memory and over HTTP, about the tokens it is told of. For each
 * it keeps when the last call began that was answered with yes. The clock is the machine's own: all its processes share it.
 */
const { urls, clientId, clientSecret, name } = JSON.parse(process.argv[2]);
const [home] = urls;
const gateway = createGateway({ issuerUrl: home, clientId, clientSecret, audience: 'orders', name, timeoutMs: 300 });
const authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
let tokens = [];
let seen = new Map();
const counts = { memory: 0, http: 0, yes: 0 };

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const turn = () => new Promise((resolve) => setImmediate(resolve));

function note(token, begun, valid) {
  if (!valid) return;
  counts.yes += 1;
  const before = seen.get(token);
  if (before === undefined || begun > before) seen.set(token, begun);
}

async function fromMemory() {
  for (let i = 0; ; ) {
    if (tokens.length === 0) { await pause(2); continue; }
    for (let n = 0; n < 50; n++) {
      const token = tokens[i++ % tokens.length];
      const begun = process.hrtime.bigint();
      const { valid } = gateway.verifyFromMemory(token) ?? await gateway.verify(token);
      counts.memory += 1;
      note(token, begun, valid);
      if (tokens.length === 0) break;
    }
    await turn();
  }
}

async function overHttp(url) {
  for (let i = 0; ; ) {
    if (tokens.length === 0) { await pause(2); continue; }
    const token = tokens[i++ % tokens.length];
    const begun = process.hrtime.bigint();
    const answer = await fetch(`${url}/v1/tokens/verify`, {
      method: 'POST', headers: { 'content-type': 'application/json', authorization }, body: JSON.stringify({ token }), signal: AbortSignal.timeout(2_000),
    }).then((response) => response.json(), () => ({ valid: false }));
    counts.http += 1;
    note(token, begun, answer.valid === true);
  }
}

process.on('message', ({ race, report }) => {
  if (race) {
    tokens = race;
    seen = new Map();
  }
  if (report) process.send({ counts, seen: [...seen].map(([token, begun]) => [token, String(begun)]) });
});
await gateway.ready();
process.send({ ready: true });
void fromMemory();
for (const url of urls) void overHttp(url);
