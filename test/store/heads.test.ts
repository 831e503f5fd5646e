/**
 * The heads that mode 'funnel' orders by: int8, binary and prefix heads; and the rotation that samples of queries
 * balance.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelError } from 'funnelvec';
import { FunnelIndex, type FunnelIndexOptions, type Head } from 'funnelvec/store';
import { getCodeKernels } from '#dist/kernels/codes-load.js';
import { METRICS, type Metric } from '#dist/kernels/kernels.js';
import { activeKernels, listKernels, useKernels } from '#dist/kernels/load.js';
import { seenQuery } from '#dist/store/engine/centre.js';
import { Scratch } from '#dist/store/engine/memory.js';
import { shortlistRows } from '#dist/store/engine/shortlist.js';
import { runNow } from '#dist/store/files/step.js';
import { partsOf } from '#dist/store/parts.js';
import { loadSegment, segmentSections } from '#dist/store/segment-file.js';
import { Random, SEED } from '../random.js';
import { FAMILIES, queryFor } from './families.js';

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-heads-'));
  folders.push(folder);
  return join(folder, 'index');
}

function isError(code: string, pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof FunnelError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, pattern);
    return true;
  };
}

const random = new Random(SEED);

/** Rows around topics, early dims larger, of lengths that differ: what embeddings look like. */
function textLike(count: number, dim: number, spread = 0.2): Float32Array {
  const topics = Array.from({ length: 40 }, () => random.vector(dim));
  const rows = new Float32Array(count * dim);
  for (let r = 0; r < count; r++) {
    const [a, b, length] = [random.pick(topics), random.pick(topics), Math.exp(spread * random.gaussian())];
    for (let j = 0; j < dim; j++) {
      const value = 0.1 + a[j]! + 0.6 * b[j]! + 0.8 * random.gaussian();
      rows[r * dim + j] = length * value * Math.exp((-2 * j) / dim);
    }
  }
  return rows;
}

function near(rows: Float32Array, dim: number): Float32Array {
  const at = random.int(0, rows.length / dim - 1) * dim;
  return rows.slice(at, at + dim).map((value) => value + 0.15 * random.gaussian());
}

const idsOf = (count: number) => Array.from({ length: count }, (_, i) => i);

async function indexOf(rows: Float32Array, options: FunnelIndexOptions, path = ':memory:'): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(path, { autoOptimize: false, ...options });
  await index.upsert({ ids: idsOf(rows.length / options.dim), vectors: rows });
  if (options.rotation !== 'balanced') await index.optimize();
  return index;
}

const KINDS: Head[] = ['int8', 'binary', { prefix: 40 }];
const named = (head: Head) => JSON.stringify(head);

function recall(index: FunnelIndex, queries: Float32Array[], candidates?: number): number {
  let found = 0;
  let wanted = 0;
  for (const vector of queries) {
    const truth = new Set(index.querySync({ vector, mode: 'exact' }).hits.map(({ id }) => id));
    const { hits } = index.querySync({ vector, ...(candidates !== undefined && { params: { candidates } }) });
    found += hits.filter(({ id }) => truth.has(id)).length;
    wanted += truth.size;
  }
  return found / wanted;
}

/** The c rows that a head puts first, before finer codes have a say. */
function shortlist(index: FunnelIndex, vector: Float32Array, c: number): number[] {
  const { live, codes } = partsOf(index);
  const segment = live.segments[0]!;
  const norm = Math.hypot(...vector);
  const query = { vector, norm, seen: seenQuery(segment.coding, vector, norm), u: new Float64Array(0) };
  const visit = { blocks: segment.blocks, count: segment.blocks.length };
  const rows = new Uint32Array(c);
  const scratch = new Scratch(codes);
  const found = shortlistRows(activeKernels(), codes, scratch, segment, query, visit, segment.mask, c, rows);
  return Array.from(rows.subarray(0, found), (row) => segment.ordinals[row]!);
}

/** The key of a database that keeps the first m dims in a field of their own; larger is better. */
function prefixKey(metric: Metric, query: Float32Array, row: Float32Array, m: number): number {
  let [dot, q, x] = [0, 0, 0];
  for (let i = 0; i < m; i++) {
    dot += query[i]! * row[i]!;
    q += query[i]! ** 2;
    x += row[i]! ** 2;
  }
  if (metric === 'dot') return dot;
  return metric === 'euclid' ? -Math.sqrt(Math.max(0, q - 2 * dot + x)) : x > 0 && q > 0 ? dot / Math.sqrt(q * x) : 0;
}

