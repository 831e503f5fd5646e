/**
 * Writes to the FunnelIndex at argv[2], and optimises it, until it is killed. A line before each write, one after it, and one
 * after all else that it did.
 */
import { writeSync } from 'node:fs';
import { FunnelIndex } from 'funnelvec/store';
import { extend } from '#dist/store/builds.js';
import type { OpenIndex } from '#dist/store/open-index.js';
import { partsOf } from '#dist/store/parts.js';
import { Random } from '../random.js';
import { DIM, type Did, type Intent, payloadOf, vectorOf } from './kill-index-model.js';

const [, , path, seed] = process.argv;
const random = new Random(Number(seed));
let version = Number(seed) * 1000;
const say = (line: Intent | Did | null) => void writeSync(1, `${JSON.stringify(line)}\n`);

const index = await FunnelIndex.open(path!, { autoOptimize: false, threads: 1 });
say(null);
// Under way all the time, beside the writes: builds, and codes beside the last one for rows that came since.
const optimise = async (): Promise<void> => {
  for (;;) {
    if (partsOf(index).live.segments.length === 0 || random.chance(0.3)) await index.optimize();
    else await extend(partsOf(index) as OpenIndex, () => {});
    say({ did: index.stats().extended > 0 ? 'extend' : 'optimize' });
    await new Promise((resolve) => setTimeout(resolve, random.int(0, 5)));
  }
};
void optimise();
// And payload indexes come and go.
const reindex = async (): Promise<void> => {
  for (;;) {
    await index.createPayloadIndex('n', 'integer');
    await index.createPayloadIndex('tags', 'keyword');
    await index.createPayloadIndex('when', 'datetime');
    say({ did: 'index' });
    if (random.chance(0.3)) await index.deletePayloadIndex(random.pick(['n', 'tags', 'when']));
    await new Promise((resolve) => setTimeout(resolve, random.int(0, 40)));
  }
};
void reindex();
for (;;) {
  if (random.chance(0.7)) {
    const entries = Array.from(
      new Set(Array.from({ length: random.int(1, 60) }, () => random.int(0, 400))),
      (id): [number, number] => [id, version++],
    );
    say({ upsert: entries });
    const vectors = new Float32Array(entries.length * DIM);
    entries.forEach(([, v], i) => {
      vectors.set(vectorOf(v), i * DIM);
    });
    const payloads = entries.map(([, v]) => payloadOf(v));
    await index.upsert({ ids: entries.map(([id]) => id), vectors, payloads });
  } else {
    const ids = Array.from({ length: random.int(1, 40) }, () => random.int(0, 400));
    say({ delete: ids });
    await index.delete(ids);
  }
  say(null);
}
