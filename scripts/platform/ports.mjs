import { freePort } from '../backing/ports.mjs';
import { processes } from './services.mjs';

/**
 * Chooses where everybody listens: the well-known ports where those are wanted and free, else any. Answers {ports,
 * moved: names of those that are elsewhere than usual}.
 */
export async function choosePorts({ wellKnown }) {
  const taken = new Set();
  const ports = {};
  for (const { name, port } of processes) ports[name] = await freePort(wellKnown ? port : undefined, taken);
  return { ports, moved: processes.filter(({ name, port }) => ports[name] !== port).map(({ name }) => name) };
}
