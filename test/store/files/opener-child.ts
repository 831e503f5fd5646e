/** Opens an index and closes it, again and again, beside others of its kind; ends with it open. Tells what went wrong. */
import { IndexFiles } from '#dist/store/files/index-files.js';
import { Random } from '../../random.js';

const [path, rounds, seed] = process.argv.slice(2) as [string, string, string];
const random = new Random(Number(seed));
for (let round = 0; round < Number(rounds); round++) {
  const readOnly = random.chance(0.7);
  try {
    const index = await IndexFiles.open(path, { readOnly });
    if (round === Number(rounds) - 1) process.exit();
    if (random.chance(0.5)) index.closeSync();
    else await index.close();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (readOnly || code !== 'INDEX_LOCKED') console.log(`${code}: ${message}`);
  }
  await new Promise((resolve) => setTimeout(resolve, random.next() * 3));
}
