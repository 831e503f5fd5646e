/**
 * Findings of `npm run fuzz`, each as it was found: once an answer that was wrong, or an error that was no FunnelError.
 */
// Runs alone: it measures how soon a call ends.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelSearch, fromMilvus, fromQdrant, funnel, funnelBatch } from 'funnelvec';
import { getKernels, listKernels } from 'funnelvec/kernels';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { least, wallMs } from '../patient.js';

const bad = (code: string, run: () => unknown) => assert.throws(run, { name: 'FunnelError', code });
const rejected = (code: string, run: Promise<unknown>) => assert.rejects(run, { name: 'FunnelError', code });
const holes = (length: number) => new Array(length) as never[];

/** Says that it is longer than it is. */
function liar(length: number, says: number): Float32Array {
  return Object.defineProperty(new Float32Array(length).fill(1), 'length', { value: says });
}

describe('ids that were never written', () => {
  it('are not found under their low 64 bits, nor deleted', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 1 });
    await index.upsert([0n, 7n, -1n].map((id) => ({ id, vector: [1] })));
    for (const id of [2n ** 64n, 2n ** 64n + 7n, -(2n ** 63n) - 1n, 2n ** 128n - 1n]) {
      assert.equal(index.has(id), false);
      assert.deepEqual(await index.get([id]), [undefined]);
      assert.deepEqual(await index.delete([id]), { count: 0 });
      assert.deepEqual((await index.query({ vector: [1], filter: { ids: [id] } })).hits, []);
    }
    assert.equal(index.count, 3);
    await index.close();
  });

  it('are not found under what UTF-8 makes of half a character', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 1 });
    await index.upsert([{ id: 'a\ufffd', vector: [1] }]);
    assert.equal(index.has('a\ud800'), false);
    assert.deepEqual(index.deleteSync('a\udfff'), { count: 0 });
    assert.equal(index.has('a\ufffd'), true);
    await index.close();
  });

  it('and are no ids at all, are refused', async () => {
    for (const [id, odd] of [
      [1n, {}],
      ['a', new Date()],
      [1, null],
    ] as const) {
      const index = await FunnelIndex.create(':memory:', { dim: 1 });
      await index.upsert([{ id, vector: [1] }]);
      await rejected('BAD_ID', index.delete([odd as never]));
      bad('BAD_ID', () => index.deleteSync([odd as never]));
      await rejected('BAD_ID', index.get([odd as never]));
      assert.equal(index.has(odd as never), false);
      await index.close();
    }
  });
});

describe('arrays with holes', () => {
  it('are arrays of what is missing', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 2 });
    await index.upsert([{ id: 1, vector: [1, 2] }]);
    const search = new FunnelSearch({ source: embeddedSource(index) });
    await rejected('BAD_ARGUMENT', index.queryBatch(holes(1)));
    bad('BAD_ARGUMENT', () => index.queryBatchSync(holes(2)));
    await rejected('BAD_ARGUMENT', search.queryBatch(holes(1)));
    await rejected('BAD_ID', index.recommend({ positive: holes(1) }));
    await rejected('BAD_ARGUMENT', index.upsert([{ id: 2, vector: [1, 1] }, ...holes(1)]));
    assert.equal(index.count, 1);
    bad('BAD_ARGUMENT', () => funnelBatch(holes(1)));
    bad('BAD_PLAN', () => funnel([{ vector: [1, 2] }], [1, 2], { scales: [1, 2], keep: holes(2) }));
    bad('BAD_RESPONSE', () => fromQdrant(holes(1)));
    await index.close();
  });

  it('of any length are refused at once', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 24 });
    const refuse = async () => {
      await rejected('BAD_ARGUMENT', index.upsert(holes(2 ** 32 - 1)));
      await rejected('BAD_ARGUMENT', index.queryBatch(holes(2 ** 32 - 1)));
      bad('BAD_PLAN', () => funnel([{ vector: [1] }], [1], { scales: [1], keep: holes(2 ** 32 - 1) }));
    };
    assert.ok((await least(1000, () => wallMs(refuse))) < 1000);
    await index.close();
  });
});

