/**
 * Traffic with known truth: ten honest behaviours, fourteen kinds of attack, four weeks. Frozen: its hash is checked
 * before detectors are judged by it, so that nobody bends the traffic to the detectors. Same seed, same traffic.
 */

export const honestKinds = [
  'poller', 'office', 'nightly-batch', 'crawler', 'mobile', 'growth', 'failover', 'month-end', 'weekly', 'ci-runner',
] as const;
export type HonestKind = (typeof honestKinds)[number];

export const families = {
  'burst from elsewhere': 'blatant',
  'burst from home': 'blatant',
  'scope probe': 'blatant',
  'dormant, then used elsewhere': 'blatant',
  'old secret elsewhere': 'blatant',
  'ended token elsewhere': 'blatant',
  'one thief, many tokens': 'blatant',
  'exfiltration by a new caller': 'visible',
  'modest use by a new caller': 'visible',
  'slow scope probe from home': 'visible',
  'known agent, new network, slow': 'faint',
  'new agent, neighbouring network': 'faint',
  'mimicry from home': 'invisible',
  honeytoken: 'bait',
} as const;
export type Family = keyof typeof families;

export interface Subject {
  /** Distinct within the traffic. */
  index: number;
  team: string;
  owner: string;
  kind: HonestKind;
  /** Where it is stolen: how, and the slot in which that begins. */
  family?: Family;
  stolenAt?: number;
}

export interface Use {
  subject: number;
  /** Milliseconds since 1970, one minute's calls. */
  at: number;
  code: string;
  generation: number;
  network: string;
  agent: string;
  scopes: string[];
  denied: string[];
  count: number;
}

export type Change = { subject: number; at: number; change: 'retired' | 'revoked' };

export interface Slot {
  at: number;
  uses: Use[];
  changes: Change[];
}

export interface Traffic {
  subjects: Subject[];
  slots: () => Generator<Slot>;
}

export interface Size {
  honest: number;
  perFamily: number;
}

/** A Monday. */
export const beginsAt = Date.UTC(2026, 0, 5);
export const slotMs = 600_000;
export const days = 28;
const slotsPerDay = 144;
const slotCount = days * slotsPerDay;
export const scopes = Array.from({ length: 8 }, (_, i) => `orders:s${i}`);
const foreignScopes = Array.from({ length: 12 }, (_, i) => `admin:f${i}`);
const thiefAgents = ['curl', 'python-requests', 'go-http-client', 'httpx', 'okhttp', 'wget'];

type Random = () => number;

/** mulberry32: small, even enough, the same everywhere. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
const whole = (random: Random, from: number, to: number) => from + Math.floor(random() * (to - from + 1));
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
function poisson(random: Random, mean: number): number {
  if (mean > 40) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  let count = 0;
  for (let product = random(); product > Math.exp(-mean); product *= random()) count += 1;
  return count;
}
const network = (random: Random, wide = `${whole(random, 11, 223)}.${whole(random, 0, 255)}`) => `${wide}.${whole(random, 0, 255)}.0/24`;
const wideOf = (net: string) => net.split('.').slice(0, 2).join('.');

interface Deploy { slot: number; agent: string; moves: boolean; wrongScope: boolean }
interface Team { name: string; deploys: Deploy[]; wide: string }

/** Everything about one token that its behaviour needs. */
interface Life extends Subject {
  random: Random;
  homes: string[];
  carriers: string[];
  team: string;
  deploys: Deploy[];
  lag: number;
  level: number;
  hour: number;
  weekday: number;
  away: number;
  peak: number;
}

function teamOf(seed: number, index: number): Team {
  const random = randomOf(seed * 7_919 + index);
  const deploys: Deploy[] = [{ slot: -1_000, agent: `app${index}-0`, moves: false, wrongScope: false }];
  for (let slot = whole(random, 100, 900), n = 1; slot < slotCount; slot += whole(random, 500, 1_500), n++) {
    deploys.push({ slot, agent: `app${index}-${n}`, moves: random() < 0.15, wrongScope: random() < 0.15 });
  }
  return { name: `team-${index}`, deploys, wide: `${whole(random, 11, 223)}.${whole(random, 0, 255)}` };
}

