/** Many writers of a few rows each, side by side, until it is killed. A line before each write, and one after it. */
import { writeSync } from 'node:fs';
import { FunnelIndex } from 'funnelvec/store';
import { partsOf } from '#dist/store/parts.js';
import { Random } from '../random.js';
import { type Intent, payloadOf, vectorOf } from './kill-index-model.js';

const [, , path, seed, writers, idsEach] = process.argv;
const random = new Random(Number(seed));
let version = Number(seed) * 100_000;
const say = (line: object) => void writeSync(1, `${JSON.stringify(line)}\n`);

const index = await FunnelIndex.open(path!, { threads: 1 });

/** Its ids are its own. */
async function write(writer: number): Promise<void> {
  const ownId = () => writer * Number(idsEach) + random.int(0, Number(idsEach) - 1);
  for (;;) {
    const ids = Array.from(new Set(Array.from({ length: random.int(1, 3) }, ownId)));
    const isUpsert = random.chance(0.75);
    const intent: Intent = isUpsert ? { upsert: ids.map((id) => [id, version++]) } : { delete: ids };
    say({ writer, intent });
    if ('delete' in intent) await index.delete(intent.delete);
    else await index.upsert(intent.upsert.map(([id, v]) => ({ id, vector: vectorOf(v), payload: payloadOf(v) })));
    say({ writer, commit: partsOf(index).files.generation });
    if (random.chance(0.1)) await new Promise((resolve) => setTimeout(resolve, random.int(0, 3)));
  }
}

for (let writer = 0; writer < Number(writers); writer++) void write(writer);
