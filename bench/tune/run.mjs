// npm run bench:tune [-- --queries 4000] [--splits 100] [--over index,qdrant] [--sets wordllama,minilm,held] [--write]
// Does the plan of tune() keep its promise, and at what price? All queries are asked once; then, split after split, one half is
// what tune() gets, and the other, which it never sees, says whether the promise held and what the cheapest plan was that
// would have kept it. Costs are those that tune() goes by, checked against searches measured afterwards.
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from '../../scripts/setup/build.mjs';
import { log, root } from '../../scripts/setup/steps.mjs';
import { withPart } from '../merge.mjs';
import { openers } from './openers.mjs';
import { loadSets } from './sets.mjs';
import { experiment } from './splits.mjs';

const { values } = parseArgs({
  options: {
    queries: { type: 'string', default: '4000' },
    splits: { type: 'string', default: '100' },
    over: { type: 'string', default: 'index,qdrant' },
    sets: { type: 'string', default: 'wordllama,minilm,held' },
    recall: { type: 'string', default: '0.99' },
    write: { type: 'boolean', default: false },
  },
});
const target = { recall: Number(values.recall), k: 10, confidence: 0.95, promise: 'mean' };
const splits = Number(values.splits);

await build();
const lines = [];
for await (const set of loadSets({ queries: Number(values.queries), keys: values.sets.split(','), log })) {
  for (const name of values.over.split(',')) {
    log(`${set.key} over ${name}`);
    const { search, close, what } = await openers[name](set);
    try {
      const found = await experiment({ search, queries: set.queries, target, splits, log });
      lines.push({ set, what, ...found });
      log(`${set.key} over ${name}: ${summary(found)}`);
    } finally {
      await close();
    }
  }
}
const text = section();
console.log(text);
if (values.write) {
  const file = join(root, 'bench', 'RESULTS.md');
  writeFileSync(file, withPart(readFileSync(file, 'utf8'), 'tune', text, '## Choosing the plan'));
}

function summary({ kept, ratios, refused }) {
  const [, median, p95, most] = ratios;
  return `${kept} of ${splits} kept, ${refused} refused; cost × cheapest: median ${median}, p95 ${p95}, most ${most}`;
}

function section() {
  const cpu = os.cpus()[0]?.model ?? 'unknown processor';
  const { recall, k, confidence } = target;
  const number = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : '–');
  const rows = lines.map(
    ({ set, what, plans, kept, refused, ratios, both, size, recall: unseen, drift, error }) =>
      `| ${set.title} | ${what} | ${plans} | **${kept}** | ${refused} | ${number(unseen, 4)} | ${number(ratios[1])} / ${number(ratios[2])} / ${number(ratios[3])} | ${number(size)} | **${both}** | ${number(100 * error, 0)} % (× ${number(drift)}) |`,
  );
  return `${new Date().toISOString().slice(0, 10)}, ${cpu}, ${os.cpus().length} cores, Node ${process.version}. Reproduce: \`npm run bench:tune\`.

The promise: mean recall@${k} of at least ${recall}, with ${100 * confidence} % confidence. All queries are asked once. Then ${splits} times half of them, drawn by chance, is what tune() gets (a half of that chooses, the other certifies), and the rest, unseen, is asked: was the promise kept, and what would the cheapest plan have cost that keeps it on just these queries? Costs are those of tune()'s model, fitted in the same run; the last column compares it with searches measured afterwards: what is wrong between plans, and how much longer all took.

| set | search | plans | promise kept, of ${splits} | refused | mean recall, unseen | cost ÷ cheapest: median / p95 / most | candidates ÷ cheapest's, median | kept and at most 1.3 ×, of ${splits} | model's median error |
| :-- | :-- | --: | --: | --: | --: | --: | --: | --: | --: |
${rows.join('\n')}

<details><summary>Predicted and measured, ms</summary>

| set | search | plan | predicted | measured |
| :-- | :-- | :-- | --: | --: |
${lines.flatMap(({ set, what, fit }) => fit.map((one) => `| ${set.key} | ${what} | ${one.label} | ${number(one.predicted, 3)} | ${number(one.measured, 3)} |`)).join('\n')}

</details>`;
}