function lifeOf(seed: number, subject: Subject, team: Team): Life {
  const random = randomOf(seed * 104_729 + subject.index * 31 + 7);
  const level = Math.exp(Math.log(3) + 0.9 * normal(random));
  const peaks: Record<HonestKind, number> = {
    poller: 2 * level, office: 4 * level, 'nightly-batch': 120 * level, crawler: 60 * level, mobile: 2 * level, growth: 8 * level, failover: 3 * level, 'month-end': 40 * level,
    weekly: 15 * level, 'ci-runner': 20 * level,
  };
  return {
    ...subject, random, level, deploys: team.deploys, lag: whole(random, 0, 11), hour: whole(random, 0, 23), weekday: whole(random, 1, 5), away: whole(random, 4, 8),
    homes: [network(random, random() < 0.7 ? team.wide : undefined), network(random, random() < 0.7 ? team.wide : undefined), network(random)],
    carriers: [0, 1, 2].map(() => `${whole(random, 11, 223)}.${whole(random, 0, 255)}`), peak: peaks[subject.kind],
  };
}

/** Who is stolen how, and when. The dormant ones and the bait have their own past. */
function subjectsOf(seed: number, size: Size): { subjects: Subject[]; teams: Team[] } {
  const random = randomOf(seed);
  const names = Object.keys(families) as Family[];
  const total = size.honest + size.perFamily * names.length;
  const teams = Array.from({ length: Math.max(3, Math.round(total / 14)) }, (_, i) => teamOf(seed, i));
  const subjects: Subject[] = [];
  const add = (family?: Family, stolenAt?: number, team = whole(random, 0, teams.length - 1)) => {
    const index = subjects.length;
    subjects.push({ index, team: `team-${team}`, owner: `svc:${index}`, kind: honestKinds[index % honestKinds.length] as HonestKind, family, stolenAt });
  };
  for (let i = 0; i < size.honest; i++) add();
  for (const family of names) {
    let team = 0;
    let at = 0;
    for (let i = 0; i < size.perFamily; i++) {
      const together = family === 'one thief, many tokens' && i % 5 !== 0;
      if (!together) {
        team = whole(random, 0, teams.length - 1);
        at = whole(random, 18 * slotsPerDay, 26 * slotsPerDay);
      }
      add(family, at, team);
    }
  }
  return { subjects, teams };
}

function deployOf(life: Life, slot: number): Deploy {
  let current = life.deploys[0] as Deploy;
  for (const deploy of life.deploys) if (deploy.slot + life.lag <= slot) current = deploy;
  return current;
}

const dayOf = (slot: number) => Math.floor(slot / slotsPerDay);
const hourOf = (slot: number) => Math.floor((slot % slotsPerDay) / 6);
const isWeekday = (slot: number) => dayOf(slot) % 7 < 5;

