import type { Db } from '@writ/messaging';

/** The lead times in seconds that tokens are planned for, or are being planned for: those of the replica that started last. */
export async function plannedLeads(db: Db): Promise<number[]> {
  return (await db.query<{ leads: number[] }>('SELECT leads FROM notice_plan'))[0]?.leads ?? [];
}

/** Locks the plan. @returns the token after which to go on, the empty string from the start; undefined where there is nothing to do */
export async function lockPlan(db: Db, leads: readonly number[]): Promise<string | undefined> {
  const [plan] = await db.query<{ leads: number[]; reached: string | null }>('SELECT leads, reached FROM notice_plan FOR UPDATE');
  return String(plan?.leads) === String(inOrder(leads)) ? (plan?.reached ?? undefined) : '';
}

/** @param reached undefined = all of them */
export async function savePlan(db: Db, leads: readonly number[], reached: string | undefined): Promise<void> {
  await db.query('UPDATE notice_plan SET leads = $1, reached = $2', [inOrder(leads), reached ?? null]);
}

function inOrder(leads: readonly number[]): number[] {
  return [...new Set(leads)].sort((a, b) => a - b);
}
