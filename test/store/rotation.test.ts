/** The rotation in whole numbers: B q' in every bit, q' as near to the query as it says. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { getCodeKernels, listCodeKernels } from '#dist/kernels/codes-load.js';
import { type Basis, MOST_SKEW, principalBasis } from '#dist/store/engine/basis.js';
import { arrayIn, Scratch } from '#dist/store/engine/memory.js';
import { rotateQuery } from '#dist/store/engine/prepared.js';
import type { Coding } from '#dist/store/engine/segment.js';
import { Random, SEED } from '../random.js';

const names = listCodeKernels().flatMap(({ name, supported }) => (supported ? [name] : []));

function units(count: number, dim: number, random: Random): Float32Array {
  const rows = new Float32Array(count * dim);
  for (let r = 0; r < count; r++) rows.set(unit(random.vector(dim)), r * dim);
  return rows;
}

function unit(vector: Float32Array): Float32Array {
  const length = lengthOf(vector);
  return vector.map((value) => value / length);
}

function lengthOf(vector: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i]! ** 2;
  return Math.sqrt(sum);
}

/** A basis by hand: directions given in steps. */
function handMade(steps: readonly (readonly number[])[], dim: number): Pick<Basis, 'plane' | 'step'> {
  const stride = Math.ceil(dim / 8) * 8;
  const plane = new Uint8Array(2 * steps.length * stride);
  steps.forEach((row, i) => {
    row.forEach((value, j) => {
      const low = (value << 24) >> 24;
      plane[2 * i * stride + j] = (value - low) >> 8;
      plane[(2 * i + 1) * stride + j] = low;
    });
  });
  return { plane, step: 2 ** -15 };
}

function codingOf(name: string, dim: number, width: number, { plane, step }: Pick<Basis, 'plane' | 'step'>): Coding {
  const own = arrayIn(getCodeKernels(name), Uint8Array, plane.length);
  own.set(plane);
  const basis = { dim, width, plane: own, step, columns: new Float32Array(0), skew: 0 };
  return { dim, mean: null, basis, head: width, width } as unknown as Coding;
}

function rotated(name: string, coding: Coding, query: Float32Array, width = coding.width) {
  const scratch = new Scratch(getCodeKernels(name));
  const { u, length, off } = rotateQuery(scratch, coding, { values: query, norm: lengthOf(query) }, width);
  return { u: Array.from(u.subarray(0, width)), length, off };
}

const QUERIES: Record<string, (dim: number, random: Random) => Float32Array> = {
  'random directions': (dim, random) => random.vector(dim),
  'one dim': (dim) => Float32Array.from({ length: dim }, (_, i) => (i === dim - 1 ? -3 : 0)),
  'equal dims, the largest sums': (dim) => new Float32Array(dim).fill(-1),
  'one large dim over small ones': (dim, random) => random.vector(dim).map((value, i) => (i === 0 ? 100 : value)),
  'tiny values': (dim, random) => random.vector(dim).map((value) => value * 1e-38),
  'huge values': (dim, random) => random.vector(dim).map((value) => value * 1e36),
};

