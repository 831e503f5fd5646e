/** The refinement as a list of stages: whichever are there, an exact search answers what a scan does. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { atOnce } from '#dist/core/slices.js';
import type { CodeKernels } from '#dist/kernels/codes.js';
import { getCodeKernels, listCodeKernels } from '#dist/kernels/codes-load.js';
import { METRICS, type Metric } from '#dist/kernels/kernels.js';
import { getKernels } from '#dist/kernels/load.js';
import { encodeRange, planCoding, roomFor } from '#dist/store/engine/build.js';
import { squareOf } from '#dist/store/engine/centre.js';
import { finishSegment, sortByList } from '#dist/store/engine/finish.js';
import { arrayIn } from '#dist/store/engine/memory.js';
import { rowQuerySide } from '#dist/store/engine/prepared.js';
import { rowQuantiser } from '#dist/store/engine/quantiser.js';
import { Searcher } from '#dist/store/engine/search.js';
import { blocksOf, type Lengths, type Segment } from '#dist/store/engine/segment.js';
import { FINE, FULL, LEVEL, REFINEMENT, type RefineStage } from '#dist/store/engine/stages.js';
import type { RowTier, SearchState } from '#dist/store/engine/types.js';
import { Random, SEED } from '../random.js';

const DIM = 48;
const COUNT = 500;
/** Dims of the plane that this test adds. */
const OWN = 16;

const names = listCodeKernels().flatMap(({ name, supported }) => (supported ? [name] : []));

function segmentOf(kernels: CodeKernels, rows: Float32Array, metric: Metric): Segment {
  const reader = { count: COUNT, read: (first: number, n: number) => rows.subarray(first * DIM, (first + n) * DIM) };
  const options = { dim: DIM, metric, rotation: 'pca', head: 8, width: 24 } as const;
  const plan = atOnce(planCoding(kernels, reader, options));
  const encoded = roomFor(kernels, plan.coding, COUNT);
  atOnce(encodeRange(kernels, plan, reader, 0, COUNT, encoded));
  const ordinals = Uint32Array.from({ length: COUNT }, (_, r) => r);
  return atOnce(finishSegment(kernels, plan, encoded, ordinals, () => true, atOnce(sortByList(encoded, plan))));
}

function stateOf(codes: CodeKernels, rows: Float32Array, metric: Metric): SearchState {
  const chunks = [rows];
  const tier: RowTier = {
    resident: true,
    score: (query, metric, some, count, keys) =>
      codes.scoresAt({ metric, query, chunks, chunkRows: 2 ** 31, stride: DIM, dim: DIM, rows: some, count, keys }),
    read: (first, n, out) => out.set(rows.subarray(first * DIM, (first + n) * DIM)),
  };
  return { metric, dim: DIM, segments: [segmentOf(codes, rows, metric)], unindexed: new Uint32Array(0), rows: tier };
}

/** One byte each, rounded up. */
function bytesOf(codes: CodeKernels, values: Float64Array): Lengths {
  const scale = (Math.max(...values) / 255) * (1 + 1e-12);
  const bytes = arrayIn(codes, Uint8Array, blocksOf(COUNT) * 16);
  values.forEach((value, r) => {
    bytes[r] = Math.min(255, Math.ceil(value / scale));
  });
  return { bytes, scale };
}

