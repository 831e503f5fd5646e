// Rows of files into an index, batch by batch, and going on where a run was cut off. Here they are CSV; Parquet, Arrow, HDF5,
// SQLite and others are read by the same calls.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeFile, importFile, readRows } from 'funnelvec/files';
import { FunnelIndex } from 'funnelvec/store';

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-example-'));
const file = join(folder, 'films.csv');
const lines = Array.from({ length: 1000 }, (_, i) => `tt${i},${1925 + (i % 100)},"[${i % 7}, ${i % 11}, 1]"`);
writeFileSync(file, ['imdb,year,embedding', ...lines].join('\n'));

const { format, columns } = await describeFile(file);
console.log(format, columns.map(({ name }) => name).join(' '));
// => csv imdb year embedding

const options = { vector: 'embedding', id: 'imdb', numbers: ['year'], batch: 250 };
const index = await FunnelIndex.create(':memory:', { dim: 3 });

// A run that ends after two batches. It keeps how far it came, as JSON.
const mark = join(folder, 'position.json');
let batches = 0;
for await (const { rows, position } of readRows(file, options)) {
  await index.upsert(rows);
  writeFileSync(mark, JSON.stringify(position));
  if (++batches === 2) break;
}
console.log(index.count, 'rows');
// => 500 rows

// Another goes on from there. importFile() is the loop above, and reads the next batch while one is written.
const from = JSON.parse(readFileSync(mark, 'utf8'));
const { count } = await importFile(index, file, { ...options, from });
console.log(count, 'more,', index.count, 'in all');
// => 500 more, 1000 in all

const { hits } = await index.query({ vector: [6, 10, 1], limit: 1, withPayload: true });
console.log(hits[0]?.id, hits[0]?.payload);
// => tt76 { year: 2001 }

await index.close();
rmSync(folder, { recursive: true });
