/** Changes payloads of the index at argv[2] and makes backups of it into argv[3], until it is killed. */
import { writeSync } from 'node:fs';
import { FunnelIndex } from 'funnelvec/store';
import { Random } from '../random.js';
import { type Change, type Fields, ROWS, run, type Said } from './payload-kill-model.js';

const [, , path, to, seed] = process.argv;
const random = new Random(Number(seed));
const say = (line: Said) => void writeSync(1, `${JSON.stringify(line)}\n`);
const index = await FunnelIndex.open<Fields>(path!, { threads: 1 });
say(null);

function nextChange(round: number): Change {
  const some = Array.from({ length: ROWS }, (_, id) => id).filter(() => random.chance(0.4));
  const n = random.int(0, 4);
  // As a store of Mastra upserts with a deleteFilter: the rows of a group by others, some of which are new.
  if (random.chance(0.3)) {
    const group = random.int(0, 2);
    const by = Array.from({ length: random.int(1, 12) }, (_, i) => 1000 * (group + 1) + i + random.int(0, 1) * 20);
    return { group, by: [...new Set(by)], fields: { n, group, round } };
  }
  switch (random.int(0, 4)) {
    case 0:
      return { rows: some, overwrite: { n, tag: `o${round % 3}` } };
    case 1:
      return { rows: some, remove: [random.pick(['n', 'tag', 'round'])] };
    case 2:
      return { rows: { n }, set: { n: (n + 1) % 5, moved: round } };
    default:
      return { rows: Array.from({ length: ROWS }, (_, id) => id), set: { round, tag: `t${round % 3}` } };
  }
}

const writing = (async () => {
  for (let round = Number(seed) * 1000; ; round++) {
    const change = nextChange(round);
    say(change);
    await run(index, change);
    say(null);
    if (random.chance(0.05)) await index.optimize();
  }
})();
const copying = (async () => {
  for (let n = 0; ; n++) {
    const name = `${seed}-${n}`;
    say({ begin: name });
    await index.backup(`${to}/${name}`);
    say({ end: name });
  }
})();
await Promise.all([writing, copying]);
