export interface Process {
  name: string;
  port: number;
  entry: string;
  migrate?: string;
  needs: string[];
  signs?: string[];
  keeps?: string[];
}

export const processes: Process[];
export const nodeFlags: string[];
export const nodeEnvironment: Record<string, string>;
export const roleGroups: Record<string, string[]>;
export const audience: string;
export const identitySystems: string[];
export const withDatabase: string[];
export function processOf(name: string): Process | undefined;
export function variableNames(process: Process): string[];
export function environmentOf(process: Process, facts: Record<string, unknown>): Record<string, string>;
