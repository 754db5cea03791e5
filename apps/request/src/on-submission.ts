import { digestOfText } from '@writ/contracts';
import { MessageHandler, OnSubmission, type Submitted, type Tx } from '@writ/messaging';
import { Intake } from './intake.js';
import { cleanId, readEnvelope } from './read-submission.js';
import { isRefusal } from './refusal.js';

/** Takes what upstreams publish. Bad input is answered to its sender and recorded, never thrown: nothing of it is tried again. */
@MessageHandler()
export class OnUpstreamSubmission {
  constructor(private readonly intake: Intake) {}

  @OnSubmission()
  async handle({ body, userId, envelope }: Submitted, tx: Tx<'request'>): Promise<void> {
    const read = readEnvelope(envelope, userId);
    const ask = { source: userId, upstream: userId, submitter: { iss: 'urn:writ:upstream', sub: userId }, bodyDigest: digestOfText(body) };
    await this.intake.take(tx, isRefusal(read) ? { ...ask, submissionId: cleanId(envelope), data: undefined, fault: read } : { ...ask, ...read });
  }
}
