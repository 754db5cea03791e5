import { Problem } from '../backing/problem.mjs';

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const labelWidth = 18;
/** Where nobody watches a spinner, work that takes longer than this says so. */
const quietMs = 2_000;

/**
 * Shows work as it happens: on a terminal a spinner that becomes a tick, elsewhere plain lines.
 * Renders events, so that the process that works and the one that shows may be two.
 */
export function createTerminal(stream = process.stdout, env = process.env) {
  const live = stream.isTTY === true && env.TERM !== 'dumb';
  const coloured = live && !env.NO_COLOR;
  const paint = (code, text) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text);
  const write = (text) => stream.write(text);
  let current;

  const clear = () => { if (live && current?.drawn) write('\r\u001b[2K'); };
  const draw = () => {
    if (!live || current === undefined) return;
    const seconds = Math.floor((Date.now() - current.began) / 1000);
    const text = `  ${frames[current.frame++ % frames.length]} ${current.label.padEnd(labelWidth)}${current.note ?? ''}${seconds >= 2 ? `  ${seconds} s` : ''}`;
    write(`\r\u001b[2K${paint(36, text.slice(0, (stream.columns ?? 80) - 1))}`);
    current.drawn = true;
  };
  const line = (text) => { clear(); write(`${text}\n`); draw(); };
  const row = (mark, label, text, ms) => `  ${mark} ${label.padEnd(labelWidth)}${text}${ms >= quietMs ? paint(2, `  ${(ms / 1000).toFixed(1)} s`) : ''}`;

  const begin = ({ label }) => {
    current = { label, began: Date.now(), frame: 0 };
    current.timer = setInterval(live ? draw : () => {
      if (!current.said) write(`  … ${current.label.padEnd(labelWidth)}${current.note ?? 'working'}\n`);
      current.said = true;
    }, live ? 100 : quietMs);
    current.timer.unref?.();
    draw();
  };
  const end = (mark, { label, summary }) => {
    const ms = current === undefined ? 0 : Date.now() - current.began;
    clearInterval(current?.timer);
    clear();
    current = undefined;
    write(`${row(mark, label, summary ?? '', ms)}\n`);
  };

  return {
    paint,
    show(event) {
      switch (event.kind) {
        case 'begin': begin(event); break;
        case 'note': if (current !== undefined) { current.note = event.text; if (!live && current.said) write(`    ${event.text}\n`); } break;
        case 'done': end(paint(32, '✓'), event); break;
        case 'failed': end(paint(31, '✗'), event); break;
        default: line(event.text); break;
      }
    },
  };
}

/** The working side: `step` frames one piece of work, `line` says something between or during steps. */
export const createReporter = (show) => ({
  line: (text = '') => show({ kind: 'line', text }),
  async step(label, work) {
    show({ kind: 'begin', label });
    try {
      const result = await work({ note: (text) => show({ kind: 'note', text }) });
      show({ kind: 'done', label, summary: typeof result === 'string' ? result : result?.summary });
      return result;
    } catch (error) {
      show({ kind: 'failed', label, summary: '' });
      throw error;
    }
  },
});

/** What a person needs of an error: a Problem speaks for itself, anything else is a fault of ours and shows where. */
export const errorText = (error) => (error instanceof Problem || error.name === 'Problem' ? error.message : error.stack ?? String(error));
