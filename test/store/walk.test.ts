/** The table of each row's nearest rows, and the walk over it from the best rows of a few lists. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FunnelIndex, type IndexQuery } from 'funnelvec/store';
import { atOnce } from '#dist/core/slices.js';
import type { CodeKernels } from '#dist/kernels/codes.js';
import { getCodeKernels, listCodeKernels } from '#dist/kernels/codes-load.js';
import { METRICS, type Metric } from '#dist/kernels/kernels.js';
import { getKernels } from '#dist/kernels/load.js';
import { encodeRange, planCoding, roomFor } from '#dist/store/engine/build.js';
import { finishSegment, sortByList } from '#dist/store/engine/finish.js';
import { Scratch } from '#dist/store/engine/memory.js';
import {
  findNeighbours,
  linkBack,
  narrowFor,
  relinkRows,
  tableFor,
  withNarrow,
  withTable,
} from '#dist/store/engine/neighbours.js';
import { Searcher } from '#dist/store/engine/search.js';
import type { Neighbours, Segment } from '#dist/store/engine/segment.js';
import type { RowTier } from '#dist/store/engine/types.js';
import { runNow } from '#dist/store/files/step.js';
import { partsOf } from '#dist/store/parts.js';
import { loadSegment, segmentSections } from '#dist/store/segment-file.js';
import { Random, SEED } from '../random.js';
import { refused } from '../refused.js';

const DIM = 24;
const COUNT = 6000;
const LISTS = 120;
const BEST = listCodeKernels().find(({ supported }) => supported)!.name;
const random = new Random(SEED + 20);
const rows = clusters(COUNT);
const queries = Array.from({ length: 60 }, () => near(random.int(0, COUNT - 1), 0.4));

/** Rows around centres that lie around others, and some that lie alone. */
function clusters(count: number): Float32Array {
  const centres = random.vector(40 * DIM);
  const all = new Float32Array(count * DIM);
  for (let r = 0; r < count; r++) {
    const centre = random.int(0, 39);
    const spread = random.pick([0.3, 0.6, 1.2]);
    for (let j = 0; j < DIM; j++) all[r * DIM + j] = centres[centre * DIM + j]! + spread * random.gaussian();
  }
  return all;
}

function near(row: number, spread: number): Float32Array {
  return Float32Array.from({ length: DIM }, (_, j) => rows[row * DIM + j]! + spread * random.gaussian());
}

async function indexOf(options: object = {}, path = ':memory:'): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(path, { dim: DIM, head: DIM, lists: LISTS, autoOptimize: false, ...options });
  await index.upsert({ ids: Array.from({ length: COUNT }, (_, i) => i), vectors: rows });
  await index.optimize();
  return index;
}

function segmentOf(index: FunnelIndex): Segment {
  return partsOf(index).live.segments[0]!;
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}

/** The share of the ten nearest that a search of some lists finds. */
function recall(index: FunnelIndex, query: Partial<IndexQuery>): number {
  let found = 0;
  for (const vector of queries) {
    const { params: _, ...rest } = query;
    const truth = new Set(index.querySync({ vector, mode: 'exact', ...rest }).hits.map(({ id }) => id));
    const { hits } = index.querySync({ vector, ...query });
    found += hits.filter(({ id }) => truth.has(id)).length / truth.size;
  }
  return found / queries.length;
}

