/** A baseline's packed numbers, as the script in baseline.lua.ts keeps them. */
const integers = ['firstUsedAt', 'lastUsedAt', 'calls', 'minute', 'minuteCalls', 'minuteBefore', 'hour', 'hourCalls', 'awokeAt', 'sleptDays', 'minutesSeen'] as const;
const floats = ['mean', 'variance', 'highMinute', 'meanHour', 'highHour', 'denied', 'highDenied', 'networkChurn', 'agentChurn'] as const;

export type BaselineNumbers = Record<(typeof integers)[number] | (typeof floats)[number], number>;

export function packNumbers(numbers: Partial<BaselineNumbers>): { i: Buffer; v: Buffer } {
  const i = Buffer.alloc(integers.length * 4);
  const v = Buffer.alloc(floats.length * 4);
  integers.forEach((name, at) => i.writeUInt32LE(Math.min(0xffffffff, Math.floor(numbers[name] ?? 0)), at * 4));
  floats.forEach((name, at) => v.writeFloatLE(numbers[name] ?? 0, at * 4));
  return { i, v };
}

/** A network or agent: first and last use in seconds since 1970, VALID calls. */
export function packEntry(first: number, last: number, calls: number): Buffer {
  const entry = Buffer.alloc(12);
  [first, last, calls].forEach((value, at) => entry.writeUInt32LE(Math.min(0xffffffff, value), at * 4));
  return entry;
}
