import { detect, mayMatter, type Surroundings } from './detect.js';
import type { Features } from '../baselines/features.js';

const now = 1_790_000_000;
/** A token that is used as always: a month old, ten calls a minute, two networks, one agent. */
const usual: Features = {
  now, firstUsedAt: now - 30 * 86_400, calls: 50_000, liveCalls: 10, rate: 10, mean: 10, variance: 9, minutesSeen: 99, highMinute: 20, hourCalls: 600, meanHour: 550, highHour: 900,
  network: 'aaabbb', networkAge: 20 * 86_400, networkLead: 100, networkCalls: 10_000, networksKnown: 2, neighbourKnown: false, networkChurn: 0.2,
  agent: 'cccc', agentAge: 20 * 86_400, agentsKnown: 1, agentChurn: 0.2, denied: 0, deniedNew: 0, highDenied: 0, awakeFor: -1, sleptDays: 0, deadCalls: 0, deadKnownCalls: 0,
  quietUntil: 0, learningUntil: 0,
};
const around: Surroundings = { network: '203.0.113.0/24', agent: 'curl', tokensOfNetwork: 1, tokensOfCaller: 1, tokensOfAgent: 1, tokensOfTeam: 20, retired: false, unusedDays: 0, baited: false };
const newNetwork = { networkAge: 60, networkLead: 20 * 86_400, networkCalls: 10, networkChurn: 1.2 };
const newAgent = { agentAge: 60, agentChurn: 1.2 };
const young = { firstUsedAt: now - 300, calls: 850, highMinute: 0, minutesSeen: 0 };

const travel = { from: 'NZ', kilometres: 11_000, minutes: 20 };

