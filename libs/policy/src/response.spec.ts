import { load, sampleFiles, smallFiles, readInDev } from '../test/sets.js';
import { loosening } from './loosening.js';

const withRules = (rules: string) => load({ ...smallFiles(readInDev), 'response.yaml': `rules:\n${rules}` });
const stop = '  - { id: stop, reason: thieves, detectors: [rate], most: suspend }\n';

describe('what a set lets the monitor do', () => {
  it('is nothing that the set does not say', () => {
    expect(load(smallFiles(readInDev)).response).toBeUndefined();
  });

  it('names scopes where its author names tiers', () => {
    expect(withRules('  - { id: a, reason: r, tiers: [write, admin], most: notify }\n').response).toEqual([{ id: 'a', reason: 'r', most: 'notify', scopes: ['orders:write', 'orders:admin'] }]);
  });

  it('is shown by the sample set', () => {
    expect(load(sampleFiles).response?.map(({ id, most }) => `${id} ${most}`)).toEqual(['thieves-are-stopped suspend', 'billing-closes-its-books notify']);
  });

  it('takes a second person to change in either direction', () => {
    const [with1, without, weaker] = [withRules(stop), load(smallFiles(readInDev)), withRules(stop.replace('suspend', 'note'))];
    expect(loosening(with1, withRules(stop)).loosened).toBe(false);
    for (const [active, draft] of [[without, with1], [with1, without], [with1, weaker], [weaker, with1]] as const) {
      expect(loosening(active, draft)).toEqual({ loosened: true, statement: 'What the monitor may do by itself changes.' });
    }
  });
});
