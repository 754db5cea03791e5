import type { Detector, MisuseAction } from '@writ/contracts';
import type { Features } from '../baselines/features.js';
import type { GeoFacts } from './geo.js';

/** What is known beyond the token's own baseline. */
export interface Surroundings {
  /** The new network and agent in the verifier's words. */
  network: string;
  agent: string;
  /** Tokens, this one included, that the new network first touched within the last hour. */
  tokensOfNetwork: number;
  /** The same, only those to which network and agent both were new. */
  tokensOfCaller: number;
  /** Tokens of the team that the new agent first showed up on within the last hour, and tokens the team uses. */
  tokensOfAgent: number;
  tokensOfTeam: number;
  /** Whether the dead secret is one that was replaced, its token living on. */
  retired: boolean;
  /** Days from issue to these uses, where they are the token's very first; 0 otherwise. */
  unusedDays: number;
  /** A honeytoken was used from the new network within the last day. */
  baited: boolean;
  /** Of the new network, where the operator's files know it. */
  geo?: GeoFacts;
}

export interface Finding {
  detector: Detector;
  action: MisuseAction;
  /** In words, for the owner. */
  explanation: string;
}

const hour = 3_600;
const day = 86_400;

/** Below so many calls a minute nothing is a burst. */
const fewCalls = 30;
/** An owner's own deploy shows the same new agent on this share of the team's tokens. */
const deployShare = 0.5;

/**
 * Judges a token's newest uses. Pure: the same facts give the same findings, strongest first.
 * A stop is proposed only for VALID uses of the living secret from a network that is new, together with something
 * that honest moves do not show; everything weaker tells the owner, or is only noted.
 */
export function detect(features: Features, around: Surroundings): Finding[] {
  const findings = [baited, burst, rate, deniedScopes, oneSource, awakening, deadSecret, newCaller, travel, newCountry, newNetwork]
    .map((judge) => judge(features, around))
    .filter((finding) => finding !== undefined);
  const capped = features.quietUntil > features.now || features.learningUntil > features.now ? findings.map(toNote) : findings;
  return capped.sort((a, b) => weight[b.action] - weight[a.action]);
}

export const weight: Record<MisuseAction, number> = { note: 0, notify: 1, suspend: 2, revoke: 3 };

/** Whether these features could be part of any finding: for nearly all uses they cannot, and nothing more is asked. */
export function mayMatter(features: Features): boolean {
  // The first network and agent of all are nobody's novelty, or a thousand new tokens would be a thousand questions.
  const isStranger = (isNewNetwork(features) && features.networkLead >= 1) || (isNewAgent(features) && features.agentsKnown > 0);
  return isStranger || isFirstUse(features) || detect(features, nowhere).length > 0;
}

const nowhere: Surroundings = { network: '', agent: '', tokensOfNetwork: 0, tokensOfCaller: 0, tokensOfAgent: 0, tokensOfTeam: 0, retired: false, unusedDays: 0, baited: false };

/** How far an administrator lets detectors go: the kill switch of each. */
export type Limits = ReadonlyMap<string, MisuseAction | 'off'>;

type Judge = (features: Features, around: Surroundings) => Finding | undefined;

/** A blatant burst stays one, whatever is being learnt: a thief may come on the first day. */
function toNote(finding: Finding): Finding {
  return (finding.detector === 'burst-from-new-network' || finding.detector === 'honeytoken-source') && finding.action === 'suspend' ? finding : { ...finding, action: 'note' };
}