describe('rotation of a query', () => {
  for (const [dim, width] of [
    [20, 16],
    [768, 64],
    [4096, 16],
    [8192, 8],
  ] as const) {
    for (const [kind, make] of Object.entries(QUERIES)) {
      it(`${dim} dims, ${kind}: the basis times a query as near as it says, the same from every kernel`, () => {
        const random = new Random(SEED + dim);
        // The largest steps, all of one sign: sums as large as they can be; and any steps.
        const steps = Array.from({ length: width }, (_, i) =>
          Array.from({ length: dim }, () => (i === 0 ? 32_512 + 127 : i === 1 ? -32_640 : random.int(-32_640, 32_639))),
        );
        const basis = handMade(steps, dim);
        const query = make(dim, random);
        const length = lengthOf(query);
        const answers = names.map((name) => rotated(name, codingOf(name, dim, width, basis), query));
        for (const answer of answers.slice(1)) assert.deepEqual(answer, answers[0]);
        const { u, length: own, off } = answers[0]!;
        assert.ok(off < 0.003, `off by ${off}`);
        assert.ok(Math.abs(own - 1) <= off + 1e-8);
        for (let i = 0; i < width; i++) {
          let exact = 0;
          for (let j = 0; j < dim; j++) exact += (query[j]! / length) * steps[i]![j]! * basis.step;
          const most = off * lengthOf(steps[i]!) * basis.step;
          assert.ok(Math.abs(u[i]! - exact) <= most * (1 + 1e-9), `direction ${i}: ${u[i]} for ${exact}`);
        }
        assert.deepEqual(rotated(names[0]!, codingOf(names[0]!, dim, width, basis), query, 8).u, u.slice(0, 8));
      });
    }
  }

  it('keeps length and dot products by a basis of all directions', () => {
    const random = new Random(SEED);
    const codes = getCodeKernels('js');
    const basis = principalBasis(codes, [units(200, 24, random)], 24, 24);
    assert.ok(basis.skew < MOST_SKEW / 10, `skew ${basis.skew}`);
    const coding = codingOf('js', 24, 24, basis);
    const [a, b] = [random.vector(24), random.vector(24)].map(unit) as [Float32Array, Float32Array];
    const [ra, rb] = [rotated('js', coding, a).u, rotated('js', coding, b).u];
    const dot = (x: ArrayLike<number>, y: ArrayLike<number>) => Array.from(x).reduce((sum, v, i) => sum + v * y[i]!, 0);
    assert.ok(Math.abs(lengthOf(ra) - 1) < 1e-3);
    assert.ok(Math.abs(dot(ra, rb) - dot(a, b)) < 1e-3);
  });

  it('takes axes as directions', () => {
    const codes = getCodeKernels('js');
    const axes = new Float32Array(64);
    for (let i = 0; i < 8; i++) axes[i * 8 + i] = 1;
    const basis = principalBasis(codes, [axes], 8, 8);
    assert.ok(basis.skew < MOST_SKEW / 10);
    const query = new Float32Array(8).fill(0.5);
    query[3] = -2;
    const { u } = rotated('js', codingOf('js', 8, 8, basis), query);
    assert.ok(Math.abs(lengthOf(u) - 1) < 1e-3);
  });
});

describe('The rotation for orders', () => {
  const dim = 40;
  const random = new Random(SEED);
  const query = unit(random.vector(dim));
  const rowsOf = (most: number) =>
    Array.from({ length: 16 }, () => Array.from({ length: dim }, () => Math.round((2 * random.next() - 1) * most)));
  const rough = (name: string, coding: Coding) => {
    const scratch = new Scratch(getCodeKernels(name));
    const { u, off } = rotateQuery(scratch, coding, { values: query, norm: lengthOf(query) }, coding.width, true);
    return { u: Array.from(u.subarray(0, coding.width)), off };
  };

  for (const name of names) {
    it(`${name}: is by high bytes, and promises no bound`, () => {
      const basis = { ...handMade(rowsOf(30_000), dim), step: 2 ** -17 };
      const coding = codingOf(name, dim, 16, basis);
      const whole = rotated(name, coding, query);
      const { u, off } = rough(name, coding);
      assert.equal(off, Infinity);
      assert.notDeepEqual(u, whole.u);
      const most = 128 * basis.step * query.reduce((sum, value) => sum + Math.abs(value), 0) * 1.01;
      u.forEach((value, i) => {
        assert.ok(Math.abs(value - whole.u[i]!) <= most, `${i}: ${value}, ${whole.u[i]}`);
      });
    });

    it(`${name}: is whole where high bytes are too coarse`, () => {
      const coding = codingOf(name, dim, 16, handMade(rowsOf(30_000), dim));
      const whole = rotated(name, coding, query);
      const { u, off } = rough(name, coding);
      assert.deepEqual({ u, off }, { u: whole.u, off: whole.off });
    });
  }
});
