import fc from 'fast-check';
import { geoFactsOf, type Place, type Whereabouts } from './geo.js';

const now = 1_790_000_000;
const wellington: Place = { country: 'NZ', continent: 'OC', latitude: -41.3, longitude: 174.8, asn: 9500 };
const berlin: Place = { country: 'DE', continent: 'EU', latitude: 52.5, longitude: 13.4, asn: 3320 };
const paris: Place = { country: 'FR', continent: 'EU', latitude: 48.9, longitude: 2.4 };
const used = (place: Place, minutesAgo: number): Whereabouts => ({ place, lastAt: now - minutesAgo * 60 });

describe('where a token is used from', () => {
  it('says how far it came in which time, where nobody moves so fast', () => {
    expect(geoFactsOf(berlin, [used(wellington, 30)], now)).toEqual({ country: 'DE', known: ['NZ'], operator: { asn: 3320, known: false }, travel: { from: 'NZ', kilometres: expect.any(Number), minutes: 30 } });
    expect(geoFactsOf(berlin, [used(wellington, 30)], now)?.travel?.kilometres).toBeGreaterThan(17_000);
  });

  it.each<[string, Place, Whereabouts[]]>([
    ['a day’s journey', berlin, [used(wellington, 24 * 60)]],
    ['a flight to the neighbours', paris, [used(berlin, 60)]],
    ['the same country', { ...wellington, latitude: 60 }, [used(wellington, 1)]],
    ['a country that it is used from at the same time anyway', berlin, [used(wellington, 5), used({ country: 'DE', asn: 7 }, 600)]],
    ['countries of one continent, of which no more is known', { country: 'FR', continent: 'EU' }, [used({ country: 'DE', continent: 'EU' }, 1)]],
  ])('is no wonder after %s', (_what, here, before) => {
    expect(geoFactsOf(here, before, now)?.travel).toBeUndefined();
  });

  it('takes continents for far apart where only countries are known', () => {
    expect(geoFactsOf({ country: 'BR', continent: 'SA' }, [used({ country: 'NZ', continent: 'OC' }, 60)], now)?.travel).toEqual({ from: 'NZ', kilometres: 3_000, minutes: 60 });
    expect(geoFactsOf({ country: 'BR', continent: 'SA' }, [used({ country: 'NZ', continent: 'OC' }, 240)], now)?.travel).toBeUndefined();
  });

  it('says nothing where the files know nothing', () => {
    expect(geoFactsOf(undefined, [used(berlin, 1)], now)).toBeUndefined();
    expect(geoFactsOf(berlin, [used({ asn: 1 }, 1)], now)).toBeUndefined();
    expect(geoFactsOf({ asn: 1 }, [used(berlin, 1)], now)).toBeUndefined();
  });

  it('never finds a journey without a distance and a new country, for every two places', () => {
    const place = fc.record({ country: fc.constantFrom('NZ', 'DE', 'BR'), continent: fc.constantFrom('OC', 'EU'), latitude: fc.double({ min: -90, max: 90, noNaN: true }), longitude: fc.double({ min: -180, max: 180, noNaN: true }) });
    fc.assert(fc.property(place, place, fc.integer({ min: -60, max: 10_000 }), (here, there, minutes) => {
      const { travel } = geoFactsOf(here, [used(there, minutes)], now) as { travel?: { kilometres: number; minutes: number } };
      return travel === undefined || (here.country !== there.country && travel.kilometres > 500 && travel.kilometres / travel.minutes > 1_000 / 60);
    }));
  });
});