/** Calls of one minute in this slot, from where and by what, when all is well. */
function honestUse(life: Life, slot: number): { count: number; network: string; agent: string }[] {
  const { random, level, homes, kind } = life;
  const deploy = deployOf(life, slot);
  const moved = life.deploys.filter(({ moves, slot: at }) => moves && at + life.lag <= slot).length;
  const home = moved === 0 ? pick(random, homes.slice(0, 2)) : `${wideOf(homes[0] as string)}.${(life.index * 7 + moved * 13) % 256}.0/24`;
  const one = (count: number, from = home, agent = deploy.agent) => (count > 0 ? [{ count, network: from, agent }] : []);
  const hour = hourOf(slot);
  switch (kind) {
    case 'poller': return random() < 0.5 ? one(poisson(random, level)) : [];
    case 'office': return isWeekday(slot) && hour >= 8 && hour < 18 ? one(poisson(random, level * (hour === 12 ? 0.5 : 1.5))) : [];
    case 'nightly-batch': return hour === life.hour ? one(Math.round(level * 20 * Math.exp(0.8 * normal(random)))) : [];
    case 'crawler': {
      if (random() < 0.75) return [];
      const pages = random() < 0.1 ? 20 : 2;
      return one(poisson(random, level * pages), home, `crawler-${whole(random, 0, 40)}`);
    }
    case 'mobile': {
      if (hour < 7 || random() < 0.8) return [];
      return one(1 + poisson(random, level / 2), random() < 0.4 ? homes[0] : network(random, pick(random, life.carriers)), 'app-mobile');
    }
    case 'growth': return random() < 0.6 ? one(poisson(random, level * 2 ** (slot / slotCount * 4))) : [];
    case 'failover': {
      const away = dayOf(slot) % 9 === life.away;
      return random() < 0.6 ? one(poisson(random, level * 1.5), away ? homes[2] : home) : [];
    }
    case 'month-end': {
      const end = dayOf(slot) % 14 === 12;
      return random() < (end ? 0.6 : 0.3) ? one(poisson(random, level * (end ? 20 : 1))) : [];
    }
    case 'weekly': {
      const holiday = life.index % 3 === 0 && dayOf(slot) > 7 && dayOf(slot) < 25;
      return !holiday && dayOf(slot) % 7 === life.weekday && hour === life.hour ? one(poisson(random, level * 8)) : [];
    }
    case 'ci-runner': {
      if (!isWeekday(slot) || hour < 7 || hour > 20 || random() < 0.8) return [];
      return one(poisson(random, level * 5), network(random, pick(random, life.carriers)), `runner-${dayOf(slot) < 15 ? 1 : 2}`);
    }
  }
}

interface Deed { count: number; network: string; agent: string; code?: string; denied?: string[]; generation?: number }

/** What the thief does `age` slots after the theft. Thieves of one group share network and agent. */
function theft(life: Life, family: Family, age: number, thief: { network: string; agent: string }): Deed[] {
  const { random, peak, homes } = life;
  const agent = deployOf(life, (life.stolenAt ?? 0) + age).agent;
  const modest = () => 1 + poisson(random, Math.min(peak / 4, 10));
  const every = (slots: number, until: number) => age < until && age % slots === 0;
  switch (family) {
    case 'burst from elsewhere': return every(1, 4) ? [{ ...thief, agent: life.index % 2 ? agent : thief.agent, count: Math.max(400, Math.round(peak * (60 + 90 * random()))) }] : [];
    case 'burst from home': return every(1, 4) ? [{ network: homes[0] as string, agent, count: Math.max(200, Math.round(peak * (15 + 25 * random()))) }] : [];
    case 'scope probe': return every(1, 3) ? [{ ...thief, count: 2 }, ...Array.from({ length: 4 }, (_, i): Deed => ({ ...thief, code: 'INSUFFICIENT_SCOPE', denied: [foreignScopes[(age * 4 + i) % 12] as string], count: 2 }))] : [];
    case 'dormant, then used elsewhere': return every(2, 24) ? [{ ...thief, count: modest() }] : [];
    case 'old secret elsewhere': return every(3, 24) ? [{ ...thief, code: 'REVOKED', generation: 1, count: 2 }] : [];
    case 'ended token elsewhere': return every(3, 24) ? [{ ...thief, code: 'REVOKED', count: 2 }] : [];
    case 'one thief, many tokens': return every(2, 12) ? [{ ...thief, count: modest() }] : [];
    case 'exfiltration by a new caller': return every(1, 36) ? [{ ...thief, count: Math.max(60, Math.round(peak * (3 + 4 * random()))) }] : [];
    case 'modest use by a new caller': return every(2, 72) ? [{ ...thief, count: modest() }] : [];
    case 'slow scope probe from home': return every(4, 60) ? [{ network: homes[0] as string, agent, code: 'INSUFFICIENT_SCOPE', denied: [foreignScopes[(age / 4) % 12] as string], count: 1 }] : [];
    case 'known agent, new network, slow': return every(6, 144) ? [{ network: thief.network, agent, count: 2 }] : [];
    case 'new agent, neighbouring network': return every(3, 72) ? [{ network: `${wideOf(homes[0] as string)}.251.0/24`, agent: thief.agent, count: modest() }] : [];
    case 'mimicry from home': return every(3, 72) ? [{ network: homes[0] as string, agent, count: modest() }] : [];
    case 'honeytoken': return every(12, 36) ? [{ ...thief, count: 1 }] : [];
  }
}

