/** `simulate.mjs` runs this: a day, its report as JSON at argv. */
import { writeFileSync } from 'node:fs';
import { simulate } from './simulation.js';

const [, , minutes, seed, rows, readers, file] = process.argv;
const report = await simulate({
  minutes: Number(minutes),
  seed: Number(seed),
  rows: Number(rows),
  readers: Number(readers),
  onHour: (line) => console.log(line),
});
writeFileSync(file!, JSON.stringify(report));
console.log(JSON.stringify(report.counts));
for (const fault of report.faults) console.error(fault);
process.exit(report.faults.length === 0 ? 0 : 1);
