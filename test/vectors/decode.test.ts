/** Vectors as APIs and files hold them: the bits that the same values give as float32, and what is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { FunnelError, type FunnelErrorCode, funnel } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';
import {
  type DecodeOptions,
  decodeVector,
  decodeVectors,
  type ElementType,
  type EncodedVector,
} from 'funnelvec/vectors';
import { Random, SEED } from '../random.js';

const random = new Random(SEED);
const TYPES: readonly ElementType[] = [
  'float64',
  'float32',
  'float16',
  'bfloat16',
  'int8',
  'uint8',
  'binary',
  'ubinary',
];

function refuses(code: FunnelErrorCode, text: RegExp, run: () => unknown): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof FunnelError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  });
}

const integer = (least: number, most: number) => least + Math.floor(random.next() * (most - least + 1));

/** Little-endian bytes of a random row, and its values, by arithmetic of its own. */
function made(type: ElementType, dim: number): { bytes: Uint8Array; values: number[]; numbers: number[] } {
  const bits = type === 'binary' || type === 'ubinary';
  const width = { float64: 8, float32: 4, float16: 2, bfloat16: 2 }[type as string] ?? 1;
  const count = bits ? dim / 8 : dim;
  const bytes = Buffer.alloc(width * count);
  const values: number[] = [];
  const numbers: number[] = [];
  for (let i = 0; i < count; i++) {
    if (type === 'float64') {
      numbers.push(random.next() - 0.5);
      bytes.writeDoubleLE(numbers[i]!, 8 * i);
    }
    if (type === 'float32') {
      numbers.push(Math.fround(random.next() - 0.5));
      bytes.writeFloatLE(numbers[i]!, 4 * i);
    }
    if (width > 2) values.push(numbers[i]!);
    if (type === 'float16') {
      // Normal numbers alone: 2^-14 to 2^15.
      const [sign, exponent, fraction] = [integer(0, 1), integer(1, 30), integer(0, 1023)];
      numbers.push((sign << 15) | (exponent << 10) | fraction);
      values.push((sign ? -1 : 1) * 2 ** (exponent - 15) * (1 + fraction / 1024));
    }
    if (type === 'bfloat16') {
      const [sign, exponent, fraction] = [integer(0, 1), integer(100, 140), integer(0, 127)];
      numbers.push((sign << 15) | (exponent << 7) | fraction);
      values.push((sign ? -1 : 1) * 2 ** (exponent - 127) * (1 + fraction / 128));
    }
    if (width === 2) bytes.writeUInt16LE(numbers.at(-1)!, 2 * i);
    if (width > 1) continue;
    const byte = integer(0, 255);
    bytes[i] = byte;
    numbers.push(type === 'int8' || type === 'binary' ? (byte > 127 ? byte - 256 : byte) : byte);
    if (!bits) values.push(numbers.at(-1)!);
    // The int8 of sentence-transformers: packed bits less 128.
    const packed = type === 'binary' ? numbers.at(-1)! + 128 : byte;
    if (bits) for (const digit of packed.toString(2).padStart(8, '0')) values.push(digit === '1' ? 1 : -1);
  }
  return { bytes: new Uint8Array(bytes), values, numbers };
}

const VIEWS: Record<ElementType, (numbers: number[]) => ArrayBufferView[]> = {
  float64: (numbers) => [Float64Array.from(numbers)],
  float32: (numbers) => [Float32Array.from(numbers)],
  float16: (numbers) => [Uint16Array.from(numbers)],
  bfloat16: (numbers) => [Uint16Array.from(numbers)],
  int8: (numbers) => [Int8Array.from(numbers)],
  uint8: (numbers) => [Uint8ClampedArray.from(numbers)],
  binary: (numbers) => [Int8Array.from(numbers)],
  ubinary: (numbers) => [Int8Array.from(numbers), Uint8Array.from(numbers)],
};

