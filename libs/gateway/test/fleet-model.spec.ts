import fc from 'fast-check';
import { FleetSimulation, type Coverage, type Guarantee, type Step } from './model/fleet-simulation.js';
import type { Bug } from './model/issuer-node.js';

/** One step of the simulated fleet as a fast-check command; the simulation itself holds answers against the truth. */
class StepCommand implements fc.Command<object, FleetSimulation> {
  constructor(private readonly step: Step) {}

  check(): boolean {
    return true;
  }

  run(_model: object, real: FleetSimulation): void {
    real.perform(this.step);
  }

  toString(): string {
    const { op, node, token, pick, ms, flag } = this.step;
    return `${op}(node ${node}, token ${token}, pick ${pick}, ${ms} ms, ${flag})`;
  }
}

const weights: Readonly<Record<string, number>> = {
  tick: 8, sleep: 2, 'step-wall-clock': 1, pause: 1, continue: 2, join: 1, ask: 4, apply: 1, restart: 1, leave: 1, retire: 2,
  call: 8, 'send-reads': 4, deliver: 6, 'deliver-all': 3, drop: 1, repeat: 2, tear: 1, revoke: 6, suspend: 2, resume: 1,
  'owner-epoch': 1, 'mass-epoch': 1, reissue: 5, 'restart-issuer': 1, 'new-incarnation': 1, 'read-under-way': 5, 'facts-arrive': 5, 'grant-under-way': 4, 'grants-arrive': 4, 'sync-all': 5, 'sync-others': 4, sync: 6, warm: 6,
};
// One verifier and one token get most of the attention: what breaks needs several steps about the same pair.
const command = fc.record({
  op: fc.oneof(...Object.entries(weights).map(([op, weight]) => ({ weight, arbitrary: fc.constant(op) }))),
  node: fc.constantFrom(0, 0, 0, 1, 2),
  token: fc.constantFrom(0, 0, 0, 1, 2),
  pick: fc.nat({ max: 7 }),
  // Within a lease of 648 ms, past it but not past the fence, past both.
  ms: fc.constantFrom(1, 10, 100, 300, 640, 700, 800),
  flag: fc.boolean(),
}).map((step) => new StepCommand(step));

/** Every run starts with a fleet that works, so that the steps are spent on what may break it. */
const opening: readonly Partial<Step>[] = [0, 1, 2].flatMap((node) => [{ op: 'join', node }, { op: 'deliver-all' }, { op: 'sync', node }, { op: 'warm', node, token: 0 }, { op: 'warm', node, token: 2 }]);

function check(bugs: readonly Bug[], guarantees: readonly Guarantee[], runs: number, seed: number, total: Coverage = { valid: 0, refusedAfterReturn: 0, fenced: 0, acknowledged: 0 }): fc.RunDetails<[Iterable<fc.Command<object, FleetSimulation>>]> {
  return fc.check(fc.property(fc.commands([command], { maxCommands: 120, size: 'max' }), (commands) => {
    const simulation = new FleetSimulation(new Set(bugs), guarantees);
    for (const step of opening) simulation.perform({ op: '', node: 0, token: 0, pick: 0, ms: 0, flag: false, ...step });
    try {
      fc.modelRun(() => ({ model: {}, real: simulation }), commands);
    } finally {
      for (const key of Object.keys(total) as (keyof Coverage)[]) total[key] += simulation.coverage[key];
    }
  }), { numRuns: runs, seed, endOnFailure: bugs.length > 0 });
}

const seed = Number(process.env['WRIT_MODEL_SEED'] ?? 20261123);
const runs = Number(process.env['WRIT_MODEL_RUNS'] ?? 3000);

describe('the fleet protocol, through drift, sleep, pauses, restarts and a hostile network', () => {
  it('G4 G5: tells no call VALID that began after a stop returned, and states every answer\'s freshness truthfully', () => {
    const total: Coverage = { valid: 0, refusedAfterReturn: 0, fenced: 0, acknowledged: 0 };
    const details = check([], ['G4', 'G5', 'G6'], runs, seed, total);
    if (details.failed) throw new Error(`${String(details.errorInstance)}\n${fc.defaultReportMessage(details)}`);
    // The property has met its cases, or it has shown nothing.
    for (const count of Object.values(total)) expect(count).toBeGreaterThan(runs / 10);
  });

  it('G4: answers callers straight from a read as soundly, as long as nobody joins one that has begun', () => {
    const details = check(['answers-straight'], ['G4'], 500, 7);
    if (details.failed) throw new Error(`${String(details.errorInstance)}\n${fc.defaultReportMessage(details)}`);
  });

  it.each<[Guarantee, Bug, ...Bug[]]>([
    ['G4', 'lease-from-arrival'], ['G4', 'timer-flag'], ['G4', 'joins-running-read', 'answers-straight'], ['G4', 'skips-gap'],
    ['G4', 'acknowledges-before-applying'], ['G4', 'lease-while-behind'], ['G4', 'keeps-old-read'],
    ['G4', 'trusts-one-clock'], ['G5', 'trusts-one-clock'], ['G6', 'wall-clock-expiry'], ['G4', 'lists-before-commit'], ['G4', 'forgets-retired'],
    ['G4', 'keeps-cache-over-joins'], ['G4', 'acknowledges-for-silent'], ['G5', 'keeps-old-read'], ['G5', 'skips-gap'],
  ])('%s notices the seeded bug: %s', (guarantee, ...bugs) => {
    const details = check(bugs, [guarantee], 20_000, 3);
    expect({ bugs, failed: details.failed }).toEqual({ bugs, failed: true });
  });
});
