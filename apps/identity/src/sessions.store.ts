import type { Adapter, AdapterPayload } from 'oidc-provider';

interface Kept {
  payload: AdapterPayload;
  expiresAt: number;
}

const maximumKept = 10_000;

/** Everything the provider remembers, in memory: a restart signs everybody out and nothing else. */
export function createSessions(): (model: string) => Adapter {
  const kept = new Map<string, Kept>();
  return (model) => sessionsOf(model, kept);
}

function sessionsOf(model: string, kept: Map<string, Kept>): Adapter {
  const key = (id: string): string => `${model}:${id}`;
  const alive = (id: string): AdapterPayload | undefined => {
    const found = kept.get(id);
    return found !== undefined && found.expiresAt > Date.now() ? found.payload : undefined;
  };
  const search = (matches: (payload: AdapterPayload) => boolean): AdapterPayload | undefined => {
    for (const id of kept.keys()) {
      const payload = id.startsWith(`${model}:`) ? alive(id) : undefined;
      if (payload !== undefined && matches(payload)) return payload;
    }
    return undefined;
  };
  return {
    async upsert(id, payload, expiresIn) {
      kept.set(key(id), { payload, expiresAt: expiresIn === undefined ? Infinity : Date.now() + expiresIn * 1000 });
      if (kept.size > maximumKept) dropOldest(kept);
    },
    async find(id) { return alive(key(id)); },
    async findByUid(uid) { return search((payload) => payload.uid === uid); },
    async findByUserCode(userCode) { return search((payload) => payload.userCode === userCode); },
    async consume(id) {
      const payload = alive(key(id));
      if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
    },
    async destroy(id) { kept.delete(key(id)); },
    async revokeByGrantId(grantId) {
      for (const [id, { payload }] of kept) if (id.startsWith(`${model}:`) && payload.grantId === grantId) kept.delete(id);
    },
  };
}

function dropOldest(kept: Map<string, Kept>): void {
  const now = Date.now();
  for (const [id, { expiresAt }] of kept) if (expiresAt <= now || kept.size > maximumKept) kept.delete(id);
}