describe('heads of mode funnel', () => {
  for (const head of KINDS) {
    for (const metric of METRICS) {
      for (const dim of [72, 320]) {
        it(`${named(head)} finds more with more candidates, and all with all (${metric}, ${dim} dims)`, async () => {
          const count = 1500;
          const rows = textLike(count, dim);
          const index = await indexOf(rows, { dim, metric, head });
          const queries = Array.from({ length: 40 }, () => near(rows, dim));
          const [few, some, all] = [
            recall(index, queries, 10),
            recall(index, queries, 50),
            recall(index, queries, count),
          ];
          assert.ok(few <= some && some <= all, `${few}, ${some}, ${all}`);
          assert.ok(few > 0.15, `${few}`);
          assert.equal(all, 1);
          await index.close();
        });
      }
    }
  }

  for (const metric of METRICS) {
    it(`orders by the native prefix as a database does, whatever the rotation (${metric})`, async () => {
      const [dim, m, count, c] = [96, 40, 2000, 50];
      const rows = textLike(count, dim);
      const queries = Array.from({ length: 30 }, () => near(rows, dim));
      for (const rotation of ['pca', 'none'] as const) {
        const index = await indexOf(rows, { dim, metric, rotation, head: { prefix: m }, scales: [m, 96] });
        let same = 0;
        for (const vector of queries) {
          const keys = idsOf(count).map((r) => prefixKey(metric, vector, rows.subarray(r * dim, (r + 1) * dim), m));
          const order = idsOf(count).sort((a, b) => keys[b]! - keys[a]!);
          const best = new Set(order.slice(0, c));
          const hits = shortlist(index, vector, c);
          assert.equal(hits.length, c);
          // A row that takes another's place is as good, but for the codes.
          const last = keys[order[c - 1]!]!;
          for (const row of hits) assert.ok(keys[row]! >= last - 0.03 * Math.abs(last), `${keys[row]}, ${last}`);
          same += hits.filter((row) => best.has(row)).length;
        }
        assert.ok(same >= 0.97 * c * queries.length, `${same} of ${c * queries.length}, ${rotation}`);
        await index.close();
      }
    });
  }

  it('gives a prefix of zeros the score 0, of rows and of queries', async () => {
    const [dim, m, count] = [24, 8, 400];
    const rows = random.vector(count * dim, 0.02).map((value, i) => 1 + (i % dim < 4 ? 0.1 * value : value));
    const zeros = [3, 17, 18, 399];
    for (const r of zeros) rows.fill(0, r * dim, r * dim + m);
    for (const lists of ['off', 6] as const) {
      for (const metric of METRICS) {
        const index = await indexOf(rows, { dim, metric, head: { prefix: m }, lists });
        const ask = (sign: number, c: number) => shortlist(index, new Float32Array(dim).fill(sign), c);
        assert.deepEqual(
          ask(-1, zeros.length).sort((a, b) => a - b),
          zeros,
          metric,
        );
        assert.ok(
          ask(1, count - zeros.length).every((row) => !zeros.includes(row)),
          metric,
        );
        // Here the nearest codes of zeros would make them the best.
        const mixed = Float32Array.from({ length: dim }, (_, j) => (j < 4 ? 1 : j < m ? -1 : 0));
        const first = shortlist(index, mixed, 40);
        assert.equal(
          zeros.some((row) => first.includes(row)),
          metric === 'euclid',
        );
        const vector = new Float32Array(dim).fill(1, m);
        assert.equal(shortlist(index, vector, 20).length, 20);
        await index.close();
      }
    }
  });

  it('reaches a high recall by one bit a dim, and a higher one by eight', async () => {
    const dim = 256;
    const rows = textLike(6000, dim);
    const queries = Array.from({ length: 60 }, () => near(rows, dim));
    const recallOf = async (head: Head) => {
      const index = await indexOf(rows, { dim, head });
      const share = recall(index, queries);
      await index.close();
      return share;
    };
    const [binary, int8] = [await recallOf('binary'), await recallOf('int8')];
    assert.ok(binary >= 0.9, `binary ${binary}`);
    assert.ok(int8 >= 0.97, `int8 ${int8}`);
  });

  it('leaves mode exact as it is, and params.eps', async () => {
    for (const metric of METRICS) {
      const dim = metric === 'cosine' ? 300 : 70;
      const rows = textLike(1500, dim);
      const queries = Array.from({ length: 20 }, () => near(rows, dim));
      const answers = new Set<string>();
      for (const head of [undefined, ...KINDS]) {
        const index = await indexOf(rows, { dim, metric, ...(head && { head }) });
        const lines = queries.flatMap((vector) => {
          const exact = index.querySync({ vector, mode: 'exact' });
          assert.equal(exact.stats.certified, true);
          return [exact, index.querySync({ vector, params: { eps: 0.4 } })].map(({ hits, stats }) => [
            hits,
            stats.stages,
          ]);
        });
        answers.add(JSON.stringify(lines));
        await index.close();
      }
      assert.equal(answers.size, 1, metric);
    }
  });

  it('are the same after the index was opened again, with lists and without, and need no rows in memory', async () => {
    for (const head of KINDS) {
      for (const lists of [7, 'off'] as const) {
        const dim = lists === 'off' ? 90 : 280;
        const rows = textLike(1600, dim);
        const queries = Array.from({ length: 12 }, () => near(rows, dim));
        const path = newPath();
        const metric = random.pick(METRICS);
        const index = await indexOf(rows, { dim, metric, head, lists }, path);
        await index.delete([5, 6, 700]);
        await index.upsert([{ id: 9000, vector: rows.slice(0, dim) }]);
        const ask = (from: FunnelIndex) =>
          [{}, { params: { candidates: 200 } }, { filter: { ids: idsOf(300) } }].flatMap((more) =>
            queries.map((vector) => from.querySync({ vector, ...more }).hits),
          );
        const before = ask(index);
        assert.deepEqual(index.stats().head, head);
        await index.close();
        for (const options of [{}, { readOnly: true }]) {
          const again = await FunnelIndex.open(path, options);
          assert.deepEqual(again.stats().head, head);
          assert.deepEqual(ask(again), before);
          await again.close();
        }
        const lean = await FunnelIndex.open(path, { memory: 0 });
        assert.equal(lean.stats().resident.rows, 0);
        const { hits, stats } = lean.querySync({ vector: queries[0]!, params: { candidates: 16, probes: 7 } });
        assert.ok(stats.rowsRead <= 20, `${stats.rowsRead}`);
        const truth = lean.querySync({ vector: queries[0]!, mode: 'exact' }).hits;
        assert.ok(hits.filter(({ id }) => truth.some((hit) => hit.id === id)).length >= 8);
        await lean.close();
      }
    }
  });

  it('answer alike in this thread and in others', async () => {
    const dim = 64;
    const rows = textLike(1200, dim);
    const queries = Array.from({ length: 12 }, () => ({ vector: near(rows, dim), params: { candidates: 15 } }));
    for (const head of KINDS) {
      const index = await indexOf(rows, { dim, metric: 'dot', head, threads: 2 });
      assert.deepEqual(
        (await index.queryBatch(queries)).map(({ hits }) => hits),
        index.queryBatchSync(queries).map(({ hits }) => hits),
      );
      await index.close();
    }
  });

  for (const { name, supported } of listKernels()) {
    if (!supported) continue;
    it(`answer with the same bits on ${name}, whatever the rows`, async () => {
      const before = activeKernels().name;
      try {
        const answers: string[] = [];
        for (const kernels of [before, name]) {
          useKernels(kernels as never);
          const seeded = new Random(SEED);
          const lines: unknown[] = [];
          for (const family of FAMILIES) {
            const head = seeded.pick(['int8', 'binary', { prefix: 3 }, { prefix: 16 }] as const);
            const dim = seeded.pick([16, 21, 40, 270]);
            const metric = seeded.pick(METRICS);
            const rows = family.rows(seeded, 200, dim);
            const index = await FunnelIndex.create(':memory:', {
              dim,
              metric,
              head,
              autoOptimize: false,
              rotation: seeded.pick(['pca', 'none'] as const),
              lists: seeded.pick(['off', 5] as const),
            });
            index.upsertSync({ ids: idsOf(200), vectors: rows });
            index.optimizeSync();
            for (let i = 0; i < 6; i++) {
              const { hits, stats } = index.querySync({
                vector: queryFor(seeded, rows, dim),
                params: { candidates: seeded.pick([10, 30, 150]) },
              });
              lines.push(hits, stats.stages);
            }
            await index.close();
          }
          answers.push(JSON.stringify(lines));
        }
        assert.ok(answers[0] === answers[1], `${name} and ${before} differ`);
      } finally {
        useKernels(before as never);
      }
    });
  }

  it('refuse a segment that makes no sense', async () => {
    const rows = textLike(100, 16);
    rows.fill(0, 0, 8);
    const index = await indexOf(rows, { dim: 16, head: { prefix: 8 } });
    const sections = new Map<string, Uint8Array>();
    for (const { name, bytes } of segmentSections(partsOf(index).live.segments[0]!)) sections.set(name, bytes);
    const meta = JSON.parse(Buffer.from(sections.get('meta')!).toString());
    const load = (order: object | undefined, changed: Record<string, Uint8Array> = {}) => {
      const all = new Map([...sections, ...Object.entries(changed)]);
      all.set('meta', Buffer.from(JSON.stringify({ ...meta, order })));
      // biome-ignore lint/correctness/useYield: steps of one who never waits
      const read = function* (name: string, into?: Uint8Array) {
        into?.set(all.get(name)!);
        return into ?? all.get(name)!;
      };
      return runNow(loadSegment(getCodeKernels('js'), 'a segment', read, () => true, true));
    };
    assert.deepEqual(load(meta.order).shortlist!.zeros, Uint32Array.of(0));
    assert.equal(load(undefined).shortlist, null); // of an index from before
    for (const wrong of [{ kind: 'ternary' }, { length: 0 }, { length: 17 }, { kind: 'binary' }, { kind: 'int8' }]) {
      assert.throws(() => load({ ...meta.order, ...wrong }), isError('CORRUPT', /meta/));
    }
    assert.throws(() => load({ ...meta.order, zeros: 101 }), isError('CORRUPT', /meta/));
    const beyond = new Uint8Array(Uint32Array.of(100).buffer);
    assert.throws(() => load(meta.order, { orderZeros: beyond }), isError('CORRUPT', /orderZeros/));
    await index.close();
  });

  const REFUSED: [unknown, RegExp][] = [
    ['int4', /'int8' or 'binary'/],
    [0, /head/],
    [{}, /head\.prefix/],
    [{ prefix: 0 }, /head\.prefix/],
    [{ prefix: 33 }, /1\.\.32/],
    [{ prefix: 2.5 }, /integer/],
    [{ prefix: 8, bits: 8 }, /bits/],
    [null, /head/],
    [true, /head/],
  ];
  for (const [head, pattern] of REFUSED) {
    it(`are not ${JSON.stringify(head)}`, async () => {
      await assert.rejects(
        FunnelIndex.create(':memory:', { dim: 32, head: head as never }),
        isError('BAD_ARGUMENT', pattern),
      );
    });
  }
});

