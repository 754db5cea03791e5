import type { Db } from '@writ/messaging';

/** Whether tokens are planned, or being planned, for these lead times. */
export async function isPlannedFor(db: Db, leads: readonly number[]): Promise<boolean> {
  return (await db.query('SELECT 1 FROM notice_plan WHERE leads = $1', [textOf(leads)])).length > 0;
}

/** Locks the plan. @returns the token after which to go on, the empty string from the start; undefined where there is nothing to do */
export async function lockPlan(db: Db, leads: readonly number[]): Promise<string | undefined> {
  const [plan] = await db.query<{ leads: string; reached: string | null }>('SELECT leads, reached FROM notice_plan FOR UPDATE');
  return plan?.leads === textOf(leads) ? (plan.reached ?? undefined) : '';
}

/** @param reached undefined = all of them */
export async function savePlan(db: Db, leads: readonly number[], reached: string | undefined): Promise<void> {
  await db.query('UPDATE notice_plan SET leads = $1, reached = $2', [textOf(leads), reached ?? null]);
}

function textOf(leads: readonly number[]): string {
  return [...new Set(leads)].sort((a, b) => a - b).join();
}