const judged: [what: string, features: Partial<Features>, around: Partial<Surroundings>, verdict: string | undefined][] = [
  ['use as always', {}, {}, undefined],
  ['a busy minute below twice the busiest', { rate: 39 }, {}, undefined],
  ['few calls, however unusual', { rate: 29, mean: 0.1, variance: 0.1, highMinute: 1 }, {}, undefined],
  ['three times the busiest minute from known places', { rate: 60 }, {}, 'rate note'],
  ['ten times the busiest minute from known places', { rate: 200 }, {}, 'rate notify'],
  ['three times the busiest minute from a new network', { rate: 60, ...newNetwork }, {}, 'rate notify'],
  ['ten times the busiest minute by a new agent from a new network', { rate: 210, ...newNetwork, networkCalls: 200, ...newAgent }, {}, 'rate suspend'],
  ['forty times the busiest minute from a new network', { rate: 900, ...newNetwork, networkCalls: 900 }, {}, 'burst-from-new-network suspend'],
  ['a burst that no VALID use is part of', { rate: 900, ...newNetwork, networkCalls: 0 }, {}, 'rate notify'],
  ['a burst from a new network on the first day', { ...young, rate: 800, ...newNetwork, networkCalls: 800 }, {}, 'burst-from-new-network suspend'],
  ['a burst of the first network there is', { ...young, rate: 800, networkAge: 60, networkLead: -1, networkCalls: 850 }, {}, undefined],
  ['the first new network in weeks', newNetwork, {}, 'new-network notify'],
  ['a new network of somebody who moved lately', { ...newNetwork, networkChurn: 2.5 }, {}, 'new-network note'],
  ['a new network that the whole team moves to', newNetwork, { tokensOfNetwork: 9 }, 'new-network note'],
  ['a new network of somebody who roams', { ...newNetwork, networkChurn: 6 }, {}, undefined],
  ['a new network beside a known one', { ...newNetwork, neighbourKnown: true }, {}, undefined],
  ['a new agent alone', newAgent, {}, undefined],
  ['a new agent from a new network', { ...newNetwork, ...newAgent }, {}, 'new-caller notify'],
  ['the same on most tokens of the team', { ...newNetwork, ...newAgent }, { tokensOfAgent: 15, tokensOfCaller: 9, tokensOfNetwork: 9 }, 'new-network note'],
  ['a crawler that always brings new agents', { ...newAgent, agentChurn: 9 }, {}, undefined],
  ['a new agent of somebody who roams', { ...newNetwork, networkChurn: 9, ...newAgent }, {}, 'new-caller notify'],
  ['a crawler that roams', { ...newNetwork, networkChurn: 9, ...newAgent, agentChurn: 9 }, {}, undefined],
  ['the same on most tokens of the team, which moves to where none of them was', { ...newNetwork, ...newAgent }, { tokensOfAgent: 15, tokensOfCaller: 15, tokensOfNetwork: 15 }, 'new-network note'],
  ['one new caller on three tokens', { ...newNetwork, ...newAgent, agentChurn: 9 }, { tokensOfCaller: 3, tokensOfNetwork: 3, tokensOfAgent: 3 }, 'one-source-many-tokens notify'],
  ['a new caller from where bait was taken', { ...newNetwork, ...newAgent }, { baited: true }, 'honeytoken-source suspend'],
  ['the known agent from where bait was taken: a build service that others share', newNetwork, { baited: true }, 'honeytoken-source notify'],
  ['who roams, and comes by where bait was taken', { ...newNetwork, ...newAgent, networkChurn: 6 }, { baited: true }, 'honeytoken-source notify'],
  ['a known network where bait was taken', {}, { baited: true }, undefined],
  ['a new country of a token that stays where it is', newNetwork, { geo: { country: 'BR', known: ['NZ'] } }, 'new-country notify'],
  ['a new country of somebody who moved lately', { ...newNetwork, networkChurn: 2.5 }, { geo: { country: 'BR', known: ['NZ'] } }, 'new-country notify'],
  ['a new country of somebody who roams', { ...newNetwork, networkChurn: 6 }, { geo: { country: 'BR', known: ['NZ'] } }, undefined],
  ['a country that is known', { ...newNetwork, networkChurn: 2.5 }, { geo: { country: 'NZ', known: ['NZ'] } }, 'new-network note'],
  ['a new agent where nobody can be by now', { ...newNetwork, ...newAgent }, { geo: { country: 'BR', known: ['NZ'], travel } }, 'impossible-travel suspend'],
  ['the known agent where nobody can be by now: a proxy', { ...newNetwork, networkChurn: 2.5 }, { geo: { country: 'NZ', known: ['NZ'], travel } }, 'new-network note'],
  ['a phone that is where it cannot be by now', { ...newNetwork, networkChurn: 9, ...newAgent, agentChurn: 9 }, { geo: { country: 'BR', known: ['NZ'], travel } }, undefined],
  ['a deploy where nobody can be by now', { ...newNetwork, ...newAgent }, { geo: { country: 'NZ', known: ['NZ'], travel }, tokensOfAgent: 15, tokensOfNetwork: 9 }, 'new-network note'],
  ['awake again where it slept', { awakeFor: 5, sleptDays: 40 }, {}, 'awakening note'],
  ['awake again elsewhere', { awakeFor: 5, sleptDays: 40, ...newNetwork }, {}, 'awakening notify'],
  ['the first use of all, soon after issue', { ...young, calls: 3, liveCalls: 3, networkAge: 0, networkLead: -1 }, { unusedDays: 2 }, undefined],
  ['the first use of all, weeks after issue', { ...young, calls: 3, liveCalls: 3, networkAge: 0, networkLead: -1 }, { unusedDays: 20 }, 'awakening notify'],
  ['three refused scopes', { denied: 3, deniedNew: 3 }, {}, undefined],
  ['many refused uses of one scope', { denied: 12, deniedNew: 1 }, {}, 'denied-scopes note'],
  ['refusals that are nothing new', { denied: 12, deniedNew: 1, highDenied: 10 }, {}, undefined],
  ['many scopes tried', { denied: 12, deniedNew: 5 }, {}, 'denied-scopes notify'],
  ['many scopes tried by a new caller that also succeeds', { denied: 12, deniedNew: 5, ...newNetwork, ...newAgent }, {}, 'denied-scopes suspend'],
  ['many scopes tried by a new caller that never succeeds', { denied: 12, deniedNew: 5, ...newNetwork, ...newAgent, networkCalls: 0 }, {}, 'denied-scopes notify'],
  ['scopes that are refused every day, hours after they were forgotten', { denied: 12, deniedNew: 5, learningUntil: now - 4 * 3_600 }, {}, 'denied-scopes note'],
  ['an old secret from a known network', { deadCalls: 3, deadKnownCalls: 3 }, { retired: true }, 'dead-secret note'],
  ['an old secret from elsewhere', { deadCalls: 3, deadKnownCalls: 0 }, { retired: true }, 'dead-secret notify'],
  ['anything while its owner vouches for it', { rate: 210, ...newNetwork, networkCalls: 200, ...newAgent, quietUntil: now + 60 }, {}, 'rate note'],
  ['anything while it is learnt anew', { rate: 210, ...newNetwork, networkCalls: 200, ...newAgent, learningUntil: now + 60 }, {}, 'rate note'],
  ['a blatant burst while it is learnt anew', { rate: 900, ...newNetwork, networkCalls: 900, learningUntil: now + 60 }, {}, 'burst-from-new-network suspend'],
];

describe('a verdict', () => {
  it.each(judged)('on %s', (_what, features, more, verdict) => {
    const [found] = detect({ ...usual, ...features }, { ...around, ...more });
    expect(found && `${found.detector} ${found.action}`).toBe(verdict);
  });

  it.each(judged.filter(([, , , verdict]) => verdict !== undefined))('is never missed by the first look: %s', (_what, features) => {
    expect(mayMatter({ ...usual, ...features })).toBe(true);
  });

  it('says in words what was seen, where, and what was usual', () => {
    const [finding] = detect({ ...usual, rate: 900, ...newNetwork, networkCalls: 900 }, around);
    expect(finding?.explanation).toBe('900 calls within 2 min from 203.0.113.0/24, a network not seen before; the busiest minute so far had 20.');
    const [once] = detect({ ...usual, deadCalls: 1, deadKnownCalls: 1 }, { ...around, retired: true });
    expect(once?.explanation).toBe('1 use of a secret that was replaced, from a known network: somebody has not changed over.');
  });

  it('never stops a token without a VALID use from the new network (G10)', () => {
    for (const [, features, more] of judged) {
      const findings = detect({ ...usual, ...features, networkCalls: 0 }, { ...around, ...more });
      expect(findings.filter(({ action }) => action === 'suspend')).toEqual([]);
    }
  });
});
