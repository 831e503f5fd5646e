// A mirror that follows: the time of a round after some changes beside that of a sync of all rows, of which it may take 2 %.
//   node bench/follow.mjs [--rows 1000000] [--dim 64] [--changes 1000]
// The collection is an embedded index with a payload index on the stamp, behind the contract of a source: no server is in the way,
// which makes the full sync quick, and the ratio no better than over a server.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    dim: { type: 'string', default: '64' },
    changes: { type: 'string', default: '1000' },
  },
});
const [rows, dim, changes] = [values.rows, values.dim, values.changes].map(Number);
const CHUNK = 10_000;
const MOST = 0.02;
let stamp = 1_700_000_000_000;
let seed = 1;

function vectorsOf(count) {
  const all = new Float32Array(count * dim);
  for (let i = 0; i < all.length; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    all[i] = seed / 2 ** 31;
  }
  return all;
}

const write = (index, ids) =>
  index.upsert({ ids, vectors: vectorsOf(ids.length), payloads: ids.map(() => ({ updated_at: stamp++ })) });
const seconds = async (run) => {
  const began = performance.now();
  await run();
  return (performance.now() - began) / 1000;
};

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-follow-'));
try {
  const collection = await FunnelIndex.create(':memory:', { dim, autoOptimize: false });
  for (let from = 0; from < rows; from += CHUNK) {
    await write(
      collection,
      Array.from({ length: Math.min(CHUNK, rows - from) }, (_, i) => from + i),
    );
  }
  await collection.createPayloadIndex('updated_at', 'integer');
  const mirror = await FunnelIndex.create(join(folder, 'mirror'), { dim, autoOptimize: false });
  const options = { every: 1e9, since: 'updated_at', overlap: 0, rate: Number.POSITIVE_INFINITY };
  const follower = mirror.follow(embeddedSource(collection), options);
  const full = await seconds(() => follower.update());
  const second = await seconds(() => follower.update());
  const rounds = [];
  for (let round = 0; round < 3; round++) {
    await write(
      collection,
      Array.from({ length: changes }, (_, i) => (i * 7919 + round) % rows),
    );
    rounds.push(await seconds(() => follower.update()));
    if (follower.stats().last.written !== changes) throw new Error(JSON.stringify(follower.stats().last));
  }
  const middle = rounds.toSorted((a, b) => a - b)[1];
  await follower.stop();
  await mirror.close();
  const told = { rows, dim, changes, full, second, rounds, ratio: middle / full };
  console.log(JSON.stringify(told));
  const verdict = told.ratio <= MOST ? 'holds ' : 'missed';
  console.log(
    `${verdict} | a round after ${changes} changes ÷ a full sync | ${told.ratio.toFixed(4)}, at most ${MOST}`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