const isNewNetwork = ({ networkAge, network }: Features) => network !== '' && networkAge >= 0 && networkAge < hour;
const isNewAgent = ({ agentAge, agent }: Features) => agent !== '' && agentAge >= 0 && agentAge < hour;
const isLearning = ({ now, firstUsedAt, calls }: Features) => now - firstUsedAt < day || calls < 20;
/** Of all uses that there ever were. */
export const isFirstUse = ({ calls, liveCalls }: Features) => liveCalls > 0 && calls === liveCalls;
/** Callers of an owner who often moves surprise nobody; a neighbouring network is hardly a move. */
const roams = ({ networkChurn, neighbourKnown }: Features) => neighbourKnown || networkChurn > 3;
/** Detectors that stay silent about a deploy: what they said before it could be told is explained by it. */
export const explainedByDeploy: readonly Detector[] = ['new-caller', 'one-source-many-tokens', 'impossible-travel'];
export const isDeploy = ({ tokensOfAgent, tokensOfTeam }: Surroundings) => tokensOfAgent >= 3 && tokensOfAgent >= deployShare * tokensOfTeam;

const baited: Judge = (f, around) => {
  if (!around.baited || !isNewNetwork(f) || f.networkCalls === 0) return undefined;
  // Who has bait may use it from where honest callers come out as well, such as a shared build service.
  const isHonestMove = roams(f) || !isNewAgent(f);
  return finding('honeytoken-source', isHonestMove ? 'notify' : 'suspend', `First use from ${around.network}, where somebody tries stolen tokens.`);
};

const burst: Judge = (f, { network }) => {
  // The high-water mark without this network: what everyone else was seen to need.
  const others = f.calls - f.networkCalls;
  const usual = Math.max(f.highMinute, others / Math.max(1, (f.now - f.firstUsedAt) / 60), 5);
  if (!isNewNetwork(f) || f.networkLead < 1 || others < 5 || f.networkCalls < 40 * usual || f.rate < 10 * usual) return undefined;
  return finding('burst-from-new-network', 'suspend', `${f.networkCalls} calls within ${Math.ceil((f.networkAge + 1) / 60)} min from ${network}, a network not seen before; the busiest minute so far had ${Math.round(usual)}.`);
};

const rate: Judge = (f, { network }) => {
  if (isLearning(f) || f.minutesSeen < 10) return undefined;
  const deviation = (f.rate - f.mean) / Math.sqrt(Math.max(f.variance, f.mean, 1));
  if (!(deviation > 6 && f.rate > 2 * f.highMinute && f.rate > fewCalls)) return undefined;
  const times = f.rate / Math.max(f.highMinute, 1);
  const fromNew = isNewNetwork(f) && !roams(f);
  const action = fromNew && times >= 10 && f.networkCalls > 2 * f.highMinute && isNewAgent(f) ? 'suspend' : fromNew || times >= 8 ? 'notify' : 'note';
  return finding('rate', action, `${f.rate} calls in a minute, ${times.toFixed(1)} times the busiest minute so far${fromNew ? `, from ${network}, a network not seen before` : ''}.`);
};

const newCaller: Judge = (f, around) => {
  if (isLearning(f) || !isNewNetwork(f) || !isNewAgent(f) || f.neighbourKnown || isDeploy(around)) return undefined;
  // Of who roams only the agent can tell: it must be the first new one in weeks.
  if (f.agentChurn > (roams(f) ? 1.3 : 4)) return undefined;
  return finding('new-caller', 'notify', `First use by ${around.agent} from ${around.network}${placeOf(around.geo)}: neither agent nor network was seen before.`);
};

/** Phones, proxies and offices with several ways out are in two places at once as well: they roam, or keep their agent. */
const travel: Judge = (f, { geo, network, agent, ...around }) => {
  if (!geo?.travel || isLearning(f) || !isNewNetwork(f) || f.networkCalls === 0 || roams(f) || !isNewAgent(f) || isDeploy({ network, agent, ...around })) return undefined;
  const { from, kilometres, minutes } = geo.travel;
  return finding('impossible-travel', 'suspend', `Used by ${agent} from ${network} in ${geo.country}, about ${kilometres.toLocaleString('en')} km from where it was used ${minutes} min before (${from}): neither agent, network nor country was seen before.`);
};