/** Another plane, as docs/internals/recipes.md has it: the first 16 dims of the rows themselves, 8 bits each. */
function ownStage(codes: CodeKernels, rows: Float32Array): RefineStage {
  const units = new Float64Array(rows.length);
  const tails = new Float64Array(COUNT);
  for (let r = 0; r < COUNT; r++) {
    const row = rows.subarray(r * DIM, (r + 1) * DIM);
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    for (let j = 0; j < DIM; j++) {
      units[r * DIM + j] = row[j]! / length;
      if (j >= OWN) tails[r]! += (row[j]! / length) ** 2;
    }
    tails[r] = Math.sqrt(tails[r]!) + 1e-9;
  }
  const quantiser = rowQuantiser(units, DIM, 0, OWN);
  const plane = arrayIn(codes, Uint8Array, COUNT * OWN);
  const squares = new Float64Array(COUNT);
  const task = { values: units, count: COUNT, stride: DIM, offset: 0, dims: OWN, ...quantiser };
  codes.encodeRows({ ...task, first: 0, plane, error: squares });
  const error = bytesOf(
    codes,
    squares.map((square) => Math.sqrt(square) + 1e-9),
  );
  const tail = bytesOf(codes, tails);
  return {
    name: 'own' as 'full',
    bits: 8,
    above: 0,
    restarts: true,
    dims: () => OWN,
    plane: () => plane,
    querySide: (scratch, _coding, { seen: { values, norm } }) =>
      rowQuerySide(quantiser, values, 0, 1 / norm, OWN, scratch.take('own query', Int16Array, OWN)),
    bound: (_segment, { seen: { values, norm } }, { constant, slack }) => {
      const within = Math.sqrt(squareOf(values.subarray(0, OWN))) / norm + 1e-9;
      const beyond = Math.sqrt(squareOf(values.subarray(OWN))) / norm + 1e-9;
      return { error, tail, within, beyond, constant: constant + slack };
    },
  };
}

/** Early dims carry more, as in Matryoshka embeddings. */
function rowsOf(random: Random): Float32Array {
  return random.vector(COUNT * DIM).map((value, i) => value * Math.exp((-5 * (i % DIM)) / DIM));
}

for (const name of names) {
  describe(`a refinement on ${name}`, () => {
    for (const metric of METRICS) {
      it(`answers as a scan does with any of its stages, and with one more (${metric})`, () => {
        const random = new Random(SEED);
        const codes = getCodeKernels(name);
        const kernels = getKernels(name);
        const rows = rowsOf(random);
        const state = stateOf(codes, rows, metric);
        assert.equal(state.segments[0]!.coding.mean, null, 'the plane of this test is of rows with their mean');
        const own = ownStage(codes, rows);
        const full = { ...FULL, above: 0 };
        const refinements: Record<string, readonly RefineStage[]> = {
          none: [],
          fine: [FINE],
          'fine level': [FINE, LEVEL],
          'fine level full': [FINE, LEVEL, full],
          full: [full],
          'full full': [full, full],
          own: [own],
          'fine level own full': [FINE, LEVEL, own, full],
        };
        let dropped = 0;
        for (let q = 0; q < 12; q++) {
          const vector = rows.slice(q * DIM, (q + 1) * DIM).map((value) => value + 0.2 * random.gaussian());
          const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
          const indices = new Uint32Array(10);
          const keys = new Float64Array(10);
          kernels.scan({ metric, query: vector, rows, dim: DIM, to: DIM, indices, keys });
          for (const [title, refinement] of Object.entries(refinements)) {
            const searcher = new Searcher(kernels, codes, refinement);
            const found = searcher.search(state, { vector, norm, k: 10, mode: 'exact' });
            assert.deepEqual([found.ordinals, found.keys], [Array.from(indices), Array.from(keys)], title);
            const stages = found.stages.map((stage) => stage.name).join(' ');
            assert.equal(stages, ['head', title, 'rows'].filter((part) => part !== 'none').join(' '));
            const before = found.stages.find((stage) => stage.name === own.name);
            if (title === 'own') dropped += before!.in - before!.out;
          }
        }
        assert.ok(dropped > 0, 'the plane that was added drops rows');
      });
    }
  });
}

it('A stage is left out where its segment has no such plane, and full where few candidates are left', () => {
  const codes = getCodeKernels('js');
  const rows = rowsOf(new Random(SEED));
  const state = stateOf(codes, rows, 'cosine');
  const vector = rows.slice(0, DIM);
  const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  const request = { vector, norm, k: 3, mode: 'exact' } as const;
  const namesOf = (refinement: readonly RefineStage[], some: SearchState) =>
    new Searcher(getKernels('js'), codes, refinement).search(some, request).stages.map((stage) => stage.name);
  assert.deepEqual(namesOf(REFINEMENT, state), ['head', 'fine', 'level', 'rows']);
  const [segment] = state.segments;
  const without = { ...state, segments: [{ ...segment!, coding: { ...segment!.coding, full: 0 } }] };
  assert.deepEqual(namesOf([{ ...FULL, above: 0 }], without), ['head', 'rows']);
});
