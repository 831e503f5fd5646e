/** Writes to the index at argv[2] until it is killed. On stdout, a line before each operation and one after it. */
import { writeSync } from 'node:fs';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { Random } from '../../random.js';
import { appendRequest, filler, sectionOf } from './model.js';

/** The next step of the child, as JSON; after it: `null`, or the name of the segment that it wrote. */
export type Intent =
  | { append: [id: string, version: number][] }
  | { delete: string[] }
  | { segment: number; remove: string[] }
  | { compact: true };

const [, , path, seed, durability, bytes] = process.argv;
filler.bytes = Number(bytes);
const random = new Random(Number(seed));
let version = Number(seed) * 1000;
const say = (line: unknown) => void writeSync(1, `${JSON.stringify(line)}\n`);
const name = () => `id-${random.int(0, 60)}`;

const index = await IndexFiles.open(path!, {
  maxFileBytes: 4096 + 30 * 16,
  durability: durability as 'full' | 'relaxed',
});
say('open');
for (;;) {
  const kind = random.int(0, 9);
  if (kind <= 4) {
    const entries = [...new Set(Array.from({ length: random.int(1, 40) }, name))].map((id): [string, number] => [
      id,
      version++,
    ]);
    say({ append: entries } satisfies Intent);
    if (random.chance(0.5)) index.appendSync(appendRequest(entries));
    else await index.append(appendRequest(entries));
    say(null);
  } else if (kind <= 6) {
    const ids = Array.from({ length: random.int(1, 10) }, name);
    say({ delete: ids } satisfies Intent);
    await index.delete(ids);
    say(null);
  } else if (kind <= 7) {
    const number = version++;
    const remove = index.segments.map((segment) => segment.name).filter(() => random.chance(0.5));
    say({ segment: number, remove } satisfies Intent);
    const segment = await index.writeSegment([{ name: 'codes', bytes: sectionOf(number) }]);
    say(segment.name);
    await index.commitSegments({ add: [segment], remove, meta: { seed: number } });
    say(null);
  } else {
    say({ compact: true } satisfies Intent);
    await index.compact();
    say(null);
  }
}
