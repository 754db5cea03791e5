import { mayActivate, type ActivationFacts } from './may-activate.js';

const ada = { iss: 'https://id.example', sub: 'ada' };
const alan = { iss: 'https://id.example', sub: 'alan' };
const facts = (more: Partial<ActivationFacts>): ActivationFacts => ({ activation: 3, isActive: false, loosened: true, by: ada, ...more });

describe('who may activate a policy set (G9)', () => {
  it.each<[string, Partial<ActivationFacts>, ReturnType<typeof mayActivate>]>([
    ['the first to ask for a looser set only proposes it', {}, 'propose'],
    ['asking twice does not make two people', { proposedBy: ada }, 'wait'],
    ['nor does the same person through another provider', { proposedBy: { iss: 'https://other.example', sub: 'ada' } }, 'wait'],
    ['a second person activates it', { proposedBy: alan }, 'activate'],
    ['one person may tighten', { loosened: false }, 'activate'],
    ['one person may activate the very first set', { activation: 0 }, 'activate'],
    ['nothing happens to the set that is active', { isActive: true }, 'active-already'],
  ])('%s', (_name, more, expected) => expect(mayActivate(facts(more))).toBe(expected));
});
