import { durationSeconds } from '@writ/contracts/durations';

/** Reads a duration as policies write them: none has no length. Undefined when the text is none. */
export function parseDuration(text: string): number | undefined {
  const seconds = durationSeconds(text);
  return seconds !== undefined && seconds > 0 ? seconds : undefined;
}

/** Says a length of time in words: "30 days", "1 day 12 hours". */
export function durationInWords(seconds: number): string {
  const words: string[] = [];
  let rest = seconds;
  for (const [unit, name] of [[86_400, 'day'], [3_600, 'hour'], [60, 'minute'], [1, 'second']] as const) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0) words.push(`${count} ${name}${count === 1 ? '' : 's'}`);
  }
  return words.join(' ') || '0 seconds';
}
