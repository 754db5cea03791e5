import fc from 'fast-check';
import { load, sampleFacts, sampleFiles } from '../test/sets.js';
import { decide } from './decide.js';
import type { Decision } from './decision.js';
import { simulateOnThread } from './decider.js';
import { simulate, Simulation } from './simulate.js';
import type { StoredRequest } from './simulate.js';

const active = load(sampleFiles);
const draftFiles = {
  ...sampleFiles,
  'approve.cedar': `${sampleFiles['approve.cedar']}\n@id("trust-platform") @reason("r") permit (principal, action == Action::"autoApprove", resource) when { principal in Team::"platform" };`,
  'review.cedar': sampleFiles['review.cedar']!.replace('@approvers("2")', '@approvers("1")').replace('context.tiers.containsAny(["write", "admin"])', 'context.tiers.contains("admin")'),
  'deny.cedar': sampleFiles['deny.cedar']!.replace('31536000', '7776000'),
};
const draft = load(draftFiles);
const requests: StoredRequest[] = fc.sample(sampleFacts, { numRuns: 300, seed: 7 }).map((facts, i) => ({ requestId: `req_${i}`, facts }));
const tokens = requests.slice(0, 200).map(({ facts }, i) => ({ tokenId: `tok_${i}`, facts }));

/** The same counts, each by deciding everything again. */
function bruteForce() {
  const both = requests.map(({ requestId, facts }) => ({ requestId, facts, before: decide(active, facts), after: decide(draft, facts) }));
  const votes = ({ require }: Decision): number => Object.values(require ?? {}).reduce((sum, count) => sum + count, 0);
  const flips = both.filter(({ before, after }) => before.outcome !== after.outcome);
  const sensitive = flips.filter(({ facts, after }) => after.outcome === 'approve' && (facts.environment === 'prod' || facts.scopes.some((scope) => !scope.endsWith(':read'))));
  const liveTokens = tokens.map(({ tokenId, facts }) => ({ tokenId, outcome: decide(draft, facts).outcome }));
  const of = (outcome: string): string[] => liveTokens.filter((token) => token.outcome === outcome).map(({ tokenId }) => tokenId);
  return {
    requests: requests.length,
    flipped: flips.length,
    ids: flips.map(({ requestId, before, after }) => `${requestId} ${before.outcome} ${after.outcome}`),
    newlyAutomaticSensitive: sensitive.length,
    sensitiveIds: sensitive.map(({ requestId }) => requestId),
    holdToApprove: both.filter(({ before, after }) => before.outcome === 'hold' && after.outcome === 'approve').length,
    fewerApprovers: both.filter(({ before, after }) => before.outcome === 'hold' && after.outcome === 'hold' && Object.keys(before.require!).some((group) => (after.require![group] ?? 0) < before.require![group]!)).length,
    votesSaved: both.reduce((sum, { before, after }) => sum + votes(before) - votes(after), 0),
    denied: of('deny'), held: of('hold'),
  };
}

describe('a simulation', () => {
  const expected = bruteForce();

  it('equals recomputation by brute force', () => {
    const report = simulate(active, draft, requests, tokens);
    expect({
      requests: report.requests, flipped: report.flipped, ids: report.flips.map(({ requestId, before, after }) => `${requestId} ${before} ${after}`),
      newlyAutomaticSensitive: report.newlyAutomaticSensitive, sensitiveIds: report.flips.filter((flip) => flip.newlyAutomaticSensitive).map(({ requestId }) => requestId),
      holdToApprove: report.matrix['hold→approve'], fewerApprovers: report.fewerApprovers, votesSaved: report.votesSaved, denied: report.tokens.denied, held: report.tokens.held,
    }).toEqual(expected);
    expect(expected.newlyAutomaticSensitive).toBeGreaterThan(0);
    expect(report).toMatchObject({ loosened: true, reviewHoursSaved: (expected.votesSaved * 10) / 60, tokens: { checked: 200 } });
  });

  it('finds nothing between a set and itself', () => {
    expect(simulate(active, active, requests, tokens)).toMatchObject({ flipped: 0, flips: [], votesSaved: 0, loosened: false });
  });

  it('counts on a thread, in pieces and with progress, what it counts here', async () => {
    const progress: number[] = [];
    const pieces = async function* (): AsyncGenerator<StoredRequest[]> {
      for (let i = 0; i < requests.length; i += 125) yield requests.slice(i, i + 125);
    };
    const report = await simulateOnThread({ active: sampleFiles, draft: draftFiles, requests: pieces(), tokens, onProgress: (done) => progress.push(done) });
    expect(report).toEqual(simulate(active, draft, requests, tokens));
    expect(progress).toEqual([125, 250, 300]);
  });

  it('refuses facts that no decision can have been made about', () => {
    expect(() => new Simulation(active, draft).addRequests([{ requestId: 'r', facts: { ...requests[0]!.facts, scopes: [] } }])).toThrow(RangeError);
  });
});
