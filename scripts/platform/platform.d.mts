export interface Reporter {
  line(text?: string): void;
  step<Result>(label: string, work: (tools: { note(text: string): void }) => Promise<Result> | Result): Promise<Result>;
}

export interface Platform {
  env: Record<string, string>;
  layout: { dir: string; backing: string; stateFile: string };
  facts: { host: string; ports: Record<string, number> };
  stop(): Promise<void>;
}

export function startPlatform(options: {
  dir: string; name: string; reporter: Reporter; wellKnown?: boolean; fresh?: boolean; tls?: boolean; replicas?: Record<string, number>;
  longestPauseMs?: number; clockSkewMs?: Record<string, number>;
}): Promise<Platform>;
