import { tuningSeeds } from './frozen.js';
import { judge, watch } from './quality.js';
import { falseWords, reportOf } from './report.js';

/** Shows a watcher's work on the tuning seeds alone: `node dist/monitor/tune.js [seeds] [honest] [perFamily]`. */
const [count = '1', honest = '60', perFamily = '8'] = process.argv.slice(2);
const judged = [];
for (const seed of tuningSeeds.slice(0, Number(count))) {
  const { subjects, verdicts, records, seconds } = await watch(seed, { honest: Number(honest), perFamily: Number(perFamily) }, (line) => process.stderr.write(`${line}\n`));
  process.stderr.write(`${Math.round(records / seconds)} records/s\n`);
  judged.push(judge(subjects, verdicts));
}
const ours = { name: 'ours', judged };
process.stdout.write(`${reportOf(ours, [])}\n${falseWords(ours)}\n`);
const missed = judged.flatMap(({ outcomes }) => outcomes).filter(({ found }) => !found).map(({ family, kind }) => `missed: ${family} on ${kind}`);
process.stdout.write(`${missed.sort().join('\n')}\n`);
process.exit(0);
