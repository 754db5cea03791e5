import fc from 'fast-check';
import { durationText } from '@writ/contracts/durations';
import { durationInWords, parseDuration } from './duration.js';

describe('a duration', () => {
  it.each([['P1D', 86_400], ['PT4H', 14_400], ['P2W', 1_209_600], ['PT10M', 600], ['P1DT2H3M4S', 93_784], ['P1W2D', 777_600]])('reads %s', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it.each(['', 'P', 'PT', 'P1DT', 'P1M', 'P1Y', 'PT1.5H', 'P-1D', '-P1D', 'P0D', 'PT0S', '1D', 'P1H', 'p1d', 'P1D ', 'P9999999999D', 'PT4H1D'])('refuses "%s"', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('is read as it was written, for every length', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 10 ** 9 }), (seconds) => {
      expect(parseDuration(durationText(seconds))).toBe(seconds);
    }));
  });

  it('is said in words', () => {
    expect([durationInWords(86_400), durationInWords(2_592_000), durationInWords(90_061)]).toEqual(['1 day', '30 days', '1 day 1 hour 1 minute 1 second']);
  });
});
