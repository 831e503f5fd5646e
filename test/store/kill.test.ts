/** kill -9 while a FunnelIndex is written, optimised, compacted and indexed at once: what is opened again answers as it must. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FunnelIndex } from 'funnelvec/store';
import { activeKernels } from '#dist/kernels/load.js';
import { Random, SEED } from '../random.js';
import { apply, DIM, type Did, type Intent, payloadOf, type State, vectorOf } from './kill-index-model.js';
import { killed } from './killed.js';

const ROUNDS = Math.ceil(Number(process.env['FUNNELVEC_KILL_ROUNDS'] ?? 200) / 5);
const CHILD = fileURLToPath(new URL('./kill-index-child.js', import.meta.url));

describe('kill -9 of a FunnelIndex', () => {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-kill-'));
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

  it(`at any of ${ROUNDS} moments of writes beside optimize() leaves every acknowledged row, and exact answers`, async () => {
    const random = new Random(SEED);
    const path = join(folder, 'index');
    await (await FunnelIndex.create(path, { dim: DIM, head: 8, lists: 3 })).close();
    let state: State = new Map();
    let coded = 0;
    let extended = 0;
    let indexed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const afterMs = random.int(0, 250);
      // A busy machine may take longer than that for what has to come at some time: every other writer dies only after it.
      const due = coded === 0 ? 'optimize' : extended === 0 ? 'extend' : indexed === 0 ? 'index' : undefined;
      const isDue = (text: string) => round % 2 === 0 || due === undefined || text.includes(`{"did":"${due}"}`);
      const said = await killed<Intent | Did | null>([CHILD, path, String(round + 1)], (text) =>
        isDue(text) ? afterMs : undefined,
      );
      let intent: Intent | undefined;
      for (const line of said) {
        if (line !== null && 'did' in line) continue;
        if (line !== null) intent = line;
        else if (intent !== undefined) {
          state = apply(state, intent);
          intent = undefined;
        }
      }
      const index = await FunnelIndex.open(path, { autoOptimize: false });
      const stats = index.stats();
      coded += stats.coded;
      extended += stats.extended;
      indexed += stats.payloadIndexes.reduce((sum, { packed }) => sum + packed, 0);
      const maybe = intent === undefined ? undefined : apply(state, intent);
      const why = difference(index, state, random);
      const whyNot = why === undefined || maybe === undefined ? why : difference(index, maybe, random);
      assert.equal(whyNot, undefined, `round ${round}, seed ${SEED}: ${why}; or: ${whyNot}`);
      if (why !== undefined) state = maybe!;
      await index.close();
    }
    assert.ok(coded > 0, 'no optimize() was ever finished');
    assert.ok(extended > 0, 'no rows were ever coded beside a build');
    assert.ok(indexed > 0, 'no payload index was ever written');
  });
});

/** The first difference between the index or its answers and the state; undefined when they agree. */
function difference(index: FunnelIndex, state: State, random: Random): string | undefined {
  if (index.count !== state.size) return `${index.count} rows, not ${state.size}`;
  const ids = [...state.keys()];
  const matrix = new Float32Array(ids.length * DIM);
  ids.forEach((id, i) => {
    matrix.set(vectorOf(state.get(id)!), i * DIM);
  });
  const points = index.getSync(ids);
  for (const [i, point] of points.entries()) {
    const wanted = matrix.subarray(i * DIM, (i + 1) * DIM);
    if (point === undefined || !wanted.every((value, j) => Object.is(value, point.vector[j])))
      return `row of ${ids[i]}`;
  }
  for (let i = 0; i < 5 && ids.length > 0; i++) {
    const query = random.vector(DIM);
    const indices = new Uint32Array(Math.min(10, ids.length));
    const keys = new Float64Array(indices.length);
    activeKernels().scan({ metric: 'cosine', query, rows: matrix, dim: DIM, to: DIM, indices, keys });
    const { hits } = index.querySync({ vector: query, mode: 'exact' });
    const same =
      hits.length === indices.length &&
      hits.every((hit, r) => hit.id === ids[indices[r]!] && Object.is(hit.score, keys[r]));
    if (!same) return 'an exact answer';
  }
  return wrongFilter(index, state);
}

/** Whichever payload indexes are left: rows by filter, in the order of insertion. */
function wrongFilter(index: FunnelIndex, state: State): string | undefined {
  const passing = (test: (payload: ReturnType<typeof payloadOf>) => boolean) =>
    [...state].filter(([, version]) => test(payloadOf(version))).map(([id]) => id);
  const when = [...state.values()].map((version) => payloadOf(version).when).sort()[state.size >> 1] ?? '2000-01-01';
  const cases = [
    [{ key: 'n', range: { gte: 2, lt: 5 } }, passing(({ n }) => n >= 2 && n < 5)],
    [{ key: 'tags', match: { any: ['t1', 'u4'] } }, passing(({ tags }) => tags.includes('t1') || tags.includes('u4'))],
    [{ key: 'tags', values_count: { gt: 1 } }, passing(() => true)],
    [{ key: 'when', range: { gt: when } }, passing((payload) => payload.when > when)],
  ] as const;
  for (const [must, wanted] of cases) {
    const { points } = index.scrollSync({ filter: { must }, limit: 10_000, withPayload: false });
    const ids = points.map(({ id }) => id);
    if (ids.join() !== wanted.join()) return `rows where ${JSON.stringify(must)}`;
  }
  return undefined;
}
