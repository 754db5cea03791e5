import { Problem } from '../backing/problem.mjs';
import { errorText } from './terminal.mjs';

/** Each command loads only what it needs. */
const commands = {
  start: () => import('./start.mjs'),
  dev: () => import('./start.mjs'),
  stop: () => import('./stop.mjs'),
  test: () => import('./test.mjs'),
  check: () => import('./test.mjs'),
  soak: () => import('./test.mjs'),
  'test-tls': () => import('./test.mjs'),
  parked: () => import('./parked.mjs'),
  bench: () => import('./bench.mjs'),
  writ: () => import('./writ.mjs'),
};

// Whoever reads our output may leave before we are done.
process.stdout.on('error', (error) => { if (error.code !== 'EPIPE') throw error; });

const [name, ...args] = process.argv.slice(2);
try {
  if (!Object.hasOwn(commands, name ?? '')) throw new Problem('There is no such command.', `There are: ${Object.keys(commands).join(', ')}.`);
  const command = await commands[name]();
  process.exitCode = await command.run({ name, args }) ?? 0;
} catch (error) {
  process.stderr.write(`\n${errorText(error)}\n`);
  process.exitCode = 1;
}
