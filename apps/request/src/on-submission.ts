import { digestOfText } from '@writ/contracts';
import { Budgets } from '@writ/gateway';
import { MessageHandler, OnSubmission, type Submitted, type Tx } from '@writ/messaging';
import { RequestConfig } from './config.js';
import { Intake } from './intake.js';
import { cleanId, readEnvelope } from './read-submission.js';
import { isRefusal } from './refusal.js';

/** A budget holds so many seconds of its rate at once. */
const secondsAtOnce = 20;

/** Takes what upstreams publish. Bad input is answered to its sender and recorded, never thrown: nothing of it is tried again. */
@MessageHandler()
export class OnUpstreamSubmission {
  private readonly upstreams = new Budgets();
  /** How long to wait, by the message as it arrived: one whose batch is tried again is counted once and judged alike. */
  private readonly judged = new WeakMap<Buffer, number>();

  constructor(private readonly intake: Intake, private readonly config: RequestConfig) {}

  @OnSubmission()
  async handle({ body, userId, envelope }: Submitted, tx: Tx<'request'>): Promise<void> {
    const bodyDigest = digestOfText(body);
    const waitMs = this.waitFor(userId, body);
    if (waitMs > 0) return tellLater(tx, userId, { submissionId: cleanId(envelope), bodyDigest, retryAfterMs: waitMs });
    const read = readEnvelope(envelope, userId);
    const ask = { source: userId, upstream: userId, submitter: { iss: 'urn:writ:upstream', sub: userId }, bodyDigest };
    await this.intake.take(tx, isRefusal(read) ? { ...ask, submissionId: cleanId(envelope), data: undefined, fault: read } : { ...ask, ...read });
  }

  private waitFor(upstream: string, body: Buffer): number {
    const known = this.judged.get(body);
    if (known !== undefined) return known;
    const perSecond = this.config.upstreamSubmissionsPerSecond;
    const waitMs = this.upstreams.take(upstream, { perSecond, atOnce: perSecond * secondsAtOnce }, performance.now());
    this.judged.set(body, waitMs);
    return waitMs;
  }
}

interface Late { submissionId?: string; bodyDigest: string; retryAfterMs: number }

/** Nothing is kept of it but the word to its sender, who may send it again under the same id: others are not held up by it. */
function tellLater(tx: Tx<'request'>, upstream: string, late: Late): void {
  const refusal = { code: 'rate-limited', detail: 'You publish requests faster than this service takes them from one upstream. Send this one again later.', problems: [] };
  tx.tell(upstream, 'request.refused', { ...refusal, ...late }, `${upstream}/${late.submissionId ?? late.bodyDigest}`);
}
