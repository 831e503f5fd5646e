// An embedded index: vectors in files of yours, searched in this process. On disk it needs the package lmdb.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FunnelIndex } from 'funnelvec/store';

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-example-'));
const path = join(folder, 'movies');

const index = await FunnelIndex.create(path, { dim: 8 });
await index.upsert([
  { id: 'alien', vector: [0.9, 0.1, 0.3, 0.1, 0.7, 0.2, 0.1, 0.4], payload: { year: 1979 } },
  { id: 'aliens', vector: [0.8, 0.2, 0.3, 0.1, 0.6, 0.4, 0.1, 0.3], payload: { year: 1986 } },
  { id: 'amelie', vector: [0.1, 0.9, 0.4, 0.3, 0.1, 0.2, 0.8, 0.1], payload: { year: 2001 } },
  { id: 'brazil', vector: [0.7, 0.4, 0.1, 0.6, 0.3, 0.1, 0.4, 0.2], payload: { year: 1985 } },
]);
await index.close(); // what was written is on disk: another process may open it

const again = await FunnelIndex.open(path, { readOnly: true });
const vector = [0.9, 0.1, 0.3, 0.1, 0.7, 0.1, 0.1, 0.5];

// Mode 'exact' is the answer of a scan, with a proof that no other row belongs to it.
const exact = await again.query({ vector, limit: 2, mode: 'exact', withPayload: true });
for (const { id, score, payload } of exact.hits) console.log(id, score.toFixed(4), payload);
console.log('certified:', exact.stats.certified);
// => alien 0.9941 { year: 1979 }
// => aliens 0.9520 { year: 1986 }
// => certified: true

const eighties = { must: [{ key: 'year', range: { gte: 1980, lt: 1990 } }] };
const filtered = await again.query({ vector, limit: 3, filter: eighties });
console.log(filtered.hits.map(({ id }) => id));
console.log(await again.countMatching({ filter: eighties }));
// => [ 'aliens', 'brazil' ]
// => 2

await again.close();
rmSync(folder, { recursive: true });
