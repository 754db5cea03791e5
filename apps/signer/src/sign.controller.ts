import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { encodeBase64, signCheckpoint, type SignerKey } from '@writ/tlog';
import { answerProof, callProof, macEquals } from '@writ/token';
import { decide, type Head, type RefusalCode } from './decide.js';
import type { HeadStore } from './head.store.js';
import { parseSignRequest } from './sign-request.js';

export interface Signer {
  key: SignerKey;
  store: HeadStore;
  secret: string;
  log: Logger;
  isStopping: () => boolean;
  /** Called when the head could not be recorded. Must end the process: nothing may be signed after that. */
  onStateLost: (error: unknown) => void;
}

interface Answer {
  status: number;
  contentType: string;
  body: string;
  /** Shows the publisher that the answer is the signer's own. */
  proof?: string;
}

/** 63 hashes in JSON are about 3 kB. */
const maxBodyBytes = 16_384;

const refusals: Record<RefusalCode, string> = {
  'head-behind': 'A larger tree has been recorded already.',
  'head-forked': 'Another root has been recorded for this size.',
  'head-unproven': 'The proof does not show that this tree extends the recorded one.',
};

/** Answers the publisher's requests. Everything but the health probes needs a proof that the caller knows the secret. */
export function signController(signer: Signer): RequestListener {
  return (request, response) => {
    respond(signer, request).then(
      (answer) => send(response, answer),
      // The client went away while sending; there is nobody to answer, and nothing has been decided.
      () => response.destroy(),
    );
  };
}

async function respond(signer: Signer, request: IncomingMessage): Promise<Answer> {
  const route = `${request.method} ${request.url}`;
  if (route === 'GET /health/live') return json(200, { status: 'ok' });
  if (route === 'GET /health/ready') return signer.isStopping() ? json(503, { status: 'stopping' }) : json(200, { status: 'ok' });
  const [, nonce, given] = /^Writ-MAC ([\w-]{22})\.([\w-]{43})$/.exec(request.headers.authorization ?? '') ?? [];
  if (nonce === undefined || given === undefined) return notAuthenticated;
  const body = await readBody(request);
  if (body === undefined) return problem(413, 'too-large', `A body has at most ${maxBodyBytes} bytes.`);
  const expected = callProof(signer.secret, { nonce, method: request.method ?? '', path: request.url ?? '', body });
  if (!macEquals(Buffer.from(given), Buffer.from(expected))) return notAuthenticated;
  const answer = answerTo(signer, route, body);
  return { ...answer, proof: answerProof(signer.secret, nonce, answer.status, answer.body) };
}

/** Nonces are not remembered: a call that somebody repeats gives the note that it gave, or a refusal. */
function answerTo(signer: Signer, route: string, body: string): Answer {
  if (route === 'GET /head') return json(200, { origin: signer.key.verifier.name, ...shown(signer.store.head), vkey: signer.key.toString() });
  return route === 'POST /sign' ? sign(signer, body) : problem(404, 'not-found', 'There is no such route.');
}

/** Runs without a pause from decision to signature, so that no two requests can decide by the same head. */
function sign({ key, store, log, onStateLost }: Signer, body: string): Answer {
  const request = parseSignRequest(body);
  if (!request) return problem(400, 'invalid-body', 'The body is {"size": number, "root": base64, "proof": [base64, …]}.');
  const decision = decide(store.head, request);
  if (decision.outcome === 'refuse') {
    log.warn({ code: decision.code, asked: shown(request), head: shown(store.head) }, 'refused to sign');
    return problem(409, decision.code, refusals[decision.code], { head: shown(store.head) });
  }
  if (decision.outcome === 'advance') {
    try {
      store.advance(decision.head, new Date());
    } catch (error) {
      onStateLost(error);
      return problem(503, 'state-lost', 'The head could not be recorded; nothing was signed.');
    }
  }
  // From here the head is on disk: a crash before the answer leaves the publisher to ask again for the same bytes.
  const note = signCheckpoint({ origin: key.verifier.name, size: request.size, root: request.root }, key);
  log.info({ outcome: decision.outcome, head: shown(request) }, 'signed');
  return { status: 200, contentType: 'text/plain; charset=utf-8', body: note };
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function shown({ size, root }: Head): { size: number; root: string } {
  return { size, root: encodeBase64(root) };
}

function json(status: number, value: object): Answer {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value)}\n` };
}

/** RFC 9457. */
function problem(status: number, code: string, detail: string, facts: object = {}): Answer {
  const title = code.charAt(0).toUpperCase() + code.slice(1).replaceAll('-', ' ');
  const body = `${JSON.stringify({ type: `urn:writ:problem:${code}`, title, status, code, detail, ...facts })}\n`;
  return { status, contentType: 'application/problem+json', body };
}

const notAuthenticated = problem(401, 'not-authenticated', 'The proof of knowing the secret is missing or wrong.');

function send(response: ServerResponse, { status, contentType, body, proof }: Answer): void {
  response.writeHead(status, {
    'content-type': contentType,
    'cache-control': 'no-store',
    ...(proof !== undefined && { 'writ-proof': proof }),
    ...(status === 401 && { 'www-authenticate': 'Writ-MAC' }),
    // What is left of an oversized body is not read.
    ...(status === 413 && { connection: 'close' }),
  }).end(body);
}
