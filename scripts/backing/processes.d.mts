export interface ProcessRecord {
  name: string;
  pid: number;
  startedAt: string | undefined;
  stopSignal?: NodeJS.Signals;
}

export interface Launch {
  name: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  logFile: string;
  account?: { uid?: number; gid?: number };
  stopSignal?: NodeJS.Signals;
}

export function startedAt(pid: number): string | undefined;
export function self(): ProcessRecord;
export function isAlive(record: ProcessRecord | null | undefined): boolean;
export function launch(options: Launch): ProcessRecord;
export function endAll(records: ProcessRecord[], graceMs?: number): Promise<void>;
export function untilReady(ready: () => unknown, options: { records?: ProcessRecord[]; withinMs: number; everyMs?: number }): Promise<'ready' | 'died' | 'late'>;
export function tailOf(file: string, lines?: number): string;
