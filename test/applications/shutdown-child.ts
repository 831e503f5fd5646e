/** A server that writes to the index at argv[2] until it is told to end: a signal handler closes, and so does a `finally`. */
import { writeSync } from 'node:fs';
import { FunnelIndex } from 'funnelvec/store';

const ROWS = 500;
const index = await FunnelIndex.open(process.argv[2]!);
let sent = 0;
let stopped = false;
process.on('SIGTERM', async () => {
  stopped = true;
  const before = sent;
  await index.close();
  writeSync(1, `closed ${before}\n`);
  process.exit(0);
});
writeSync(1, 'open\n');
try {
  const under: Promise<unknown>[] = [];
  while (!stopped) {
    const ids = Array.from({ length: ROWS }, (_, i) => sent * ROWS + i);
    const vectors = new Float32Array(ROWS * index.dim).map((_, i) => Math.sin(i + sent));
    sent++;
    const nth = sent;
    under.push(index.upsert({ ids, vectors }).then(() => void writeSync(1, `wrote ${nth}\n`)));
    if (under.length >= 3) await under.shift();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
} finally {
  await index.close();
  process.exit(0);
}