const newCountry: Judge = (f, { geo, network, tokensOfNetwork }) => {
  if (!geo || geo.known.includes(geo.country) || isLearning(f) || !isNewNetwork(f) || roams(f) || tokensOfNetwork >= 3) return undefined;
  return finding('new-country', 'notify', `First use from ${geo.country} (${network}); so far it was used from ${geo.known.join(', ')}.`);
};

const newNetwork: Judge = (f, { network, tokensOfNetwork, geo }) => {
  if (isLearning(f) || !isNewNetwork(f) || roams(f)) return undefined;
  // The first move in weeks of a token that stays where it is; a whole team that moves is a fail-over.
  const settled = f.now - f.firstUsedAt > 7 * day && f.networkChurn < 2 && tokensOfNetwork < 3;
  return finding('new-network', settled ? 'notify' : 'note', `First use from ${network}${placeOf(geo)}; ${f.networksKnown} networks were known.`);
};

const awakening: Judge = (f, { network, unusedDays }) => {
  if (unusedDays >= 14) return finding('awakening', 'notify', `First use of all, from ${network}, ${Math.floor(unusedDays)} days after it was issued.`);
  if (f.awakeFor < 0 || f.awakeFor > hour) return undefined;
  const action = isNewNetwork(f) && !f.neighbourKnown ? 'notify' : 'note';
  return finding('awakening', action, `Used again after ${f.sleptDays} days of silence${action === 'notify' ? `, from ${network}, a network not seen before` : ''}.`);
};

const deniedScopes: Judge = (f, { network }) => {
  const many = f.deniedNew >= 3;
  if (f.denied < 4 || f.deniedNew < 1 || !(many || f.denied >= 2 * f.highDenied)) return undefined;
  const fromNew = isNewNetwork(f) && !roams(f) && !isLearning(f);
  // Roll-ups do not remember which scopes are refused every day: for as long as they count as new after a loss, they say little.
  const isRelearnt = f.learningUntil > 0 && f.now < f.learningUntil + 6 * hour;
  const action = isRelearnt ? 'note' : fromNew && many && f.networkCalls > 0 && isNewAgent(f) ? 'suspend' : fromNew || many ? 'notify' : 'note';
  return finding('denied-scopes', action, `${Math.round(f.denied)} uses asked for scopes that it does not have, ${f.deniedNew} of them new${fromNew ? `, from ${network}, a network not seen before` : ''}.`);
};

const deadSecret: Judge = (f, { retired, network }) => {
  if (f.deadCalls === 0) return undefined;
  const strangers = f.deadCalls - f.deadKnownCalls;
  const what = retired ? 'a secret that was replaced' : 'a token that has ended';
  return strangers > 0
    ? finding('dead-secret', 'notify', `${strangers} ${strangers === 1 ? 'use' : 'uses'} of ${what}, from ${network || 'a network'} that is not known for this token.`)
    : finding('dead-secret', 'note', `${f.deadCalls} ${f.deadCalls === 1 ? 'use' : 'uses'} of ${what}, from a known network: somebody has not changed over.`);
};

const oneSource: Judge = (f, around) => {
  if (isLearning(f) || !isNewNetwork(f) || f.neighbourKnown || around.tokensOfCaller < 3 || isDeploy(around)) return undefined;
  return finding('one-source-many-tokens', 'notify', `${around.network} was new to ${around.tokensOfCaller} tokens within an hour, by agents that were new to them too.`);
};

/** For the owner, who knows whether that is theirs. */
function placeOf(geo: GeoFacts | undefined): string {
  if (!geo) return '';
  const { country, operator } = geo;
  return ` in ${country}${operator ? ` (AS${operator.asn}, ${operator.known ? 'which it was used from before' : 'new to it'})` : ''}`;
}

function finding(detector: Detector, action: MisuseAction, explanation: string): Finding {
  return { detector, action, explanation };
}
