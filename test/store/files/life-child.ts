/**
 * Has the index of argv[2] open, as argv[3] says: 'read' or 'write'. It tells by files in the folder of argv[4], since Node.js has no
 * pipes under wine: `ready` when it is open; a reader writes `answer` of what it finds once there is `ask`, and ends once there is `end`.
 */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { FunnelIndex } from 'funnelvec/store';

const [, , path, how, told] = process.argv as [string, string, string, string, string];
const tell = (name: string, value: unknown) => {
  writeFileSync(join(told, `${name}.tmp`), JSON.stringify(value));
  renameSync(join(told, `${name}.tmp`), join(told, name));
};
const until = async (name: string) => {
  for (const end = Date.now() + 60_000; !existsSync(join(told, name)); await after(10)) {
    if (Date.now() > end) process.exit(3);
  }
};
const found = async (index: FunnelIndex) => {
  const { hits } = await index.query({ vector: [1, 2, 3, 4], limit: 5, mode: 'exact' });
  return hits.map(({ id, score }) => [id, score]);
};

let index: FunnelIndex;
try {
  index = await FunnelIndex.open(path, { readOnly: how === 'read' });
} catch (error) {
  tell('ready', { code: (error as { code: string }).code });
  process.exit(0);
}
tell('ready', { found: await found(index) });
await until('ask');
tell('answer', { found: await found(index) });
await until('end');
await index.close();
