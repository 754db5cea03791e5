const form = /^P(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$/;
const unitSeconds = [604_800, 86_400, 3_600, 60, 1];

/**
 * Reads an ISO 8601 duration of weeks, days, hours, minutes and seconds. Months and years have no fixed length and are
 * refused, as are zero, fractions and an empty `P` or `T`. Undefined when the text is none.
 */
export function parseDuration(text: string): number | undefined {
  const parts = form.exec(text);
  if (!parts || /[PT]$/.test(text)) return undefined;
  const seconds = unitSeconds.reduce((sum, unit, i) => sum + unit * Number(parts[i + 1] ?? 0), 0);
  return seconds > 0 && Number.isSafeInteger(seconds) ? seconds : undefined;
}

/** Writes seconds as the shortest ISO 8601 duration of days, hours, minutes and seconds. */
export function formatDuration(seconds: number): string {
  let rest = seconds;
  const take = (unit: number, letter: string): string => {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    return count > 0 ? `${count}${letter}` : '';
  };
  const days = take(86_400, 'D');
  const clock = take(3_600, 'H') + take(60, 'M') + take(1, 'S');
  return clock ? `P${days}T${clock}` : `P${days || 'T0S'}`;
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
