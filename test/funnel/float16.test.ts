/**
 * A Float16Array is taken wherever vectors are, with the bits of its values; what only calls itself one is refused, with the
 * way to pass it.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Float16Values, funnel } from 'funnelvec';
import { FunnelIndex, importMatrix } from 'funnelvec/store';
import { evaluate } from 'funnelvec/train';
import { tune } from 'funnelvec/tune';
import { halfToFloat, toHalf } from '#dist/core/half.js';

/** Where the runtime has none: two bytes a value, and the name. */
class StandIn extends Uint8Array {
  override get [Symbol.toStringTag](): 'Uint8Array' {
    return 'Float16Array' as 'Uint8Array';
  }
}
interface Halves {
  from(values: number[]): Uint8Array;
}
const { Float16Array: Own } = globalThis as { Float16Array?: Halves };

const values = [0.5, 1, -2, 0.25, 1, 0, 3, 1];
const plan = { scales: [2, 4], keep: 1 };
const query = [1, 0, 0, 0];

describe('a Float16Array', {
  skip: Own === undefined && 'this runtime has none: `npm run runtimes` asks others',
}, () => {
  const halves = (some: number[]) => Own!.from(some) as unknown as Float16Values;

  it('is read as its bits are, in place, and as floats where one vector is asked for', async () => {
    const half = halves(values);
    const bits = new Uint16Array(half.buffer as ArrayBuffer, half.byteOffset, half.length);
    const one = halves(values.slice(0, 4));
    const floats = Float32Array.from(values);
    assert.deepEqual(Array.from(bits, halfToFloat), values);
    const wanted = funnel({ vectors: bits, dim: 4 }, query, plan);
    assert.deepEqual(funnel({ vectors: half, dim: 4 }, query, plan), wanted);
    assert.deepEqual(funnel({ vectors: floats, dim: 4 }, halves(query), plan), wanted);
    assert.deepEqual(
      funnel(
        [
          { id: 0, vector: one },
          { id: 1, vector: halves(values.slice(4)) },
        ],
        query,
        plan,
      )[0]!.score,
      wanted[0]!.score,
    );
    for (const precision of ['float32', 'float16'] as const) {
      const [given, like] = await Promise.all([0, 1].map(() => FunnelIndex.create(':memory:', { dim: 4, precision })));
      await given!.upsert({ ids: [1, 2], vectors: half });
      await given!.upsert([{ id: 3, vector: one as never }]);
      await importMatrix(given!, half, { ids: [4, 5] });
      await like!.upsert({ ids: [1, 2, 3, 4, 5], vectors: Uint16Array.from([...bits, ...bits.slice(0, 4), ...bits]) });
      assert.deepEqual(await given!.get([1, 2, 3, 4, 5]), await like!.get([1, 2, 3, 4, 5]));
      assert.deepEqual(
        (await given!.query({ vector: one as never })).hits,
        (await like!.query({ vector: values.slice(0, 4) })).hits,
      );
      const chosen = await tune({ search: given!, queries: half });
      assert.equal(chosen.target.k > 0, true);
      await Promise.all([given!.close(), like!.close()]);
    }
    const found = await evaluate({ vectors: half, dim: 4 }, [query]);
    assert.deepEqual(found.rows, (await evaluate({ vectors: bits, dim: 4 }, [query])).rows);
  });
});

describe('what calls itself a Float16Array', () => {
  const named = (some: number[]) => new StandIn(Uint16Array.from(some, toHalf).buffer) as unknown as Float16Values;
  const half = named(values);

  it('is refused with what to write in its place, in a matrix its bits, elsewhere floats', async () => {
    const one = named(values.slice(0, 4)) as never;
    const index = await FunnelIndex.create(':memory:', { dim: 4 });
    const asBits = /new Uint16Array\(array\.buffer, array\.byteOffset, array\.length\)$/;
    const asFloats = /Float32Array\.from\(array\)$/;
    const refused: [() => unknown, RegExp][] = [
      [() => funnel({ vectors: half as never, dim: 4 }, query, plan), asBits],
      [() => funnel([{ id: 1, vector: one }], query, plan), asFloats],
      [() => funnel({ vectors: Float32Array.from(values), dim: 4 }, one, plan), asFloats],
      [() => index.upsert({ ids: [1, 2], vectors: half as never }), asBits],
      [() => importMatrix(index, half as never), asBits],
      [() => index.upsert([{ id: 1, vector: one }]), asFloats],
      [() => index.query({ vector: one }), asFloats],
      [() => tune({ search: index, queries: [one, one] }), asFloats],
      [() => tune({ search: index, queries: half as never }), asFloats],
      [() => evaluate({ vectors: half as never, dim: 4 }, [query]), /new Uint16Array.*\(documents\)$/],
    ];
    try {
      for (const [i, [run, said]] of refused.entries()) {
        const told = { code: 'BAD_ARGUMENT', message: said };
        await assert.rejects(async () => run(), told, `case ${i}`);
      }
    } finally {
      await index.close();
    }
  });

  it('is read as the message says', () => {
    const floats = { vectors: Float32Array.from(values), dim: 4 };
    const bits = new Uint16Array(half.buffer as ArrayBuffer, half.byteOffset, half.byteLength / 2);
    assert.deepEqual(Array.from(bits, halfToFloat), values);
    assert.deepEqual(funnel({ vectors: bits, dim: 4 }, query, plan), funnel(floats, query, plan));
  });
});
