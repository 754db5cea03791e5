const pattern = /^P(?=\d|T\d)(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$/;
const unitSeconds = [604_800, 86_400, 3_600, 60, 1] as const;

/**
 * Reads an ISO 8601 duration of weeks, days, hours, minutes and seconds.
 * Months and years have no fixed length and are refused.
 * @returns whole seconds, or undefined where the text is no such duration
 */
export function durationSeconds(text: string): number | undefined {
  const match = pattern.exec(text);
  if (!match) return undefined;
  return unitSeconds.reduce((sum, seconds, i) => sum + seconds * Number(match[i + 1] ?? 0), 0);
}

/** Writes whole seconds as the shortest exact ISO 8601 duration of days, hours, minutes and seconds. */
export function durationText(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const parts = [Math.floor((seconds % 86_400) / 3_600), Math.floor((seconds % 3_600) / 60), Math.floor(seconds % 60)];
  const time = parts.map((n, i) => (n > 0 ? `${n}${'HMS'[i]}` : '')).join('');
  if (days === 0 && time === '') return 'PT0S';
  return `P${days > 0 ? `${days}D` : ''}${time === '' ? '' : `T${time}`}`;
}
