import { tuningSeeds } from './frozen.js';
import { beginsAt, families, slotMs, traffic } from './generator.js';
import { judge, watch } from './quality.js';
import { falseWords, reportOf } from './report.js';

/** Shows a watcher's work on the tuning seeds alone: `node dist/monitor/tune.js [seeds] [honest] [perFamily]`. */
const [count = '1', honest = '60', perFamily = '8'] = process.argv.slice(2);
const judged = [];
const missed: string[] = [];
for (const seed of tuningSeeds.slice(0, Number(count))) {
  const { subjects, slots } = traffic(seed, { honest: Number(honest), perFamily: Number(perFamily) });
  const { verdicts, records, seconds } = await watch(seed, { subjects, slots }, (line) => process.stderr.write(`${line}\n`));
  process.stderr.write(`${Math.round(records / seconds)} records/s\n`);
  const one = judge(subjects, verdicts);
  judged.push(one);
  const stolen = subjects.filter(({ family }) => family);
  one.outcomes.forEach(({ found, family, kind }, i) => {
    const of = stolen[i];
    const notes = verdicts.filter(({ subject, at }) => of && subject === of.index && at >= beginsAt + (of.stolenAt ?? 0) * slotMs).map(({ detector, action }) => `${detector} ${action}`);
    if (!found) missed.push(`missed: ${family} on ${kind} (${[...new Set(notes)].join(', ')})`);
  });
}
const ours = { name: 'ours', judged };
process.stdout.write(`${reportOf(families, ours, [])}\n${falseWords(ours)}\n`);
process.stdout.write(`${missed.sort().join('\n')}\n`);
process.exit(0);