it('fits a rotation to rows of fewer directions than dims', async () => {
  const [dim, count] = [270, 200];
  for (const directions of [0, 1, 2, 7]) {
    const axes = Array.from({ length: directions }, () => random.vector(dim));
    const rows = new Float32Array(count * dim);
    for (let r = 0; r < count; r++) {
      for (const axis of axes) {
        const weight = directions === 1 ? 1 : random.gaussian();
        for (let j = 0; j < dim; j++) rows[r * dim + j]! += weight * axis[j]!;
      }
    }
    const index = await indexOf(rows, { dim });
    assert.equal(index.querySync({ vector: random.vector(dim), mode: 'exact' }).stats.certified, true);
    await index.close();
  }
});

describe("rotation 'balanced'", () => {
  const dim = 96;
  const count = 3000;

  /** Rows vary most where queries say nothing, and queries look at dims where rows vary little. */
  function apart() {
    const rows = Float32Array.from({ length: count * dim }, (_, i) => {
      const j = i % dim;
      return random.gaussian() * (j < 32 ? 1 : j < 64 ? 0.4 : 0.05);
    });
    const query = () =>
      Float32Array.from({ length: dim }, (_, j) => random.gaussian() * (j >= 32 && j < 48 ? 1 : 0.03));
    return { rows, sample: Float32Array.from(Array.from({ length: 200 }, query).flatMap((q) => [...q])), query };
  }

  it('finds more, reads less and answers alike in mode exact where queries are unlike rows', async () => {
    const { rows, sample, query } = apart();
    const options = { dim, head: 32 };
    const pca = await indexOf(rows, options);
    const balanced = await indexOf(rows, { ...options, rotation: 'balanced' });
    await balanced.optimize({ queries: sample });
    assert.equal(balanced.stats().rotation, 'balanced');
    const queries = Array.from({ length: 40 }, query);
    const [before, now] = [recall(pca, queries, 40), recall(balanced, queries, 40)];
    assert.ok(now > before + 0.3, `${before}, ${now}`);
    let [left, leftBefore] = [0, 0];
    for (const vector of queries) {
      const [a, b] = [pca, balanced].map((index) => index.querySync({ vector, mode: 'exact' })) as [never, never];
      const { hits, stats } = a as Awaited<ReturnType<typeof pca.query>>;
      const other = b as Awaited<ReturnType<typeof pca.query>>;
      assert.deepEqual(other.hits, hits);
      assert.equal(other.stats.certified, true);
      leftBefore += stats.stages.find(({ name }) => name === 'head')!.out;
      left += other.stats.stages.find(({ name }) => name === 'head')!.out;
    }
    assert.ok(left < 0.8 * leftBefore, `${left}, ${leftBefore}`);
    await pca.close();
    await balanced.close();
  });

  it('keeps its basis for later optimize() calls, also of another process', async () => {
    const { rows, sample, query } = apart();
    const path = newPath();
    const index = await indexOf(rows, { dim, head: 32, rotation: 'balanced' }, path);
    const first = index.optimize({ queries: sample });
    const joined = index.optimize(); // the one under way
    await Promise.all([first, joined, index.optimize({ queries: sample })]);
    const vector = query();
    const before = index.querySync({ vector }).hits;
    await index.close();
    const again = await FunnelIndex.open(path);
    await again.optimize();
    assert.deepEqual(again.querySync({ vector }).hits, before);
    again.optimizeSync();
    again.optimizeSync({ queries: sample });
    assert.deepEqual(again.querySync({ vector }).hits, before);
    await again.close();
  });

  it('wants queries once, and refuses what is none', async () => {
    const index = await FunnelIndex.create(':memory:', { dim, rotation: 'balanced' });
    const { rows, sample } = apart();
    await index.upsert({ ids: idsOf(count), vectors: rows });
    await index.upsert({ ids: idsOf(count).map((id) => id + count), vectors: rows });
    const cases: [unknown, string, RegExp][] = [
      [undefined, 'BAD_ARGUMENT', /optimize\(\{ queries \}\)/],
      [[1, 2, 3], 'BAD_ARGUMENT', /Float32Array/],
      [new Float32Array(dim + 1), 'BAD_DIMS', /rows of 96/],
      [new Float32Array(0), 'BAD_ARGUMENT', /at least one/],
      [new Float32Array(dim), 'BAD_ARGUMENT', /at least one/],
      [sample.slice().fill(Number.NaN, dim + 3, dim + 4), 'NOT_FINITE', /dim 3 of row 1/],
    ];
    for (const [queries, code, pattern] of cases) {
      await assert.rejects(index.optimize({ queries: queries as never }), isError(code, pattern));
      assert.throws(() => index.optimizeSync({ queries: queries as never }), isError(code, pattern));
    }
    assert.equal(index.stats().coded, 0);
    assert.equal(index.querySync({ vector: rows.subarray(0, dim) }).hits.length, 10);
    await index.optimize({ queries: sample });
    assert.equal(index.stats().coded, 2 * count);
    await index.close();
    const pca = await FunnelIndex.create(':memory:', { dim });
    await assert.rejects(pca.optimize({ queries: sample }), isError('BAD_ARGUMENT', /'pca'/));
    await pca.close();
  });
});
