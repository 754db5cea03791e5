/**
 * Lays byte strings end to end, with the place of each as `substr` of PostgreSQL counts. One binary parameter for many
 * values spares their hexadecimal detour through an array.
 */
export function packed(parts: readonly Uint8Array[]): { bytes: Buffer; places: { at: number; length: number }[] } {
  let at = 1;
  const places = parts.map(({ length }) => {
    const place = { at, length };
    at += length;
    return place;
  });
  return { bytes: Buffer.concat(parts), places };
}
