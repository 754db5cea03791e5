/** A class of the issuer whose method is taken out of it, and what stands there meanwhile. */
export type Part = readonly [door: { prototype: object }, method: string, instead: () => unknown];

/** A class of the issuer or of a library, as the issuer's process has it. */
export async function classOf(folder: string, file: string, name: string): Promise<{ prototype: object }> {
  const module = (await import(new URL(`../../../${folder}/dist/${file}`, import.meta.url).href)) as Record<string, { prototype: object }>;
  return module[name] as { prototype: object };
}

/** Each SIGUSR2 takes these parts out of the process that this runs in, or puts them back. No file of the issuer knows of it. */
export function switchOnSignal(parts: readonly Part[]): void {
  const real = parts.map(([{ prototype }, method]) => (prototype as Record<string, unknown>)[method]);
  let isOut = false;
  process.on('SIGUSR2', () => {
    isOut = !isOut;
    for (const [i, [{ prototype }, method, instead]] of parts.entries()) (prototype as Record<string, unknown>)[method] = isOut ? instead : real[i];
  });
}
