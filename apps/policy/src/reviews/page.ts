import { Problem } from '@writ/service';

const most = 200;
const usual = 50;

/** Reads `?limit=&cursor=`: 1 to 200 items, 50 where nothing is said. */
export function pageOf(query: Record<string, unknown>): { limit: number; cursor?: string } {
  const { limit = String(usual), cursor } = query;
  const count = typeof limit === 'string' && /^\d{1,3}$/.test(limit) ? Number(limit) : 0;
  if (count < 1 || count > most) throw refused(`limit is a whole number from 1 to ${most}.`);
  if (cursor !== undefined && (typeof cursor !== 'string' || !/^[\w:]{1,100}$/.test(cursor))) throw refused('cursor is what an answer gave as "next".');
  return { limit: count, cursor };
}

function refused(detail: string): Problem {
  return new Problem({ status: 400, code: 'bad-page', detail, remedy: 'Begin again without a cursor.' });
}
