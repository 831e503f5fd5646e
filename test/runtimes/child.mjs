// Other processes at the index of probe.mjs: one that reads what is written meanwhile, one that writes until it is killed.
import { createInterface } from 'node:readline';
import { FunnelIndex } from 'funnelvec/store';

const [what, path] = process.argv.slice(2);
if (what === 'read') {
  const index = await FunnelIndex.open(path, { readOnly: true });
  console.log(index.count);
  for await (const _ of createInterface({ input: process.stdin })) break;
  await index.query({ vector: Array.from({ length: index.dim }, (_, d) => d) }); // a search is of the newest commit
  console.log(index.count);
  await index.close();
  process.exit(0);
}
const index = await FunnelIndex.open(path);
for (let i = 1; i <= 100_000; i++) {
  await index.upsert([{ id: `written ${i}`, vector: Array.from({ length: index.dim }, (_, d) => (i + d) % 7) }]);
  console.log(i);
}
