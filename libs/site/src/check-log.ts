import { verifyLog, type TileSource, type VerifyOptions, type VerifyReport } from '@writ/tlog';
import { LogJudge, type Omission } from '../page/judge.js';

export interface LogReport extends VerifyReport {
  /** What was left out of the log before it was signed; empty when nothing was. */
  omissions: Omission[];
  /** When the newest entry was recorded, in milliseconds since 1970. */
  recordedMs: number | undefined;
}

/** Verifies a whole log as `verifyLog` does, and judges what its entries say together. */
export async function checkLog(source: TileSource, { onEntries, ...options }: VerifyOptions): Promise<LogReport> {
  let judge: LogJudge | undefined;
  const report = await verifyLog(source, {
    ...options,
    onStart: ({ origin }) => { judge = new LogJudge(origin); },
    onEntries: async (entries, first) => {
      entries.forEach((entry, i) => judge!.take(first + i, Buffer.from(entry).toString()));
      await onEntries?.(entries, first);
    },
  });
  return { ...report, omissions: judge?.findings() ?? [], recordedMs: judge?.recordedMs };
}
