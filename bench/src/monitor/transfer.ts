/**
 * Traffic of another making, with honest behaviours and attacks that no detector was tuned on: owners come in sessions
 * of heavy-tailed length instead of by the slot, over IPv4 and IPv6. Frozen before its first run; it says how the
 * detectors carry over to what they were not made for. Same seed, same traffic.
 */

import { beginsAt, days, slotMs, type Change, type Slot, type Use } from './generator.js';

export const strangeKinds = ['sessions', 'backfill', 'migration', 'traveller', 'devices', 'dual-stack', 'quarter-end', 'on-and-off'] as const;
export type StrangeKind = (typeof strangeKinds)[number];

export const strangeFamilies = {
  'smash and grab': 'blatant',
  'sweep of one thief over many owners': 'visible',
  'stolen on its first day': 'visible',
  'through a botnet': 'visible',
  'drip at night by the known agent': 'faint',
  'hidden in a deploy': 'faint',
} as const;
export type StrangeFamily = keyof typeof strangeFamilies;

export interface StrangeSubject {
  index: number;
  team: string;
  owner: string;
  kind: StrangeKind;
  family?: StrangeFamily;
  stolenAt?: number;
}

export interface StrangeTraffic {
  subjects: StrangeSubject[];
  slots: () => Generator<Slot>;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const slotsPerDay = day / slotMs;
const endsAt = beginsAt + days * day;
const libraries = ['aiohttp', 'axios', 'reqwest', 'faraday', 'guzzle', 'resty'];

type Random = () => number;

/** sfc32, Doty-Humphrey: another generator of numbers than the other traffic has. */
function randomOf(...seeds: number[]): Random {
  let [a, b, c, d] = [0x9e3779b9 ^ (seeds[0] ?? 0), 0x243f6a88 ^ (seeds[1] ?? 0), 0xb7e15162 ^ (seeds[2] ?? 0), 1];
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return (t >>> 0) / 4_294_967_296;
  };
  for (let i = 0; i < 16; i++) next();
  return next;
}
const between = (random: Random, from: number, to: number) => from + random() * (to - from);
const whole = (random: Random, from: number, to: number) => Math.floor(between(random, from, to + 1));
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
/** Heavy-tailed: most are short, some are very long. */
const pareto = (random: Random, least: number, shape: number, most: number) => Math.min(most, least / (1 - random()) ** (1 / shape));
const geometric = (random: Random, mean: number) => 1 + Math.floor(Math.log(1 - random()) / Math.log(1 - 1 / Math.max(1.01, mean)));
const network4 = (random: Random, wide = `${whole(random, 11, 223)}.${whole(random, 0, 255)}`) => `${wide}.${whole(random, 0, 255)}.0/24`;
const network6 = (random: Random) => `2001:${whole(random, 0x400, 0xfff).toString(16)}:${whole(random, 1, 0xffff).toString(16)}::/48`;
const wideOf = (net: string) => net.split('.').slice(0, 2).join('.');

/** One owner's ways. */
interface Owner {
  random: Random;
  level: number;
  gapMinutes: number;
  home: string;
  second: string;
  agent: string;
  nextAgent: string;
  turnsAt: number;
  pool: string[];
  /** Of IPv6: before and after its provider gives it another one. */
  prefixes: [string, string];
  wakes: number;
}

function ownerOf(seed: number, { index }: StrangeSubject): Owner {
  const random = randomOf(seed, index, 17);
  const home = network4(random);
  const library = pick(random, libraries);
  return {
    random, level: pareto(random, 1.2, 1.1, 60), gapMinutes: between(random, 12, 90), home, second: random() < 0.5 ? network4(random, wideOf(home)) : network4(random), agent: `${library}-${index}`,
    nextAgent: `${library}-${index}-next`, turnsAt: beginsAt + between(random, 9, 24) * day, pool: Array.from({ length: 40 }, () => network4(random)), wakes: between(random, 5, 12),
    prefixes: [network6(random), network6(random)],
  };
}

interface Moment { at: number; count: number; network: string; agent: string; code?: string; denied?: string[] }

/** Whether the owner works at this time, and how much more than usual. */
function paceOf(kind: StrangeKind, owner: Owner, at: number): number {
  const [since, ofDay, weekday] = [at - beginsAt, (at % day) / hour, Math.floor((at - beginsAt) / day) % 7];
  const daily = 0.6 + 0.4 * Math.sin(((ofDay - owner.wakes) / 24) * 2 * Math.PI);
  switch (kind) {
    case 'traveller': return weekday < 5 && ofDay > owner.wakes && ofDay < owner.wakes + 11 ? 1 : 0;
    case 'quarter-end': return since > 24 * day && since < 27 * day ? 25 * daily : daily;
    case 'on-and-off': return since < 5 * day || since > 21 * day ? daily : 0;
    case 'backfill': return Math.abs(at - owner.turnsAt) < 1.5 * hour ? between(owner.random, 40, 120) : daily;
    default: return daily;
  }
}

/** From where and by what the owner calls. */
function sourceOf(kind: StrangeKind, owner: Owner, at: number): { network: string; agent: string } {
  const { random, home, second, agent, nextAgent, turnsAt, pool, prefixes } = owner;
  switch (kind) {
    case 'migration': return at < turnsAt ? { network: home, agent } : { network: second, agent: nextAgent };
    case 'traveller': {
      const week = Math.floor((at - beginsAt) / (7 * day));
      return { network: week % 2 === 1 ? (pool[week] as string) : home, agent };
    }
    case 'devices': return { network: pool[(Math.floor((at - beginsAt) / day) + whole(random, 0, 11)) % pool.length] as string, agent };
    case 'dual-stack': return { network: random() < 0.5 ? home : prefixes[at < turnsAt ? 0 : 1], agent };
    default: return { network: home, agent };
  }
}

