/** Projections and codes: random calls, and the oracle. */
import type {
  EncodeBitsTask,
  EncodeHeadTask,
  EncodeRowsTask,
  EncodeTask,
  NearestTask,
  ProjectTask,
} from '#dist/kernels/codes.js';
import type { Random } from '../../random.js';
import {
  bitByte,
  bitOf,
  bytes,
  DIMS,
  each,
  floats,
  headByte,
  type KernelTests,
  LONG_HEAD_DIMS,
  sum,
  UNSET,
} from './common.js';

export const encoding = {
  project: { random: randomProject, oracle: projectOracle },
  nearest: { random: randomNearest, oracle: nearestOracle },
  encodeHead: { random: randomEncodeHead, oracle: encodeHeadOracle },
  encodeRows: { random: randomEncodeRows, oracle: encodeRowsOracle },
  encodeBits: { random: randomEncodeBits, oracle: encodeBitsOracle },
} satisfies KernelTests;

function randomProject(random: Random): ProjectTask {
  const long = random.chance(0.02);
  const dim = long ? random.int(100, 400) : random.int(1, 40);
  const width = long ? random.int(20, 70) : random.int(1, 21);
  const count = random.int(0, long ? 40 : 11);
  const rows = floats(random, count * dim);
  const basis = floats(random, dim * width);
  return { rows, count, dim, basis, width, out: new Float64Array(count * width).fill(UNSET) };
}

function projectOracle(task: ProjectTask): void {
  const { rows, count, dim, basis, width, out } = task;
  each(count, width, 1, (r, i) => {
    out[r * width + i] = sum(dim, (j) => rows[r * dim + j]! * basis[j * width + i]!);
  });
}

function randomNearest(random: Random): NearestTask {
  const { rows, count, dim, basis, width } = randomProject(random);
  const places = Uint32Array.from(rows.keys()).filter((place) => place < count && random.chance(0.8));
  for (let i = places.length - 1; i > 0; i--) {
    const j = random.int(0, i);
    [places[i], places[j]] = [places[j]!, places[i]!];
  }
  // Columns that are the same tie; offsets of the size of products decide.
  for (let i = 1; random.chance(0.3) && i < width; i++) {
    for (let j = 0; j < dim; j++) basis[j * width + i] = basis[j * width]!;
  }
  const offsets = Float64Array.from({ length: width }, () => (random.chance(0.5) ? 0 : random.gaussian()));
  const best = Float64Array.from({ length: count }, () =>
    random.pick([Number.NEGATIVE_INFINITY, 0, random.gaussian()]),
  );
  const names = Uint32Array.from({ length: width }, () => random.int(0, 2 ** 32 - 1));
  const found = new Uint32Array(count).fill(UNSET);
  return { rows, places, count: places.length, dim, basis, width, offsets, names, best, found };
}

function nearestOracle(task: NearestTask): void {
  const { rows, places, count, dim, basis, width, offsets, names, best, found } = task;
  for (const place of places.subarray(0, count)) {
    const values = Array.from({ length: width }, (_, i) => {
      return sum(dim, (j) => rows[place * dim + j]! * basis[j * width + i]!) - offsets[i]!;
    });
    const most = Math.max(...values);
    if (!(most > best[place]!)) continue;
    best[place] = most;
    found[place] = names[values.indexOf(most)]!;
  }
}

function randomEncodeHead(random: Random): EncodeHeadTask {
  const task = encodeTask(random, 0, 255);
  const blocks = Math.ceil((task.first + task.count) / 16) + random.int(0, 1);
  return {
    ...task,
    // Rows that do not take part keep their entries.
    head: bytes(random, blocks * 8 * task.dims),
    fine: bytes(random, blocks * 8 * task.dims),
    coarseError: new Float64Array(task.count).fill(UNSET),
    fineError: new Float64Array(task.count).fill(UNSET),
  };
}

