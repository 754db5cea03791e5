export function alone<T>(dir: string, work: () => T | Promise<T>, options?: { waitMs?: number; file?: string }): Promise<T>;
