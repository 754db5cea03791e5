import { createReporter, createTerminal, errorText } from './terminal.mjs';
import { Problem } from '../backing/problem.mjs';

function shown(sink: { isTTY?: boolean; columns?: number }, env: Record<string, string | undefined> = {}) {
  let text = '';
  const terminal = createTerminal({ ...sink, write: (more: string) => { text += more; } }, env);
  return { reporter: createReporter(terminal.show), text: () => text };
}

describe('what is shown', () => {
  it('is plain lines where nobody watches', async () => {
    const { reporter, text } = shown({ isTTY: false });
    await reporter.step('build', () => 'up to date');
    await reporter.step('databases', () => ({ summary: '6 databases, migrated' }));
    reporter.line('ready');
    expect(text()).toBe('  ✓ build             up to date\n  ✓ databases         6 databases, migrated\nready\n');
  });

  it('has colours on a terminal and none where NO_COLOR is set', async () => {
    const coloured = shown({ isTTY: true, columns: 80 });
    await coloured.reporter.step('build', () => 'up to date');
    expect(coloured.text()).toContain('\u001b[32m✓');
    const plain = shown({ isTTY: true, columns: 80 }, { NO_COLOR: '1' });
    await plain.reporter.step('build', () => 'up to date');
    expect(plain.text()).not.toContain('\u001b[3');
  });

  it('marks the step that failed and hands the error on', async () => {
    const { reporter, text } = shown({ isTTY: false });
    await expect(reporter.step('broker', () => { throw new Problem('It refuses.', 'Ask it nicely.'); })).rejects.toThrow('It refuses. Ask it nicely.');
    expect(text()).toContain('✗ broker');
  });

  it('keeps the stack of a fault of ours and spares the reader that of a problem of theirs', () => {
    expect(errorText(new Problem('No port.', 'Free one.'))).toBe('No port. Free one.');
    expect(errorText(new Error('oops'))).toContain('terminal.spec');
  });
});
