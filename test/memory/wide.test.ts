/**
 * Matrices that begin or end beyond 2^31 and 2^32 bytes. The memory is shared and mostly never written, so that few of its
 * pages exist: a row that was not written is zeros, and scores 0.
 */
// Runs alone: it takes many gigabytes.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { funnel, funnelAsync, funnelBatchAsync, listKernels, type Plan, useKernels } from 'funnelvec';
import { getKernels } from 'funnelvec/kernels';
import { FunnelIndex } from 'funnelvec/store';
import { fromPost, toPost } from '#dist/kernels/post.js';
import { Random, SEED } from '../random.js';

const DIM = 16_384;
const ROW_BYTES = 4 * DIM;
const active = listKernels().find((kernels) => kernels.active)!.name;
const names = ['js', 'wasm', active] as const;
const PLAN: Plan = { scales: [64, 128], keep: [{ count: 50 }, 1], limit: 3 };
const random = new Random(SEED);
const query = random.vector(DIM);
const other = random.vector(DIM);

/** 2^32 bytes and a little. */
const memory = new SharedArrayBuffer(2 ** 32 + 64 * ROW_BYTES);

const BEGINNINGS = [2 ** 31 - 2 * ROW_BYTES, 2 ** 31, 2 ** 32 - 3 * ROW_BYTES, 2 ** 32, 2 ** 32 + 8 * ROW_BYTES];

after(() => {
  useKernels(active);
});

describe('a view that begins beyond 2^31 or 2^32 bytes', { timeout: 120_000 }, () => {
  for (const begin of BEGINNINGS) {
    const vectors = new Float32Array(memory, begin, 40 * DIM);
    for (const name of names) {
      it(`at ${begin} is ranked as a copy of it is, on ${name}`, async () => {
        vectors.fill(0);
        vectors.set(random.vector(40 * DIM));
        vectors.set(other, 7 * DIM);
        vectors.set(query, 33 * DIM);
        const copy = vectors.slice();
        useKernels('js');
        const want = funnel({ vectors: copy, dim: DIM }, query, PLAN);
        assert.equal(want[0]!.index, 33);
        useKernels(name);
        assert.deepEqual(funnel({ vectors, dim: DIM }, query, PLAN), want);
        // Many at once, so that it is worth a thread.
        const requests = Array.from({ length: 40 }, () => ({ candidates: { vectors, dim: DIM }, query }));
        for (const got of await funnelBatchAsync(requests, PLAN)) assert.deepEqual(got, want);
        const kernels = getKernels(name);
        const task = { metric: 'cosine', query, rows: vectors, dim: DIM, to: DIM } as const;
        const [indices, keys] = [new Uint32Array(3), new Float64Array(3)];
        assert.equal(await kernels.scanAsync({ ...task, indices, keys }), -1);
        assert.equal(indices[0], 33);
        assert.equal(keys[0], 1);
      });
    }
  }
});

describe('a matrix of more than 2^32 bytes', { timeout: 240_000 }, () => {
  for (const name of names) {
    it(`is ranked to its last row on ${name}, and its rows are numbered right`, async () => {
      useKernels(name);
      for (const begin of BEGINNINGS) new Float32Array(memory, begin, 40 * DIM).fill(0);
      const vectors = new Float32Array(memory);
      const count = vectors.length / DIM;
      const rows = { first: 3, middle: 2 ** 31 / ROW_BYTES + 5, last: count - 1 };
      vectors.set(query, rows.last * DIM);
      vectors.set(
        query.map((x, i) => (i % 3 === 0 ? 0 : x)),
        rows.middle * DIM,
      );
      vectors.set(
        query.map((x, i) => (i % 2 === 0 ? 0 : x)),
        rows.first * DIM,
      );
      const hits = await funnelAsync({ vectors, dim: DIM }, query, PLAN);
      assert.deepEqual(
        hits.map(({ index }) => index),
        [rows.last, rows.middle, rows.first],
      );
      assert.equal(hits[0]!.score, 1);
      const at = rows.last * DIM + DIM - 1;
      const kept = vectors[at]!;
      vectors[at] = Number.NaN;
      await assert.rejects(funnelAsync({ vectors, dim: DIM }, query, PLAN), {
        code: 'NOT_FINITE',
        message: new RegExp(`dim ${DIM - 1} of row ${rows.last}`),
      });
      vectors[at] = kept;
    });
  }

  it('goes into an index from beyond 2^32 bytes', async () => {
    const vectors = new Float32Array(memory, 2 ** 32 + 4 * ROW_BYTES, 20 * DIM);
    vectors.set(random.vector(20 * DIM));
    vectors.set(query, 19 * DIM);
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await index.upsert({ ids: Array.from({ length: 20 }, (_, i) => i), vectors });
    const { hits } = await index.query({ vector: query, limit: 1, mode: 'exact' });
    assert.deepEqual([hits[0]!.id, hits[0]!.score], [19, 1]);
    const out = new Float32Array(memory, 2 ** 32 + 30 * ROW_BYTES, DIM);
    index.gather([19], out);
    assert.deepEqual(out, query);
    await index.close();
  });
});

describe('a message to a thread', () => {
  it('is posted as it is without views of buffers beyond 2^32 bytes', () => {
    const message = { a: [new Float32Array(3)], b: { c: new Uint8Array(new SharedArrayBuffer(16), 8) }, n: 1, t: 'x' };
    assert.equal(toPost(message), message);
    assert.equal(fromPost(message), message);
  });

  it('has them again on the other side, at any depth, whatever their type', () => {
    const views = [Float32Array, Float64Array, Int8Array, Int32Array, Uint8Array, Uint16Array, Uint32Array].map(
      (Type, i) => new Type(memory as never, 2 ** 32 + 8 * i, 3 + i),
    );
    const small = new Float32Array(2);
    const message = { job: { list: [{ views }, null], small, date: 'x', none: undefined }, n: [1, 2] };
    const posted = structuredClone(toPost(message));
    assert.deepEqual(Object.keys(posted as object), ['wideMessage']);
    const got = fromPost(posted as typeof message);
    assert.deepEqual(got.n, [1, 2]);
    assert.deepEqual(got.job.small, small);
    for (const [i, view] of views.entries()) {
      const there = got.job.list[0]!.views[i]!;
      assert.equal(there.constructor, view.constructor);
      assert.deepEqual([there.byteOffset, there.length], [view.byteOffset, view.length]);
      view[1] = i + 1; // one memory
      assert.equal(there[1], i + 1);
      view[1] = 0;
    }
  });
});
