/** Reads the index at argv[2]; for each line on stdin it refreshes, reads everything, and tells what it sees as JSON. */
import { createInterface } from 'node:readline';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { DIM } from './model.js';
import { readRow } from './read-rows.js';

const index = await IndexFiles.open(process.argv[2]!, { readOnly: true });
const out = new Float32Array(DIM);
for await (const _ of createInterface({ input: process.stdin })) {
  let error: string | null = null;
  const ids: unknown[] = [];
  let changed: boolean | undefined;
  try {
    changed = index.refresh();
    for (let ordinal = 0; ordinal < index.rows; ordinal++) {
      if ((index.alive[ordinal >>> 3]! & (1 << (ordinal & 7))) === 0) continue;
      readRow(index, ordinal, out);
      index.payloadOf(ordinal);
      ids.push(index.idOf(ordinal));
    }
  } catch (caught) {
    error = (caught as Error).message;
  }
  console.log(JSON.stringify({ changed, rows: index.rows, ids, error }));
}
await index.close();
