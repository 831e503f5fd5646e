/** Writes many rows with payloads in one call, again and again, and says when each begins and ends. */
import { IndexFiles } from '#dist/store/files/index-files.js';

const [, , path, rowsPerCall] = process.argv as unknown as [string, string, string, string];
const count = Number(rowsPerCall);

const index = await IndexFiles.open(path, { durability: 'relaxed' });
const { dim } = index.config;
for (;;) {
  const first = index.rows;
  process.stdout.write(`${JSON.stringify({ begin: first })}\n`);
  await index.append({
    ids: Array.from({ length: count }, (_, i) => first + i),
    rows: new Float32Array(count * dim).fill(first),
    payloads: Array.from({ length: count }, (_, i) => ({ row: first + i })),
  });
  process.stdout.write(`${JSON.stringify({ end: first })}\n`);
}
