/** Writes to the index at argv[2] and makes backups of it into argv[3], one after the other, until it is killed. */
import { writeSync } from 'node:fs';
import { FunnelIndex } from 'funnelvec/store';
import { Random } from '../random.js';

const [, , path, to, seed] = process.argv;
const random = new Random(Number(seed));
const index = await FunnelIndex.open(path!);
const say = (line: string) => void writeSync(1, `${line}\n`);
say('open');
const writing = (async () => {
  for (let round = Number(seed) * 1000; ; round++) {
    const ids = Array.from({ length: 20 }, () => random.int(0, 400));
    await index.upsert(ids.map((id) => ({ id, vector: random.vector(8), payload: { round } })));
    if (random.chance(0.2)) await index.delete([random.int(0, 400)]);
    if (random.chance(0.1)) await index.optimize();
  }
})();
const copying = (async () => {
  for (let n = 0; ; n++) {
    say(`begin ${n}`);
    await index.backup(`${to}/${n}`);
    say(`end ${n}`);
  }
})();
await Promise.all([writing, copying]);
