import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Secret } from '@writ/token';

const maxAnswerBytes = 16 * 1024 * 1024;

/** The issuer did not give an answer that can be used. Never carries what was sent. */
export class IssuerError extends Error {
  constructor(
    readonly code: 'issuer-unreachable' | 'issuer-timeout' | 'issuer-refused' | 'issuer-answer-unreadable',
    message: string,
    /** HTTP status, when there was one. */
    readonly status?: number,
    /** The `code` of the problem document, when there was one. */
    readonly problem?: string,
    readonly retryAfterMs?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Speaks JSON with one issuer over kept-alive connections, authenticated with a gateway's client credentials (RFC 7617). */
export class IssuerClient {
  readonly #base: URL;
  readonly #authorization: Secret;
  readonly #agent: HttpAgent | HttpsAgent;

  /** @throws TypeError for a URL that is not http(s), or a client id with a colon. */
  constructor(issuerUrl: string, clientId: string, clientSecret: string, ca?: string | Buffer) {
    this.#base = new URL(issuerUrl.endsWith('/') ? issuerUrl : `${issuerUrl}/`);
    if (!/^https?:$/.test(this.#base.protocol)) throw new TypeError('issuerUrl is an http or https URL');
    if (clientId.includes(':')) throw new TypeError('a client id has no colon (RFC 7617)');
    this.#authorization = new Secret(`Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`);
    this.#agent = this.#base.protocol === 'https:' ? new HttpsAgent({ keepAlive: true, minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) }) : new HttpAgent({ keepAlive: true });
  }

  /**
   * Sends one request and reads its JSON answer; no redirects, no retries.
   * @throws IssuerError when there is no answer in time, or none with a status of 200 to 299.
   */
  async send(method: 'POST' | 'DELETE', path: string, body: unknown, timeoutMs: number): Promise<unknown> {
    const [status, text, retryAfter] = await this.#exchange(method, path, Buffer.from(JSON.stringify(body)), timeoutMs);
    const answer = text === '' ? undefined : parsed(text);
    if (status >= 200 && status < 300) return answer;
    const problem = typeof answer === 'object' && answer !== null && 'code' in answer && typeof answer.code === 'string' ? answer.code : undefined;
    const retryAfterMs = retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined;
    throw new IssuerError('issuer-refused', `${method} ${path} was refused: ${status}${problem ? ` ${problem}` : ''}`, status, problem, retryAfterMs);
  }

  #exchange(method: string, path: string, body: Buffer, timeoutMs: number): Promise<[number, string, string | undefined]> {
    return new Promise((resolve, reject) => {
      const send = this.#base.protocol === 'https:' ? httpsRequest : httpRequest;
      const signal = AbortSignal.timeout(timeoutMs);
      const fail = (cause: Error) => {
        reject(signal.aborted
          ? new IssuerError('issuer-timeout', `${method} ${path} had no answer within ${timeoutMs} ms`)
          : new IssuerError('issuer-unreachable', `${method} ${path}: ${cause.message}`, undefined, undefined, undefined, { cause }));
      };
      const headers = { authorization: this.#authorization.reveal(), 'content-type': 'application/json', accept: 'application/json', 'content-length': body.length };
      const request = send(new URL(path.slice(1), this.#base), { method, agent: this.#agent, signal, headers }, (response) => {
        collect(response).then((text) => resolve([response.statusCode ?? 0, text, response.headers['retry-after']]), fail);
      });
      request.on('error', fail);
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function collect(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxAnswerBytes) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
