import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SignedRequest {
  method: string;
  /** Path as sent, without a query. */
  path: string;
  headers: Record<string, string>;
  body: Uint8Array;
}

const hex = (algorithm: 'sha256', data: string | Uint8Array) => createHash(algorithm).update(data).digest('hex');
const mac = (key: string | Uint8Array, text: string) => createHmac('sha256', key).update(text).digest();

/** The signature that a request must have: AWS Signature Version 4 for S3, written from its description only. */
export function signatureOf({ method, path, headers, body }: SignedRequest, signedHeaders: readonly string[], scope: string, secret: string): string {
  const [day, region, service] = scope.split('/');
  const canonical = [method, path, '', ...signedHeaders.map((name) => `${name}:${headers[name]!.trim()}`), '', signedHeaders.join(';'), hex('sha256', body)].join('\n');
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hex('sha256', canonical)].join('\n');
  const key = [day!, region!, service!, 'aws4_request'].reduce<string | Uint8Array>((outer, part) => mac(outer, part), `AWS4${secret}`);
  return mac(key, text).toString('hex');
}

const form = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/;

/** An object store in memory that believes no request whose signature, body digest or time is not right. */
export class SignedStore {
  readonly objects = new Map<string, Buffer>();
  readonly keyId = 'test-key';
  readonly secret = 'test-secret';
  /** Answers the next requests with this status instead. */
  failNext: number[] = [];
  private readonly server: Server = createServer((request, response) => void this.answer(request, response));

  static async start(): Promise<SignedStore> {
    const store = new SignedStore();
    store.server.listen(0, '127.0.0.1');
    await once(store.server, 'listening');
    return store;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const request = { method: incoming.method!, path: incoming.url!, headers: incoming.headers as Record<string, string>, body: Buffer.concat(chunks) };
    const refuse = (status: number, code: string) => response.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code></Error>`);
    const failure = this.failNext.shift();
    if (failure) return void refuse(failure, 'SlowDown');
    const problem = this.problemOf(request);
    if (problem) return void refuse(403, problem);
    if (request.method === 'PUT') this.objects.set(request.path, request.body);
    const found = this.objects.get(request.path);
    if (!found) return void refuse(404, 'NoSuchKey');
    response.writeHead(200).end(request.method === 'GET' ? found : '');
  }

  private problemOf(request: SignedRequest): string | undefined {
    const [, keyId, scope, names, signature] = form.exec(request.headers.authorization ?? '') ?? [];
    if (keyId !== this.keyId) return 'InvalidAccessKeyId';
    if (request.headers['x-amz-content-sha256'] !== hex('sha256', request.body)) return 'XAmzContentSHA256Mismatch';
    const time = request.headers['x-amz-date']!.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
    if (!(Math.abs(Date.now() - Date.parse(time)) < 900_000)) return 'RequestTimeTooSkewed';
    const signedHeaders = names!.split(';');
    for (const needed of ['host', 'x-amz-content-sha256', 'x-amz-date']) if (!signedHeaders.includes(needed)) return 'AccessDenied';
    return signatureOf(request, signedHeaders, scope!, this.secret) === signature ? undefined : 'SignatureDoesNotMatch';
  }
}
