import { randomUUID } from 'node:crypto';
import type { FieldProblem } from '@writ/contracts';

/** An answer that is not 2xx, as an RFC 9457 problem document says it. */
export class ProblemError extends Error {
  constructor(
    readonly status: number,
    /** Stable, in kebab-case. */
    readonly code: string,
    readonly detail: string,
    readonly remedy: string | undefined,
    readonly errors: readonly FieldProblem[],
  ) {
    super(detail);
    this.name = 'ProblemError';
  }
}

/** No answer came: the service is not there, or took too long. */
export class UnreachableError extends Error {
  constructor(readonly url: string, cause: unknown) {
    super(`${new URL(url).origin} does not answer.`, { cause });
    this.name = 'UnreachableError';
  }
}

export interface Call {
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  /** Sent with every POST so that a repetition is recognised; a random one by default. */
  idempotencyKey?: string;
  timeoutMs?: number;
}

const usualTimeoutMs = 30_000;
/** A read that failed on its way is tried so often; writes carry an idempotency key and are, too. */
const tries = 3;

/** The header's value, such as `Bearer …`; or where to get it, asked before each call so that it may be renewed. */
export type Authorization = string | (() => string | Promise<string>);

/** One service at one address, called as one person or machine. */
export class Http {
  /** @param authorization what the calls prove */
  constructor(private readonly base: string, private readonly authorization: Authorization | undefined) {}

  get<Answer>(path: string, call: Call = {}): Promise<Answer> {
    return this.send('GET', path, call);
  }

  post<Answer>(path: string, call: Call = {}): Promise<Answer> {
    return this.send('POST', path, { idempotencyKey: randomUUID(), body: {}, ...call });
  }

  delete<Answer>(path: string, call: Call = {}): Promise<Answer> {
    return this.send('DELETE', path, call);
  }

  /** The body as text, for what is no JSON: checkpoints, proofs. */
  text(path: string, call: Call = {}): Promise<string> {
    return this.fetch('GET', path, call);
  }

  /** All items of a paged list, page by page. */
  async *pages<Item>(path: string, query: Call['query'] = {}): AsyncGenerator<Item> {
    let cursor: string | undefined;
    do {
      const page: { items: Item[]; next?: string | null } = await this.get(path, { query: { ...query, cursor } });
      yield* page.items;
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
  }

  private async send<Answer>(method: string, path: string, call: Call): Promise<Answer> {
    const text = await this.fetch(method, path, call);
    return (text === '' ? undefined : JSON.parse(text)) as Answer;
  }

  /** An answer counts once it is here as a whole: a connection that ends half-way is one that did not answer. */
  private async fetch(method: string, path: string, call: Call): Promise<string> {
    const url = new URL(path.replace(/^\//, ''), this.base.endsWith('/') ? this.base : `${this.base}/`);
    for (const [name, value] of Object.entries(call.query ?? {})) if (value !== undefined) url.searchParams.set(name, String(value));
    const authorization = typeof this.authorization === 'function' ? await this.authorization() : this.authorization;
    const headers = {
      accept: 'application/json',
      ...(authorization ? { authorization } : {}),
      ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(call.idempotencyKey ? { 'idempotency-key': call.idempotencyKey } : {}),
    };
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await fetch(url, { method, headers, body, redirect: 'error', signal: AbortSignal.timeout(call.timeoutMs ?? usualTimeoutMs) });
        const text = await response.text();
        if (response.ok) return text;
        throw problemOf(response, text);
      } catch (error) {
        if (error instanceof ProblemError) throw error;
        if (attempt === tries) throw new UnreachableError(url.href, error);
        await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
      }
    }
  }
}

function problemOf(response: Response, text: string): ProblemError {
  let document: Partial<ProblemError> = {};
  try {
    document = JSON.parse(text) as Partial<ProblemError>;
  } catch {
    // Something between us and the service answered in its own way; the status still says what kind of no it is.
  }
  return new ProblemError(
    response.status, document.code ?? `http-${response.status}`, document.detail ?? (response.statusText || 'The request was refused.'), document.remedy, document.errors ?? [],
  );
}
