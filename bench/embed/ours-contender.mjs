// Texts into vectors by embed(), beside onnxruntime_contender.py and spoken to like it.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Embedder } from '../../dist/esm/embed/index.js';

const [path, file, threads] = process.argv.slice(2);
const sets = JSON.parse(readFileSync(file, 'utf8'));
const embedder = await Embedder.load({ path, threads: Number(threads) });

/** The peak of this program alone: maxRSS begins with that of the process that started it. */
function peak() {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

async function answer(message) {
  if (message.peak) return { bytes: peak() };
  const start = performance.now();
  const vectors = await embedder.embed(sets[message.set]);
  return { ms: performance.now() - start, first: [...vectors.subarray(0, embedder.dim)] };
}

const tell = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
tell({ version: process.version });
for await (const line of createInterface({ input: process.stdin })) tell(await answer(JSON.parse(line)));
await embedder.close();
