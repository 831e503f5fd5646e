/** Values that another realm made, as `vm` and jest have them: taken as those of this realm are. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { fromMilvus, funnel } from 'funnelvec';
import { activeKernels } from 'funnelvec/kernels';
import { FunnelIndex, importJsonl, importMatrix } from 'funnelvec/store';
import { evaluate, fitHead, pairLoss } from 'funnelvec/train';
import { tune } from 'funnelvec/tune';

type Globals = typeof globalThis;
const there = runInNewContext(
  '({ Array, Date, Float32Array, Float64Array, Map, Set, Object, Uint8Array, Uint16Array, Uint32Array, SharedArrayBuffer })',
) as Globals;

const dim = 4;
const values = [0.5, 1, -2, 0.25, 1, 0, 3, 1, 0, 0, 1, 1];
const floats = new there.Float32Array(values);
const halves = new there.Uint16Array([0x3800, 0x3c00, 0xc000, 0x3400]);

describe('values of another realm', () => {
  let index: FunnelIndex;

  before(async () => {
    assert.ok(!((floats as unknown) instanceof Float32Array));
    index = await FunnelIndex.create(':memory:', { dim });
    await index.upsert({ ids: [1, 2, 3], vectors: Float32Array.from(values) });
  });
  after(() => index.close());

  it('are taken by packed upsert, importMatrix and optimize()', async () => {
    const own = await FunnelIndex.create(':memory:', { dim, rotation: 'balanced' });
    await own.upsert({ ids: new there.Array(1, 2, 3), vectors: floats });
    await importMatrix(own, halves, { ids: [4] });
    assert.deepEqual(
      (await own.get([1, 3])).map((row) => Array.from(row!.vector as Float32Array)),
      [values.slice(0, 4), values.slice(8)],
    );
    assert.deepEqual(Array.from((await own.get([4]))[0]!.vector as Float32Array), values.slice(0, 4));
    await own.optimize({ queries: new there.Float32Array(values) });
    await own.close();
  });

  it('are taken as queries, rows of a filter and room for rows', async () => {
    const rows = new there.Uint8Array([0b101]);
    const found = await index.query({ vector: new there.Float32Array(values.slice(4, 8)), filter: { rows } });
    assert.deepEqual(found.hits.map(({ id }) => id).sort(), [1, 3]);
  });

  it('are kept in payloads as what they are, and refused where data has no such form', async () => {
    const own = await FunnelIndex.create(':memory:', { dim });
    const vector = values.slice(0, 4);
    const date = new there.Date(86_400_000);
    await own.upsert([{ id: 1, vector, payload: { date, bytes: new there.Uint8Array([1, 2]) } }]);
    const [row] = await own.get([1], { withPayload: true });
    assert.deepEqual(row!.payload, { date: new Date(86_400_000), bytes: Uint8Array.of(1, 2) });
    const { hits } = await own.query({ vector, filter: { must: [{ key: 'date', range: { gte: date } }] } });
    assert.equal(hits.length, 1);
    for (const lost of [new there.Map([[1, 2]]), new there.Set([1]), new there.Float32Array(2)]) {
      await assert.rejects(own.upsert([{ id: 2, vector, payload: { lost } }]), { code: 'BAD_ARGUMENT' });
    }
    await own.close();
  });

  it('are taken by tune(), fitHead(), evaluate() and losses', async () => {
    const queries = new there.Float32Array(values);
    assert.ok((await tune({ search: index, queries })).target.k > 0);
    assert.deepEqual(
      (await evaluate({ vectors: floats, dim }, { vectors: queries, dim })).rows,
      (await evaluate({ vectors: Float32Array.from(values), dim }, { vectors: Float32Array.from(values), dim })).rows,
    );
    const many = Array.from({ length: 64 * dim }, (_, i) => Math.sin(i * i));
    const fitted = await fitHead({ vectors: new there.Float32Array(many), dim }, { dim: 2 });
    assert.deepEqual(fitted.apply(floats), fitted.apply(Float32Array.from(values)));
    const scores = (vectors: Float32Array) =>
      pairLoss({ vectors, dim }, { vectors: Float32Array.from(values), dim: 4 }, [2]);
    assert.deepEqual(scores(floats), scores(Float32Array.from(values)));
  });

  it('are taken by funnel() and by kernels that are called directly, with the same bits', () => {
    const vectors = Float32Array.from(values);
    const plan = { scales: [2, 4], keep: { count: 2 } };
    assert.deepEqual(
      funnel({ vectors: floats, dim }, floats.slice(0, 4), plan),
      funnel({ vectors, dim }, values.slice(0, 4), plan),
    );
    const shared = new there.Float32Array(new there.SharedArrayBuffer(48));
    shared.set(values);
    assert.deepEqual(
      funnel({ vectors: shared, dim }, values.slice(0, 4), plan),
      funnel({ vectors, dim }, values.slice(0, 4), plan),
    );
    const keys = [new Float64Array(3), new there.Float64Array(3)] as const;
    for (const [i, rows] of [vectors, floats].entries()) {
      const query = i === 0 ? vectors.slice(0, 4) : floats.slice(0, 4);
      activeKernels().scores({ metric: 'dot', query, rows, dim, from: 0, to: dim, keys: keys[i]! });
    }
    assert.deepEqual(Array.from(keys[1]), Array.from(keys[0]));
  });

  it('are taken as chunks of text, and as raw vectors of answers', async () => {
    const own = await FunnelIndex.create(':memory:', { dim: 2 });
    const line = Buffer.from('{"id":1,"vector":[1,2]}\n');
    await importJsonl(own, [new there.Uint8Array(line)]);
    assert.equal(own.count, 1);
    await own.close();
    const answer = { status: { code: 0 }, results: [{ id: 1, v: new there.Uint8Array([0, 0x3c, 0, 0xc0]), score: 1 }] };
    const packed = fromMilvus(answer, { vectorField: 'v', bytes: 'float16' });
    assert.deepEqual(Array.from(packed.vectors), [0x3c00, 0xc000]);
  });
});
