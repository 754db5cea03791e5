export function exitCodeOf(sum: { passed: number; failed: number }): number;
