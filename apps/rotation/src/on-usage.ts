import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { nameFrom } from './advance.js';
import { keyOf, openRotation, progressOf, recordSightings, type Sighting } from './rotation.store.js';

/** Finds out who still shows a secret that is being replaced. */
@MessageHandler()
export class OnUsage {
  @On('usage.recorded')
  async handle({ data }: Message<'usage.recorded'>, tx: Tx<'rotation'>): Promise<void> {
    const sightings = new Map<string, Sighting>();
    await Promise.all(data.records.map(async ({ tokenId, generation, code, gateway, network = '', agent = '', count, lastAt }) => {
      if (tokenId === undefined || generation === undefined || code !== 'VALID') return;
      const rotation = await tx.db.one(openRotation, tokenId);
      // Before the successor was delivered everybody uses the old secret, and rightly.
      if (!rotation || rotation.generation === null || generation >= rotation.generation || !rotation.delivered_at || new Date(lastAt) < rotation.delivered_at) return;
      const sighting = { rotationId: rotation.rotation_id, gateway, network, agent, lastSeenAt: lastAt, count, lookAt: nameFrom(progressOf(rotation)) };
      const before = sightings.get(keyOf(sighting));
      sightings.set(keyOf(sighting), before ? { ...sighting, count: before.count + count, lastSeenAt: before.lastSeenAt > lastAt ? before.lastSeenAt : lastAt } : sighting);
    }));
    if (sightings.size > 0) await recordSightings(tx.db, [...sightings.values()]);
  }
}
