// A mirror of a collection: the database sends ids only, and the vectors come from an index in this process. An index stands
// in for the database here; qdrantSource() and milvusSource() go in its place.
import { FunnelSearch } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';

const dim = 32;
const vectorOf = (row) => Float32Array.from({ length: dim }, (_, d) => Math.sin(row * (d + 1) + d) / (1 + d / 4));
const rows = Array.from({ length: 500 }, (_, id) => ({ id, vector: vectorOf(id) }));

const database = await FunnelIndex.create(':memory:', { dim });
await database.upsert(rows);
const source = embeddedSource(database, { head: 8 });

const mirror = await FunnelIndex.create(':memory:', { dim });
const synced = await mirror.syncFrom(source); // again later, for what has changed
console.log(`${synced.written} rows written, ${mirror.stats().count} in the mirror`);
// => 500 rows written, 500 in the mirror

const plan = { head: 8, candidates: 64, scales: [16, dim], keep: 0.5 };
const search = new FunnelSearch({ source, mirror, plan });
const { hits, stats } = await search.query({ vector: vectorOf(42), limit: 3 });
console.log(`best: ${hits[0].id}; ${stats.mirror.found} vectors from the mirror, ${stats.mirror.fetched} fetched`);
// => best: 42; 64 vectors from the mirror, 0 fetched

await mirror.close();
await database.close();
