/** Matryoshka vectors cut to fewer dims. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelError } from 'funnelvec';
import { type TruncateOptions, truncate } from 'funnelvec/vectors';
import { Random, SEED } from '../random.js';

const random = new Random(SEED);
const refuses = (vectors: unknown, options: unknown, code: string, text: RegExp) =>
  assert.throws(
    () => truncate(vectors as Float32Array, options as TruncateOptions),
    (error: unknown) => {
      assert.ok(error instanceof FunnelError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, text);
      return true;
    },
  );

/** The same by plain float64 arithmetic. */
function plain(row: readonly number[], { dim, layerNorm = false, normalise = true }: TruncateOptions): number[] {
  const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
  const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
  const whole = layerNorm ? row.map((value) => (value - mean) / Math.sqrt(variance + 1e-5)) : row;
  const cut = whole.slice(0, dim);
  const length = normalise ? Math.sqrt(cut.reduce((sum, value) => sum + value * value, 0)) : 1;
  return cut.map((value) => (length === 0 ? value : value / length));
}

describe('truncate()', () => {
  it('cuts, then brings to length 1; layer norm comes first', () => {
    for (let round = 0; round < 100; round++) {
      const from = 1 + Math.floor(random.next() * 40);
      const dim = 1 + Math.floor(random.next() * from);
      const rows = Array.from({ length: 3 }, () => Array.from(random.vector(from)));
      for (const options of [{}, { normalise: false }, { layerNorm: true }, { layerNorm: true, normalise: false }]) {
        const cut = truncate(Float32Array.from(rows.flat()), { dim, from, ...options });
        assert.equal(cut.length, 3 * dim);
        const wanted = rows.flatMap((row) => plain(row, { dim, ...options }));
        for (const [i, value] of wanted.entries()) assert.ok(Math.abs(cut[i]! - value) < 2e-6, `${cut[i]} ${value}`);
      }
    }
    const raw = Float32Array.of(0.1, 0.2, 0.3, -0.7);
    assert.deepEqual(truncate(raw, { from: 4, dim: 2, normalise: false }), raw.slice(0, 2), 'the same bits');
    assert.deepEqual(truncate(new Float32Array(4), { from: 4, dim: 2 }), new Float32Array(2));
  });

  it('takes float64 and float16 bits as the same values of float32', () => {
    const values = [1, -0.5, 0.25, 2];
    const wanted = truncate(Float32Array.from(values), { from: 2, dim: 1 });
    assert.deepEqual(truncate(Float64Array.from(values), { from: 2, dim: 1 }), wanted);
    assert.deepEqual(truncate(Uint16Array.of(0x3c00, 0xb800, 0x3400, 0x4000), { from: 2, dim: 1 }), wanted);
  });

  it('knows presets: their dims, their layer norm, and where they were trained to be cut', () => {
    const nomic = { preset: 'nomic-embed-text-v1.5' };
    const row = random.vector(768);
    assert.deepEqual(truncate(row, { ...nomic, dim: 256 }), truncate(row, { from: 768, dim: 256, layerNorm: true }));
    assert.notDeepEqual(truncate(row, { ...nomic, dim: 256 }), truncate(row, { from: 768, dim: 256 }));
    refuses(row, { ...nomic, dim: 200 }, 'BAD_DIMS', /trained to be cut to, 768, 512, .* for dim but received 200/);
    refuses(row, { ...nomic, dim: 256, from: 512 }, 'BAD_DIMS', /whole vectors are cut/);
    refuses(random.vector(384), { preset: 'all-MiniLM-L6-v2', dim: 64 }, 'BAD_DIMS', /no Matryoshka model/);
    refuses(row, { preset: 'nomic', dim: 64 }, 'BAD_ARGUMENT', /nomic-embed-text-v1\.5, .* for preset/);
  });

  it('refuses what it cannot cut', () => {
    const row = random.vector(8);
    refuses(row, { from: 8 }, 'BAD_DIMS', /for dim but received undefined/);
    refuses(row, { dim: 4 }, 'BAD_DIMS', /for from but received undefined/);
    refuses(row, { dim: 9, from: 8 }, 'BAD_DIMS', /at most the 8 dims/);
    refuses(row, { dim: 2, from: 3 }, 'BAD_DIMS', /a multiple of from \(3\)/);
    refuses(row, { dim: 2, from: 8, normalize: true }, 'BAD_ARGUMENT', /normalise/);
    refuses(row, { dim: 2, from: 8, layerNorm: 1 }, 'BAD_ARGUMENT', /a boolean for layerNorm/);
    refuses(Array.from(row), { dim: 2, from: 8 }, 'BAD_ARGUMENT', /a Float32Array/);
    refuses(new Int8Array(8), { dim: 2, from: 8 }, 'BAD_ARGUMENT', /decodeVectors/);
    row[5] = Number.NaN;
    refuses(row, { dim: 2, from: 8 }, 'NOT_FINITE', /dim 5 of row 0/);
  });
});