/** When the owner no longer uses it: bait never, a dormant token from the fourth day, an ended one from its end. */
function isSilent({ family, stolenAt = 0 }: Life, slot: number): boolean {
  if (family === 'honeytoken') return true;
  if (family === 'dormant, then used elsewhere') return slot > Math.min(4 * slotsPerDay, stolenAt);
  return family === 'ended token elsewhere' && slot >= stolenAt - 6;
}

/** Traffic of one seed, in order of time. */
export function traffic(seed: number, size: Size): Traffic {
  const { subjects, teams } = subjectsOf(seed, size);
  const thiefOf = (life: Life) => {
    const group = life.family === 'one thief, many tokens' ? `${life.team}${life.stolenAt}` : String(life.index);
    const random = randomOf([...`${seed}/${group}`].reduce((hash, letter) => Math.imul(hash, 31) + letter.charCodeAt(0), 7));
    return { network: network(random), agent: pick(random, thiefAgents) };
  };
  return {
    subjects,
    * slots(): Generator<Slot> {
      const lives = subjects.map((subject) => lifeOf(seed, subject, teams.find(({ name }) => name === subject.team) as Team));
      const thieves = lives.map(thiefOf);
      for (let slot = 0; slot < slotCount; slot++) {
        const at = beginsAt + slot * slotMs;
        const uses: Use[] = [];
        const changes: Change[] = [];
        for (const life of lives) usesOf(life, thieves[life.index] as { network: string; agent: string }, slot, at, uses, changes);
        yield { at, uses, changes };
      }
    },
  };
}

function usesOf(life: Life, thief: { network: string; agent: string }, slot: number, at: number, uses: Use[], changes: Change[]): void {
  const { random, index, family, stolenAt = Infinity } = life;
  const generation = family === 'old secret elsewhere' && slot >= stolenAt - 12 ? 2 : 1;
  const use = (deed: Deed, minute: number) => uses.push({
    subject: index, at: at + minute * 60_000, code: deed.code ?? 'VALID', generation: deed.generation ?? generation, network: deed.network, agent: deed.agent,
    scopes: deed.code ? [] : [scopes[random() < 0.8 ? 0 : whole(random, 1, 3)] as string], denied: deed.denied ?? [], count: deed.count,
  });
  if (!isSilent(life, slot)) {
    for (const deed of honestUse(life, slot)) use(deed, whole(random, 0, 9));
    const deploy = deployOf(life, slot);
    if (deploy.wrongScope && slot - deploy.slot - life.lag < 12 && random() < 0.5) {
      use({ network: life.homes[0] as string, agent: deploy.agent, code: 'INSUFFICIENT_SCOPE', denied: ['orders:new'], count: whole(random, 1, 6) }, whole(random, 0, 9));
    }
  }
  if (slot === stolenAt - 12 && family === 'old secret elsewhere') changes.push({ subject: index, at, change: 'retired' });
  if (slot === stolenAt - 6 && family === 'ended token elsewhere') changes.push({ subject: index, at, change: 'revoked' });
  if (family && slot >= stolenAt) for (const deed of theft(life, family, slot - stolenAt, thief)) use(deed, whole(random, 0, 9));
}