describe('a walk over neighbours', () => {
  let index: FunnelIndex;
  before(async () => {
    index = await indexOf();
  });
  after(() => index.close());

  it('finds what few lists do not hold', () => {
    const { state } = partsOf(index).live;
    const searcher = new Searcher(getKernels(BEST), getCodeKernels(BEST));
    const segment = state.segments[0]!;
    const found = { walked: 0, unwalked: 0 };
    for (const vector of queries) {
      const truth = new Set(index.querySync({ vector, mode: 'exact' }).hits.map(({ id }) => id));
      const search = (one: Segment) => {
        const task = { vector, norm: lengthOf(vector), k: 10, mode: 'funnel', probes: 1, candidates: 64 } as const;
        const { ordinals } = searcher.search({ ...state, segments: [one] }, task);
        return ordinals.filter((ordinal) => truth.has(ordinal)).length / truth.size / queries.length;
      };
      found.walked += search(segment);
      found.unwalked += search({ ...segment, neighbours: null });
    }
    assert.ok(found.walked > 0.95 && found.unwalked < found.walked - 0.1, JSON.stringify(found));
  });

  it('is told as a stage, by default and with probes, and not where every row is read', () => {
    const stagesOf = (query: Partial<IndexQuery>) =>
      index.querySync({ vector: queries[0]!, ...query }).stats.stages.map(({ name }) => name);
    assert.deepEqual(stagesOf({}), ['lists', 'head', 'walk', 'fine', 'rows']);
    assert.ok(stagesOf({ params: { probes: 1 } }).includes('walk'));
    assert.ok(!stagesOf({ params: { probes: LISTS } }).includes('walk'));
    assert.ok(!stagesOf({ mode: 'exact' }).includes('walk'));
  });

  it('starts from as many lists as the build measured, and finds the ten nearest by default', () => {
    const { out } = index.querySync({ vector: queries[0]! }).stats.stages.find(({ name }) => name === 'lists')!;
    assert.equal(out, segmentOf(index).neighbours!.lists);
    assert.ok(out < LISTS / 3, `${out}`);
    const share = recall(index, {});
    assert.ok(share > 0.97, `${share}`);
  });

  it('picks the more rows the more are kept, but under a filter and by default', () => {
    const pickedOf = (query: Partial<IndexQuery>) =>
      index.querySync({ vector: queries[0]!, ...query }).stats.stages.find(({ name }) => name === 'fine')!.in;
    for (const [candidates, picked] of [
      [16, 16 + 64],
      [39, 39 + 64],
      [48, 48 + 96],
      [96, 96 + 384],
      [111, 111 + 512],
      [400, 400 + 512],
      [512, 1024],
    ] as const) {
      assert.equal(pickedOf({ params: { candidates, probes: 3 } }), picked, `${candidates}`);
    }
    const most = new Uint8Array(COUNT / 8).fill(0b1101_1011);
    const filtered = pickedOf({ params: { candidates: 96, probes: 3 }, filter: { rows: most } });
    assert.ok(filtered > 96 && filtered <= 2 * 96, `${filtered}`); // a walk may find fewer that pass
    assert.equal(pickedOf({}), (32 + 64) * (segmentOf(index).depth ?? 1));
  });

  it('answers nothing twice, and as many as asked for, whatever the limit, the page and the dead', async () => {
    const some = await indexOf();
    await some.delete(Array.from({ length: COUNT / 2 }, (_, i) => 2 * i));
    for (const vector of queries.slice(0, 20)) {
      for (const query of [{ limit: 10 }, { limit: 300 }, { limit: 10, offset: 200, maxDepth: 210 }, { limit: 2900 }]) {
        const { hits } = some.querySync({ vector, ...query });
        assert.equal(hits.length, query.limit);
        assert.equal(new Set(hits.map(({ id }) => id)).size, hits.length);
        assert.ok(hits.every(({ id }) => Number(id) % 2 === 1));
      }
    }
    // Dead rows remain ways through.
    const share = recall(some, { params: { probes: 3, candidates: 64 } });
    assert.ok(share > 0.9, `${share}`);
    await some.close();
  });

  it('goes through rows that a filter leaves out, where it leaves most in', () => {
    const most = new Uint8Array(COUNT / 8).fill(0b1101_1011);
    const passes = (id: unknown) => (0b1101_1011 >> (Number(id) & 7)) & 1;
    const walked = index.querySync({ vector: queries[0]!, filter: { rows: most } });
    assert.ok(walked.stats.stages.some(({ name }) => name === 'walk'));
    for (const vector of queries) {
      const { hits } = index.querySync({ vector, filter: { rows: most } });
      assert.equal(hits.length, 10);
      assert.ok(hits.every(({ id }) => passes(id)));
    }
    const share = recall(index, { filter: { rows: most } });
    assert.ok(share > 0.95, `${share}`);
  });

  for (const metric of METRICS) {
    it(`finds the ten nearest by ${metric}, with rows of several lengths and far from the origin`, async () => {
      const one = await indexOf({ metric });
      const share = recall(one, {});
      const all = recall(one, { params: { probes: LISTS } });
      assert.ok(share > all - 0.02, `${share} of ${all}`);
      await one.close();
    });
  }
});

/** The row numbers of a table. */
function numbersOf({ table, idBytes }: Neighbours): number[] {
  return Array.from({ length: table.length / idBytes }, (_, i) => {
    return table.subarray(i * idBytes, (i + 1) * idBytes).reduceRight((number, byte) => 256 * number + byte, 0);
  });
}

