/** The 95 % interval of Wilson (1927) for so many hits among so many trials. */
export function wilson(hits: number, trials: number): [low: number, high: number] {
  if (trials === 0) return [0, 1];
  const z = 1.959964;
  const share = hits / trials;
  const centre = (share + (z * z) / (2 * trials)) / (1 + (z * z) / trials);
  const half = (z / (1 + (z * z) / trials)) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}
