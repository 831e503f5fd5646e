// npm run simulate [-- --minutes 20 --seed 1 --rows 40000 --readers 2 --out build/simulation --write --no-setup]
// A day of an application in so many minutes (simulation.ts). Writes <out>.json and a plot, <out>.svg. Ends with 1 when
// something was lost, wrong or late for good, or has grown. --write puts both into bench.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { withPart } from '../../bench/merge.mjs';
import { setup } from '../../scripts/setup/setup.mjs';
import { log, root } from '../../scripts/setup/steps.mjs';
import { plotOf } from './plot.mjs';
import { sectionOf } from './section.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    rows: { type: 'string', default: '40000' },
    readers: { type: 'string', default: '2' },
    out: { type: 'string', default: join(root, 'build', 'simulation') },
    write: { type: 'boolean' },
    'no-setup': { type: 'boolean' },
  },
});
for (const name of ['minutes', 'seed', 'rows', 'readers']) {
  const value = Number(values[name]);
  if (!(value > 0) || (name !== 'minutes' && !Number.isInteger(value))) {
    log(`--${name} takes a number above 0`);
    process.exit(2);
  }
}
if (!values['no-setup']) await setup({ withServers: false });
mkdirSync(dirname(values.out), { recursive: true });
const file = join(root, 'build', 'test', 'simulation', 'main.js');
const args = [values.minutes, values.seed, values.rows, values.readers, `${values.out}.json`];
const child = spawn(process.execPath, [file, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
const code = await new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)));
const report = JSON.parse(readFileSync(`${values.out}.json`, 'utf8'));
writeFileSync(`${values.out}.svg`, plotOf(report));
log(`wrote ${values.out}.json and .svg`);
if (values.write) {
  const results = join(root, 'bench', 'RESULTS.md');
  const text = readFileSync(results, 'utf8');
  writeFileSync(results, withPart(text, 'simulation', sectionOf(report), '## A simulated day'));
  writeFileSync(join(root, 'bench', 'plots', 'simulation.svg'), plotOf(report));
  log('wrote the section of bench/RESULTS.md and its plot');
}
process.exit(code);
