import type { AlertId, AlertView, TokenId } from '@writ/contracts';
import { alertWords, narrowingWords } from './notice.js';

const owner = { id: 'svc:<!channel>', team: 'orders' };
const tokenId = 'tok_1' as TokenId;
const alert: AlertView = {
  alertId: 'alr_1' as AlertId, tokenId, owner, detector: 'new-caller', action: 'notify', explanation: 'First use by <!channel> from 203.0.113.0/24.', observedAt: '2026-06-01T12:00:00Z', state: 'open',
};

describe('a notice in a chat', () => {
  it('says what was seen and what to do about it, with nobody’s text in control of it', () => {
    expect(alertWords(alert)).toBe('Token tok_1 of svc:&lt;!channel&gt; (team orders): First use by &lt;!channel&gt; from 203.0.113.0/24. It goes on. If that was you: writ alerts dismiss alr_1 --reason …');
    expect(alertWords({ ...alert, action: 'suspend' })).toContain('writ resume tok_1');
    expect(narrowingWords({ tokenId, owner, keep: ['orders:read'], drop: ['orders:write'], unusedDays: 30 })).toBe(
      'Token tok_1 of svc:&lt;!channel&gt; (team orders) has not used orders:write for 30 days. A smaller one would do: writ narrow tok_1',
    );
  });

  it('names no owner of bait, and asks nothing where the token has ended', () => {
    expect(alertWords({ ...alert, owner: undefined })).toMatch(/^Token tok_1: /);
    const at = '2026-06-01T12:00:01Z';
    expect(alertWords({ ...alert, action: 'revoke', stop: { stoppedAt: at, refusedAt: at, afterMs: 1_000, acknowledged: 1, fenced: 0 } })).toMatch(/203\.0\.113\.0\/24\.$/);
  });
});
