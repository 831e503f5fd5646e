/** Functions with the same bits in every engine: near those of Math, and equal to what was computed once. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { it } from 'node:test';
import { littleEndian } from '#dist/core/elements.js';
import {
  cosOfPi,
  expMinusOne,
  expOf,
  lengthOfTwo,
  log2Of,
  logOf,
  logOfOnePlus,
  tanhOf,
} from '#dist/core/exact-math.js';

/** Numbers of both signs, from 2^-40 to 2^9. */
const VALUES = Float64Array.from(
  { length: 4000 },
  (_, i) => (i % 2 ? -1 : 1) * (1 + ((i * 48_271) % 65_537) / 65_537) * 2 ** ((i % 50) - 40),
);
const positive = VALUES.map(Math.abs);

const CASES: readonly [string, (x: number) => number, (x: number) => number, Float64Array][] = [
  ['expOf', expOf, Math.exp, VALUES],
  ['expMinusOne', expMinusOne, Math.expm1, VALUES],
  ['tanhOf', tanhOf, Math.tanh, VALUES],
  ['logOf', logOf, Math.log, positive],
  ['log2Of', log2Of, Math.log2, positive],
  ['logOfOnePlus', logOfOnePlus, Math.log1p, VALUES.filter((x) => x > -1)],
  ['lengthOfTwo', (x) => lengthOfTwo(x, 3), (x) => Math.hypot(x, 3), VALUES],
  ['cosOfPi', (x) => 2 + cosOfPi(x % 1), (x) => 2 + Math.cos(Math.PI * (x % 1)), positive],
];

it('functions of exact-math are within 7e-16 of those of Math', () => {
  for (const [name, ours, theirs, values] of CASES) {
    for (const x of values) {
      const wanted = theirs(x);
      assert.ok(Math.abs(ours(x) - wanted) <= 7e-16 * Math.abs(wanted), `${name}(${x}): ${ours(x)} for ${wanted}`);
    }
  }
});

it('their values at the ends of the range are those of Math', () => {
  for (const x of [0, Number.NaN, Infinity, -Infinity, -1, 5e-324, 1e-310, 709.9, -744, -746]) {
    for (const [name, ours, theirs] of CASES.slice(0, 6)) {
      const [got, wanted] = [ours(x), theirs(x)];
      assert.ok(
        got === wanted || (Number.isNaN(got) && Number.isNaN(wanted)) || Math.abs(got / wanted - 1) < 1e-15,
        `${name}(${x}): ${got}`,
      );
    }
  }
  for (let k = -1074; k < 1024; k++) assert.equal(log2Of(2 ** k), k);
  for (const [a, b] of [
    [3e200, 4e200],
    [3e-200, 4e-200],
    [0, 0],
    [5e-324, 0],
  ] as const) {
    assert.ok(Math.abs(lengthOfTwo(a, b) - Math.hypot(a, b)) <= 1e-15 * Math.hypot(a, b));
  }
});

it('their bits are those that any engine computes', () => {
  const hash = createHash('sha256');
  for (const [, ours, , values] of CASES) hash.update(littleEndian(values.map(ours), 8));
  assert.equal(hash.digest('hex').slice(0, 16), '9b125d6f1c7dae07');
});