describe('lengths that are lies', () => {
  it('are told from those that memory has', async () => {
    const rows = [{ vector: new Float32Array(64).fill(1) }];
    bad('BAD_ARGUMENT', () => funnel(rows, liar(4, 64)));
    bad('BAD_ARGUMENT', () => funnel({ vectors: liar(8, 8_000), dim: 8 }, [1, 1, 1, 1, 1, 1, 1, 1]));
    const index = await FunnelIndex.create(':memory:', { dim: 64 });
    await rejected('BAD_ARGUMENT', index.upsert({ ids: [1], vectors: liar(4, 64) }));
    await rejected('BAD_ARGUMENT', index.query({ vector: liar(4, 64) }));
    assert.equal(index.count, 0);
    await index.close();
    for (const { name, supported } of listKernels()) {
      if (!supported) continue;
      const kernels = getKernels(name);
      const base = { metric: 'cosine' as const, dim: 64, from: 0, to: 64, keys: new Float64Array(1) };
      bad('BAD_ARGUMENT', () => kernels.scores({ ...base, query: liar(4, 64), rows: new Float32Array(64) }));
      bad('BAD_ARGUMENT', () => kernels.scores({ ...base, query: new Float32Array(64), rows: liar(4, 64) }));
    }
  });
});

describe('kernels', () => {
  it('work on what was checked, not on what a getter answers next', () => {
    for (const { name, supported } of listKernels()) {
      if (!supported) continue;
      const kernels = getKernels(name);
      let asked = 0;
      const task = {
        metric: 'dot' as const,
        query: Float32Array.of(1, 2),
        get rows() {
          return asked++ === 0 ? Float32Array.of(3, 4) : new Float32Array(2 << 20);
        },
        dim: 2,
        from: 0,
        to: 2,
        keys: new Float64Array(1),
      };
      assert.equal(kernels.scores(task), -1);
      assert.deepEqual([...task.keys], [11]);
      for (const odd of [undefined, null, 7]) {
        bad('BAD_ARGUMENT', () => kernels.scan(odd as never));
        bad('BAD_ARGUMENT', () => kernels.funnelBatch(odd as never));
      }
      const gone = new Float64Array(4);
      structuredClone(gone.buffer, { transfer: [gone.buffer] });
      bad('DETACHED_BUFFER', () => kernels.topK(Float64Array.of(1, 2), new Uint32Array(0), gone));
    }
    for (const odd of [1n, holes(2 ** 32 - 1), Symbol('x')]) bad('KERNELS_UNAVAILABLE', () => getKernels(odd as never));
  });
});

describe('answers of clients', () => {
  it('are read once, and what is odd in them is said', () => {
    let asked = 0;
    const changing = {
      get points() {
        return asked++ === 0 ? [{ id: 1, vector: [1, 2] }] : { length: 1 };
      },
    };
    assert.equal(fromQdrant(changing).ids!.length, 1);
    const endless: { result?: unknown } = {};
    endless.result = { result: endless };
    bad('BAD_RESPONSE', () => fromQdrant(endless));
    bad('BAD_ARGUMENT', () => fromQdrant([], { vector: [holes(2 ** 32 - 1)] as never }));
    bad('BAD_ARGUMENT', () => fromQdrant([], { vectors: 'full' } as never));
    const status = { error_code: 'Success', code: holes(2 ** 32 - 1) };
    bad('REFUSED', () => fromMilvus({ status, results: [] }, { vectorField: 'v' }));
    bad('BAD_ARGUMENT', () => fromMilvus([], { vectorField: 'v', idField: {} as never }));
  });
});

it('options that are nothing, or change while they are read, are refused or read once', async () => {
  const index = await FunnelIndex.create(':memory:', { dim: 1 });
  await index.upsert([{ id: 1, vector: [1] }]);
  await rejected('BAD_ARGUMENT', index.get([1], null as never));
  let asked = 0;
  const filter = {
    get rows() {
      return asked++ === 0 ? Uint8Array.of(1) : 'rows';
    },
  };
  assert.equal((await index.query({ vector: [1], filter: filter as never })).hits.length, 1);
  bad('BAD_ARGUMENT', () => new FunnelSearch({ source: { head: () => {} } as never }));
  asked = 0;
  const source = embeddedSource(index, {
    get head() {
      return asked++ === 0 ? 1 : (null as never); // once the process ended with SIGFPE
    },
  });
  assert.equal((await source.info()).headDim, 1);
  await index.close();
});