function encodeHeadOracle(task: EncodeHeadTask): void {
  const { head, fine, dims, first, coarseError, fineError } = task;
  for (let k = 0; k < task.count; k++) {
    const row = first + k;
    for (let i = 0; i < dims; i++) {
      const code = codeOf(task, k, i, 0, 255);
      setNibble(head, headByte(dims, row, i), i, Math.floor(code / 16));
      setNibble(fine, row * (dims / 2) + 4 * Math.floor(i / 8) + (i % 4), i, code % 16);
    }
    coarseError[k] = squares(task, k, (i) => 16 * Math.floor(codeOf(task, k, i, 0, 255) / 16) + 7.5);
    fineError[k] = squares(task, k, (i) => codeOf(task, k, i, 0, 255));
  }
}

function randomEncodeRows(random: Random): EncodeRowsTask {
  const task = encodeTask(random, -127, 127);
  const first = random.int(0, 20);
  const plane = bytes(random, (first + task.count + random.int(0, 2)) * task.dims);
  return { ...task, first, plane, error: new Float64Array(task.count).fill(UNSET) };
}

function encodeRowsOracle(task: EncodeRowsTask): void {
  const { plane, dims, first, error } = task;
  const signed = new Int8Array(plane.buffer, plane.byteOffset, plane.length);
  for (let k = 0; k < task.count; k++) {
    for (let i = 0; i < dims; i++) signed[(first + k) * dims + i] = codeOf(task, k, i, -127, 127);
    error[k] = squares(task, k, (i) => codeOf(task, k, i, -127, 127));
  }
}

function randomEncodeBits(random: Random): EncodeBitsTask {
  const task = encodeTask(random, 0, 1);
  const blocks = Math.ceil((task.first + task.count) / 16) + random.int(0, 1);
  return { ...task, plane: bytes(random, blocks * 2 * task.dims) };
}

function encodeBitsOracle(task: EncodeBitsTask): void {
  const { plane, dims, first } = task;
  each(task.count, dims, 1, (k, i) => {
    const at = bitByte(dims, first + k, i);
    const others = plane[at]! - bitOf(plane, dims, first + k, i) * 2 ** (i % 8);
    plane[at] = others + codeOf(task, k, i, 0, 1) * 2 ** (i % 8);
  });
}

/** Values around a range of codes, with some on the border between two, and some beyond the range. */
function encodeTask(random: Random, from: number, to: number) {
  const dims = random.chance(0.05) ? random.pick(LONG_HEAD_DIMS) : random.pick(DIMS);
  const offset = random.int(0, 5);
  const stride = offset + dims + random.int(0, 9);
  const count = random.pick([0, 1, 2, 15, 16, 17, random.int(1, 40)]);
  const first = 16 * random.int(0, 3);
  const base = Float64Array.from({ length: dims }, () => random.gaussian());
  const step = Float64Array.from({ length: dims }, () => random.pick([1, 2 ** -7, 0.01 + random.next()]));
  const inverse = step.map((s) => 1 / s);
  const values = Float64Array.from({ length: Math.max(0, count * stride) }, (_, at) => {
    const i = (at % stride) - offset;
    if (i < 0 || i >= dims) return random.gaussian();
    const code = random.chance(0.1) ? random.pick([from - 1e9, from - 1, to + 1, to + 1e9]) : random.int(from, to);
    return base[i]! + step[i]! * (code + random.pick([0, 0.5, -0.5, random.next() - 0.5]));
  });
  return { values, count, stride, offset, dims, base, step, inverse, first };
}

function setNibble(plane: Uint8Array, at: number, dim: number, value: number): void {
  const byte = plane[at]!;
  plane[at] = dim % 8 < 4 ? Math.floor(byte / 16) * 16 + value : (byte % 16) + 16 * value;
}

function codeOf(task: EncodeTask, k: number, i: number, least: number, most: number): number {
  const t = (valueAt(task, k, i) - task.base[i]!) * task.inverse[i]!;
  const code = Math.floor(t + 0.5);
  return code < least ? least : code > most ? most : code;
}

function valueAt({ values, stride, offset }: EncodeTask, k: number, i: number): number {
  return values[k * stride + offset + i]!;
}

function squares(task: EncodeTask, k: number, code: (i: number) => number): number {
  const a = [0, 0, 0, 0, 0, 0, 0, 0] as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < task.dims; i++) {
    const e = valueAt(task, k, i) - (task.base[i]! + task.step[i]! * code(i));
    a[i % 8]! += e * e;
  }
  return a[0] + a[4] + (a[2] + a[6]) + (a[1] + a[5] + (a[3] + a[7]));
}
