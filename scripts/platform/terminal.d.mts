export type ShownEvent =
  | { kind: 'begin' | 'failed'; label: string }
  | { kind: 'done'; label: string; summary?: string }
  | { kind: 'note' | 'line'; text: string };

export interface Sink {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

export function createTerminal(stream?: Sink, env?: Record<string, string | undefined>): { paint(code: number, text: string): string; show(event: ShownEvent): void };
export function createReporter(show: (event: ShownEvent) => void): {
  line(text?: string): void;
  step<T>(label: string, work: (tools: { note(text: string): void }) => T | Promise<T>): Promise<T>;
};
export function errorText(error: unknown): string;