/** A life in sessions: a while of calls, then a pause. */
function* honestly(subject: StrangeSubject, owner: Owner): Generator<Moment> {
  const { random, level, gapMinutes } = owner;
  let at = beginsAt + random() * gapMinutes * minute;
  while (at < endsAt) {
    const until = at + pareto(random, 2, 1.2, 180) * minute;
    const source = sourceOf(subject.kind, owner, at);
    const pace = paceOf(subject.kind, owner, at);
    for (; at < until && at < endsAt; at += minute * whole(random, 1, 4)) {
      if (pace > 0 && random() < Math.min(1, pace)) yield { at, count: geometric(random, level * Math.max(1, pace)), ...(subject.kind === 'devices' ? sourceOf(subject.kind, owner, at) : source) };
    }
    at += pareto(random, gapMinutes / 3, 1.4, 12 * 60) * minute;
  }
}

/** What the thief does. Those who sweep are one and the same. */
function* thievishly(subject: StrangeSubject, owner: Owner, seed: number): Generator<Moment> {
  const { family, stolenAt = 0 } = subject;
  const random = randomOf(seed, family === 'sweep of one thief over many owners' ? 9_999 : subject.index, 99);
  const begins = beginsAt + stolenAt * slotMs;
  const thief = { network: network4(random), agent: `${pick(random, libraries)}-thief` };
  switch (family) {
    case 'smash and grab':
      for (let i = 0; i < 3; i++) yield { at: begins + i * minute, count: whole(random, 1_500, 4_000), ...thief };
      return;
    case 'sweep of one thief over many owners':
      yield { at: begins + (subject.index % 12) * 3 * minute, count: 1, ...thief };
      return;
    case 'stolen on its first day':
      for (let i = 0; i < 24; i++) yield { at: begins + i * 20 * minute, count: geometric(random, owner.level), ...thief };
      return;
    case 'through a botnet':
      for (let i = 0; i < 120; i++) yield { at: begins + i * 6 * minute, count: 2, network: network4(random), agent: thief.agent };
      return;
    case 'drip at night by the known agent':
      for (let i = 0; i < 5 * 12; i++) yield { at: begins + Math.floor(i / 12) * day + (i % 12) * 20 * minute, count: geometric(random, owner.level / 3), network: thief.network, agent: owner.agent };
      return;
    case 'hidden in a deploy':
      for (let i = 0; i < 48; i++) yield { at: begins + i * 15 * minute, count: geometric(random, owner.level), network: thief.network, agent: `team-${subject.team}-release` };
      return;
    case undefined:
  }
}

function subjectsOf(seed: number, honest: number, perFamily: number): StrangeSubject[] {
  const random = randomOf(seed, 1, 2);
  const subjects: StrangeSubject[] = [];
  const add = (family?: StrangeFamily, stolenAt?: number, team = whole(random, 0, 9)) => {
    const index = subjects.length;
    subjects.push({ index, team: `strange-${team}`, owner: `svc:strange-${index}`, kind: strangeKinds[index % strangeKinds.length] as StrangeKind, family, stolenAt });
  };
  for (let i = 0; i < honest; i++) add();
  for (const family of Object.keys(strangeFamilies) as StrangeFamily[]) {
    const together = whole(random, 15 * slotsPerDay, 22 * slotsPerDay);
    for (let i = 0; i < perFamily; i++) {
      const at = family === 'sweep of one thief over many owners' ? together : family === 'stolen on its first day' ? whole(random, slotsPerDay / 4, slotsPerDay / 2) : whole(random, 12 * slotsPerDay, 22 * slotsPerDay);
      // Where a theft hides in a deploy, half of the owner's team turns to the same agent within that hour.
      add(family, at, family === 'hidden in a deploy' ? 10 + i : undefined);
      if (family === 'hidden in a deploy') for (let k = 0; k < 3; k++) add(undefined, at, 10 + i);
    }
  }
  return subjects;
}

/** Traffic of one seed, in order of time. */
export function strangeTraffic(seed: number, { honest, perFamily }: { honest: number; perFamily: number }): StrangeTraffic {
  const subjects = subjectsOf(seed, honest, perFamily);
  const changes: Change[] = [];
  return {
    subjects: subjects.map((subject) => (subject.family ? subject : { ...subject, stolenAt: undefined })),
    * slots(): Generator<Slot> {
      const bySlot = new Map<number, Use[]>();
      for (const subject of subjects) {
        const owner = ownerOf(seed, subject);
        const deployed = subject.family === undefined && subject.stolenAt !== undefined ? beginsAt + subject.stolenAt * slotMs : Infinity;
        const moments = [...honestly(subject, owner), ...(subject.family ? thievishly(subject, owner, seed) : [])];
        for (const { at, count, network, agent, code = 'VALID', denied = [] } of moments) {
          const slot = Math.floor((at - beginsAt) / slotMs);
          const use: Use = { subject: subject.index, at: Math.floor(at / minute) * minute, code, generation: 1, network, agent: at >= deployed ? `team-${subject.team}-release` : agent, scopes: ['orders:s1'], denied, count };
          bySlot.set(slot, [...(bySlot.get(slot) ?? []), use]);
        }
      }
      for (const [slot, uses] of [...bySlot].sort(([a], [b]) => a - b)) yield { at: beginsAt + slot * slotMs, uses: uses.sort((a, b) => a.at - b.at), changes };
    },
  };
}
