/** Changes the payloads of all rows in one call, again and again, and says when each begins and ends. */
import { IndexFiles } from '#dist/store/files/index-files.js';

const [, , path, from] = process.argv as unknown as [string, string, string, string];

const index = await IndexFiles.open(path, { durability: 'relaxed' });
const ordinals = Array.from({ length: index.rows }, (_, i) => i);
for (let version = Number(from); ; version++) {
  process.stdout.write(`${JSON.stringify({ begin: version })}\n`);
  await index.changePayloads(
    () => ({ ordinals }),
    () => ({ version }),
  );
  process.stdout.write(`${JSON.stringify({ end: version })}\n`);
}
