import type { Digest, ResponseRule } from '@writ/contracts';
import type { Db } from '@writ/messaging';

/** What the newest activated policy set lets the monitor do by itself; nothing where it does not say. */
export async function responseRules(db: Db): Promise<ResponseRule[]> {
  return (await db.query<{ rules: ResponseRule[] }>('SELECT rules FROM response'))[0]?.rules ?? [];
}

/** Takes the rules of an activation over, unless a later one is known already. */
export async function setResponse(db: Db, { activation, policyDigest, rules }: { activation: number; policyDigest: Digest; rules: readonly ResponseRule[] }): Promise<void> {
  await db.query(
    `INSERT INTO response AS r (one, activation, policy_digest, rules) VALUES (true, $1, $2, $3)
     ON CONFLICT (one) DO UPDATE SET activation = excluded.activation, policy_digest = excluded.policy_digest, rules = excluded.rules WHERE r.activation < excluded.activation`,
    [activation, policyDigest, JSON.stringify(rules)],
  );
}