describe('decodeVector() and decodeVectors()', () => {
  it('give the bits that the values have as float32, in whatever form they come', () => {
    for (const type of TYPES) {
      for (let round = 0; round < 40; round++) {
        const dim = 8 * integer(1, 40);
        const { bytes, values, numbers } = made(type, dim);
        const wanted = Float32Array.from(values);
        const shared = new SharedArrayBuffer(bytes.length);
        new Uint8Array(shared).set(bytes);
        const odd = new Uint8Array(bytes.length + 3);
        odd.set(bytes, 3); // no multiple of any width
        const forms: EncodedVector[] = [
          bytes,
          Buffer.from(bytes),
          odd.subarray(3),
          new DataView(odd.buffer, 3),
          bytes.slice().buffer,
          shared,
          Buffer.from(bytes).toString('base64'),
          numbers,
          ...VIEWS[type](numbers),
          runInNewContext('Uint8Array.from(bytes)', { bytes }) as Uint8Array,
        ];
        for (const form of forms) assert.deepEqual(decodeVector(form, { type }), wanted, type);
        assert.deepEqual(decodeVector(bytes, { type, dim }), wanted);
        const rows = decodeVectors(forms, { type });
        assert.equal(rows.dim, dim);
        for (const i of forms.keys()) assert.deepEqual(rows.vectors.subarray(i * dim, (i + 1) * dim), wanted);
        const whole = Buffer.concat([bytes, bytes, bytes]);
        for (const piece of [whole, whole.toString('base64'), [...numbers, ...numbers, ...numbers]]) {
          const matrix = decodeVectors(piece, { type, dim });
          assert.deepEqual(matrix, { vectors: Float32Array.from([...values, ...values, ...values]), dim });
        }
      }
    }
  });

  it('reads a Float16Array where the runtime has one', { skip: !('Float16Array' in globalThis) }, () => {
    const Float16Array = (globalThis as unknown as { Float16Array: typeof Float32Array }).Float16Array;
    assert.deepEqual(
      decodeVector(Float16Array.from([0.1, -2]), { type: 'float16' }),
      Float32Array.of(0.0999755859375, -2),
    );
  });

  it('multiplies and adds by dim, and rounds once', () => {
    for (let round = 0; round < 200; round++) {
      const dim = integer(1, 20);
      const { bytes, values } = made('int8', 3 * dim);
      const scale = Array.from({ length: dim }, () => random.next() / 100);
      const offset = Float64Array.from({ length: dim }, () => random.next() - 0.5);
      const { vectors } = decodeVectors(bytes, { type: 'int8', dim, scale, offset });
      assert.deepEqual(
        vectors,
        Float32Array.from(values, (value, i) => value * scale[i % dim]! + offset[i % dim]!),
      );
      const one = decodeVectors(bytes, { type: 'int8', dim, scale: 1 / 127 });
      assert.deepEqual(
        one.vectors,
        Float32Array.from(values, (value) => value * (1 / 127)),
      );
    }
    refuses('BAD_DIMS', /a number, or one for each of 4 dims, for scale/, () =>
      decodeVector([1, 2, 3, 4], { type: 'uint8', scale: [1, 2] }),
    );
  });

  it('makes what funnels and indexes take', async () => {
    const rows = Array.from({ length: 20 }, () => made('binary', 64).numbers);
    const { vectors, dim } = decodeVectors(rows, { type: 'binary' });
    const query = decodeVector(rows[7]!, { type: 'binary' });
    assert.equal(funnel({ vectors, dim }, query, undefined, { limit: 1 })[0]!.id, 7);
    const index = await FunnelIndex.create(':memory:', { dim });
    await index.upsert({ ids: rows.map((_, i) => i), vectors });
    assert.equal((await index.query({ vector: query, limit: 1 })).hits[0]!.id, 7);
    await index.close();
    // Cosines of ±1 order rows as Hamming distances do: 1 - 2 h / dim.
    const hamming = (row: number[]) =>
      row.reduce((sum, byte, i) => sum + ((byte ^ rows[7]![i]!) & 255).toString(2).replaceAll('0', '').length, 0);
    for (const hit of funnel({ vectors, dim }, query, undefined, { limit: 20 })) {
      assert.ok(Math.abs(hit.score - (1 - (2 * hamming(rows[hit.id as number]!)) / dim)) < 1e-12);
    }
  });

  it('refuse what they cannot know or read, and name the place', () => {
    const one = (vector: unknown, options: unknown) => () =>
      decodeVector(vector as EncodedVector, options as DecodeOptions);
    const all = (vectors: unknown, options: unknown) => () =>
      decodeVectors(vectors as EncodedVector, options as DecodeOptions);
    refuses('BAD_ARGUMENT', /one of float64, .* for type but received undefined/, one([1], {}));
    refuses('BAD_ARGUMENT', /one of float64, .* for type but received "bits"/, one([1], { type: 'bits' }));
    refuses('BAD_ARGUMENT', /dims/, one([1], { type: 'int8', dims: 1 }));
    refuses('BAD_ARGUMENT', /base64 for vector but received "abc"/, one('abc', { type: 'float32' }));
    refuses('BAD_ARGUMENT', /base64/, one('ab-_', { type: 'int8' }));
    refuses('BAD_ARGUMENT', /a Float32Array, bytes, .* for type 'float32'/, one(new Int8Array(4), { type: 'float32' }));
    refuses('BAD_ARGUMENT', /for row 1/, all([[1], null], { type: 'int8' }));
    refuses(
      'BAD_ARGUMENT',
      /an integer of -128 to 127, .* for value 1 of row 1/,
      all(
        [
          [1, 2],
          [1, 200],
        ],
        { type: 'int8' },
      ),
    );
    refuses('BAD_ARGUMENT', /no scale or offset/, one([1], { type: 'float32', scale: 2 }));
    refuses('BAD_ARGUMENT', /scale\[1\]/, one([1, 2], { type: 'int8', scale: [1, Number.NaN] }));
    refuses('NOT_FINITE', /value 1 of vector but received null/, one([1, null], { type: 'float32' }));
    refuses('NOT_FINITE', /dim 1 of vector/, one([1, Number.NaN], { type: 'float32' }));
    refuses('NOT_FINITE', /dim 0 of row 2/, all(new Uint8Array([0, 0, 1, 0, 0, 0x7c]), { type: 'float16', dim: 1 }));
    refuses('NOT_FINITE', /dim 0 of vector/, one([1e300], { type: 'float64' }));
    refuses(
      'BAD_DIMS',
      /a multiple of 4 bytes, .* for vector but received 6/,
      one(new Uint8Array(6), { type: 'float32' }),
    );
    refuses('BAD_DIMS', /Expected 3 dims for vector/, one([1, 2], { type: 'int8', dim: 3 }));
    refuses('BAD_DIMS', /Expected 2 dims for row 1/, all([[1, 2], [1]], { type: 'int8' }));
    refuses('BAD_DIMS', /dims of a row, beside vectors in one piece/, all(new Uint8Array(6), { type: 'int8' }));
    refuses(
      'BAD_DIMS',
      /a multiple of dim \(4\) for vectors but received 6 dims/,
      all(new Uint8Array(6), { type: 'int8', dim: 4 }),
    );
    refuses('BAD_DIMS', /multiple of 8/, all(new Uint8Array(6), { type: 'binary', dim: 12 }));
    refuses('BAD_DIMS', /1 to 65536 dims for vector/, one('', { type: 'int8' }));
    const moved = new Uint8Array(8);
    structuredClone(moved.buffer, { transfer: [moved.buffer] });
    refuses('DETACHED_BUFFER', /vector/, one(moved, { type: 'float32' }));
    assert.deepEqual(decodeVectors([], { type: 'int8', dim: 3 }), { vectors: new Float32Array(0), dim: 3 });
  });

  it('are named where bytes, codes and base64 are refused', () => {
    const rows = [{ id: 1, vector: [1, 0, 0, 0] }];
    for (const bad of [
      Buffer.alloc(16),
      new Int8Array(4),
      new Uint8Array(4),
      new DataView(new ArrayBuffer(16)),
      'AACAPwAA',
    ]) {
      refuses('BAD_ARGUMENT', /decodeVectors\(\) of funnelvec\/vectors/, () => funnel(rows, bad as never));
    }
    for (const bad of [null, 7, {}, 'no text']) {
      assert.throws(
        () => funnel(rows, bad as never),
        (error: Error) => !/decodeVectors/.test(error.message),
      );
    }
  });
});
