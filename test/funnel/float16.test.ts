/** A Float16Array is refused with the way to pass it, wherever vectors are taken; and that way works. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { funnel } from 'funnelvec';
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
const halves = (values: number[]): Uint8Array =>
  Own?.from(values) ?? new StandIn(Uint16Array.from(values, toHalf).buffer);

describe('a Float16Array', () => {
  const values = [0.5, 1, -2, 0.25, 1, 0, 3, 1];
  const half = halves(values);
  const plan = { scales: [2, 4], keep: 1 };
  const query = [1, 0, 0, 0];

  it('is refused with what to write in its place, in a matrix its bits, elsewhere floats', async () => {
    const one = halves(values.slice(0, 4)) as never;
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
    const bits = new Uint16Array(half.buffer, half.byteOffset, half.byteLength / 2);
    assert.deepEqual(Array.from(bits, halfToFloat), values);
    assert.deepEqual(funnel({ vectors: bits, dim: 4 }, query, plan), funnel(floats, query, plan));
  });
});