/** The same table with four bytes a number, as the first files with tables have it. */
function widened(neighbours: Neighbours): Neighbours {
  return { ...neighbours, table: new Uint8Array(Uint32Array.from(numbersOf(neighbours)).buffer), idBytes: 4 };
}

/** A segment with its table, made by some kernels at once. */
function made(codes: CodeKernels, metric: Metric): Segment {
  const count = 1500;
  const reader = { count, read: (first: number, n: number) => rows.subarray(first * DIM, (first + n) * DIM) };
  const options = { dim: DIM, metric, rotation: 'pca', head: 16, width: 32, lists: 40 } as const;
  const plan = atOnce(planCoding(codes, reader, options));
  const encoded = roomFor(codes, plan.coding, count);
  atOnce(encodeRange(codes, plan, reader, 0, count, encoded));
  const sorting = atOnce(sortByList(encoded, plan));
  const ordinals = Uint32Array.from({ length: count }, (_, r) => r);
  const finished = atOnce(finishSegment(codes, plan, encoded, ordinals, () => true, sorting));
  const segment = atOnce(withTable(codes, finished));
  const before = tableFor(codes, count);
  const scratch = new Scratch(codes);
  atOnce(findNeighbours(codes, scratch, segment, 0, 40, before));
  atOnce(relinkRows(codes, scratch, segment, 0, 40, before));
  const narrow = narrowFor(codes, segment);
  atOnce(linkBack(segment, narrow));
  return { ...segment, neighbours: { ...withNarrow(codes, segment, narrow).neighbours!, lists: 2 } };
}

