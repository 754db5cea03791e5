import type { Decision } from './decision.js';
import { durationInWords } from './duration.js';
import { requestInWords } from './words.js';

/** Says a decision in plain words, a line each: what was asked, the answer, the rules behind it, and what to ask instead. */
export function explain(decision: Decision): string[] {
  const { outcome, input, because, obligedBy, obligations, require, slaSeconds, errors, nearest, message } = decision;
  const cited = ({ id, reason, ref }: { id: string; reason: string; ref?: string }): string => `  ${id}: ${reason}${ref === undefined ? '' : ` (${ref})`}`;
  const lines = [...(input ? [`Asked: ${requestInWords(input)}.`] : []), `Answer: ${outcome}. ${message}`];
  if (because.length > 0) lines.push('Decided by:', ...because.map(cited));
  if (require) {
    const who = Object.entries(require).map(([group, count]) => `${count} of ${group}`).join(', ');
    lines.push(`Waits for: ${who}${slaSeconds === undefined ? '' : `, for at most ${durationInWords(slaSeconds)}`}. Neither the requester nor an owner of the requesting service counts.`);
  }
  const limits = [
    obligations.maxTtlSeconds === undefined ? [] : [`lives at most ${durationInWords(obligations.maxTtlSeconds)}`],
    obligations.rotateSeconds === undefined ? [] : [`rotates every ${durationInWords(obligations.rotateSeconds)}`],
    obligations.graceSeconds === undefined ? [] : [`an old secret lives on for at most ${durationInWords(obligations.graceSeconds)}`],
  ].flat();
  if (limits.length > 0) lines.push(`Obliges: ${limits.join('; ')}.`, ...obligedBy.map(cited));
  for (const { rule, message: what } of errors) lines.push(`Failed: ${rule === undefined ? '' : `${rule}: `}${what}`);
  if (nearest) lines.push(`Instead: ${nearest.words}`);
  return lines;
}
