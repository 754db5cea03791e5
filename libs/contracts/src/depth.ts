/** Nothing that is exchanged nests deeper than a dozen levels; what digests and checks it does so by recursion. */
export const maxDepth = 32;

/** Whether a parsed JSON value nests deeper than anything that is exchanged. */
export function isTooDeep(value: unknown, levels = maxDepth): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  return levels === 0 || Object.values(value).some((inner) => isTooDeep(inner, levels - 1));
}
