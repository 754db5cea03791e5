import { beginsAt, type Slot } from './generator.js';
import type { Verdict } from './quality.js';

const dayMs = 86_400_000;
/** What a team would write on the first afternoon. */
const limitPerMinute = 300;

/** Two watchers without memory to speak of: a fixed limit, and "never seen from there". Each once per token and day. */
export function simpleWatchers(slots: () => Generator<Slot>): { fixedLimit: Verdict[]; firstSeen: Verdict[] } {
  const fixedLimit = new Map<string, Verdict>();
  const firstSeen = new Map<string, Verdict>();
  const seen = new Set<string>();
  for (const { uses } of slots()) {
    for (const { subject, at, count, network, code } of uses) {
      const key = `${subject} ${Math.floor((at - beginsAt) / dayMs)}`;
      if (count > limitPerMinute && !fixedLimit.has(key)) fixedLimit.set(key, { subject, at, action: 'notify', detector: 'fixed-limit' });
      const place = `${subject} ${network}`;
      const isNew = !seen.has(place);
      seen.add(place);
      if (isNew && at - beginsAt > dayMs && !firstSeen.has(key) && code !== 'SUSPENDED') firstSeen.set(key, { subject, at, action: 'notify', detector: 'first-seen-network' });
    }
  }
  return { fixedLimit: [...fixedLimit.values()], firstSeen: [...firstSeen.values()] };
}