describe('a table of neighbours', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'funnelvec-walk-')), 'index');
  after(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }));

  for (const metric of ['cosine', 'euclid'] as const) {
    it(`is the same on every backend, and so are the answers: ${metric}`, () => {
      const [first, ...others] = listCodeKernels().flatMap(({ name, supported }) => {
        if (!supported) return [];
        const codes = getCodeKernels(name);
        const segment = made(codes, metric);
        const searcher = new Searcher(getKernels(name), codes);
        const tier: RowTier = {
          resident: true,
          score: (query, by, some, count, keys) =>
            codes.scoresAt({
              ...{ metric: by, query, chunks: [rows], chunkRows: 2 ** 31, stride: DIM, dim: DIM },
              ...{ rows: some, count, keys },
            }),
          read: (from, n, out) => out.set(rows.subarray(from * DIM, (from + n) * DIM)),
        };
        const state = { metric, dim: DIM, segments: [segment], unindexed: new Uint32Array(0), rows: tier };
        const answers = queries.map((vector) => {
          const { ordinals, stages } = searcher.search(state, {
            vector,
            norm: lengthOf(vector),
            k: 10,
            mode: 'funnel',
          });
          assert.ok(stages.some(({ name: stage }) => stage === 'walk'));
          return ordinals;
        });
        const { table } = segment.neighbours!;
        return [{ name, answers, table: Uint8Array.from(table) }];
      });
      for (const { name, answers, table } of others) {
        assert.deepEqual(table, first!.table, name);
        assert.deepEqual(answers, first!.answers, name);
      }
    });
  }

  it('has rows of the segment, none twice, and leads to nearly every one', () => {
    const { neighbours, count } = made(getCodeKernels(BEST), 'cosine');
    const { degree } = neighbours!;
    const table = numbersOf(neighbours!);
    const led = new Set<number>();
    for (let row = 0; row < count; row++) {
      const some = table.slice(row * degree, (row + 1) * degree).filter((other) => other !== row);
      assert.equal(new Set(some).size, some.length);
      for (const other of some) led.add(other);
    }
    assert.ok([...led].every((row) => row < count));
    assert.ok(led.size > 0.999 * count, `${led.size}`);
  });

  it('is saved, the same whether threads made it or not, and read again', async () => {
    const index = await indexOf({ threads: 2 }, path);
    const { neighbours } = segmentOf(index);
    const answers = queries.map((vector) => index.querySync({ vector }).hits);
    await index.close();
    const again = await FunnelIndex.open(path);
    assert.deepEqual(segmentOf(again).neighbours, neighbours);
    assert.deepEqual(
      queries.map((vector) => again.querySync({ vector }).hits),
      answers,
    );
    again.optimizeSync();
    assert.deepEqual(segmentOf(again).neighbours, neighbours);
    await again.close();
  });

  it('is not needed: a segment from before there were any is searched, and optimize() gives it one', async () => {
    const index = await indexOf();
    const sections = new Map<string, Uint8Array>();
    for (const { name, bytes } of segmentSections(segmentOf(index))) sections.set(name, bytes);
    const meta = JSON.parse(Buffer.from(sections.get('meta')!).toString());
    const load = (wrong: object | undefined, changed: Record<string, Uint8Array> = {}) => {
      const all = new Map([...sections, ...Object.entries(changed)]);
      all.set('meta', Buffer.from(JSON.stringify({ ...meta, neighbours3: wrong })));
      // biome-ignore lint/correctness/useYield: steps of one who never waits
      const read = function* (name: string, into?: Uint8Array) {
        into?.set(all.get(name)!);
        return into ?? all.get(name)!;
      };
      return runNow(loadSegment(getCodeKernels('js'), 'a segment', read, () => true, true));
    };
    const before = load(undefined);
    assert.equal(before.neighbours, null);
    const { state } = partsOf(index).live;
    const vector = queries[0]!;
    const task = { vector, norm: lengthOf(vector), k: 10, mode: 'funnel' } as const;
    const js = new Searcher(getKernels('js'), getCodeKernels('js'));
    const answer = js.search({ ...state, segments: [before] }, task);
    assert.equal(answer.ordinals.length, 10);
    assert.ok(answer.stages.every(({ name }) => name !== 'walk'));
    assert.equal(meta.neighbours, undefined); // versions that know only this one search without a walk
    assert.deepEqual(load(meta.neighbours3).neighbours, segmentOf(index).neighbours);
    for (const wrong of [{ degree: 0 }, { degree: 257 }, { lists: 0 }, { lists: LISTS + 1 }, { lists: 1.5 }]) {
      assert.throws(() => load({ ...meta.neighbours3, ...wrong }), refused('CORRUPT', /meta/));
    }
    for (const wrong of [COUNT, 2 ** 16 + 1, 2 ** 24 - 1]) {
      const beyond = Uint8Array.from(segmentOf(index).neighbours!.table);
      beyond.set([wrong % 256, (wrong >> 8) % 256, wrong >> 16], 3 * 7);
      assert.throws(() => load(meta.neighbours3, { neighbours3: beyond }), refused('CORRUPT', /neighbours3/));
    }
    await index.close();
  });

  it('has three bytes a number; one of four, of an earlier file, is walked with the same answers and saved as it is', async () => {
    const index = await indexOf();
    const { state } = partsOf(index).live;
    const segment = segmentOf(index);
    const { table, degree, idBytes } = segment.neighbours!;
    assert.equal(idBytes, 3);
    assert.equal(table.byteLength, 3 * degree * COUNT);
    const earlier = { ...segment, neighbours: widened(segment.neighbours!) };
    const sections = new Map<string, Uint8Array>();
    for (const { name, bytes } of segmentSections(earlier)) sections.set(name, bytes);
    assert.ok(!sections.has('neighbours3'));
    const load = (changed: Record<string, Uint8Array> = {}) => {
      // biome-ignore lint/correctness/useYield: steps of one who never waits
      const read = function* (name: string, into?: Uint8Array) {
        const bytes = changed[name] ?? sections.get(name)!;
        into?.set(bytes);
        return into ?? bytes;
      };
      return runNow(loadSegment(getCodeKernels(BEST), 'a segment', read, () => true, true));
    };
    const again = load();
    assert.deepEqual(again.neighbours, earlier.neighbours);
    const searcher = new Searcher(getKernels(BEST), getCodeKernels(BEST));
    for (const vector of queries) {
      const task = { vector, norm: lengthOf(vector), k: 10, mode: 'funnel' } as const;
      const [wide, narrow] = [again, segment].map((one) => searcher.search({ ...state, segments: [one] }, task));
      assert.ok(wide!.stages.some(({ name }) => name === 'walk'));
      assert.deepEqual(wide!.ordinals, narrow!.ordinals);
      assert.deepEqual(wide!.keys, narrow!.keys);
    }
    for (const wrong of [COUNT, 2 ** 24, 2 ** 32 - 1]) {
      const beyond = new Uint32Array(earlier.neighbours.table.slice().buffer).fill(wrong, 7, 8);
      assert.throws(() => load({ neighbours: new Uint8Array(beyond.buffer) }), refused('CORRUPT', /neighbours/));
    }
    await index.close();
  });
});
