/** Common to the tests of the code kernels: what a kernel's test is, layouts of planes, random inputs. */
import type { CodeKernelName, CodeKernels } from '#dist/kernels/codes.js';
import type { Random } from '../../random.js';

export type TaskOf<K extends CodeKernelName> = Parameters<CodeKernels[K]>[0];

/**
 * Random calls of a kernel, and the contract written a second time, value by value and without any care for time: the
 * oracle of all backends, the TypeScript one included. It returns what the kernel returns.
 */
export type KernelTests = {
  [K in CodeKernelName]?: { random(random: Random): TaskOf<K>; oracle(task: TaskOf<K>): ReturnType<CodeKernels[K]> };
};

export const DIMS = [8, 16, 24, 32, 40, 48, 56, 64, 72, 96, 120, 128];
export const LONG_HEAD_DIMS = [136, 200, 256, 384, 504, 512, 2048];

/** The content of an output before a call. */
export const UNSET = 0x5a;

export function bytes(random: Random, n: number): Uint8Array {
  const words = Uint32Array.from({ length: Math.ceil(n / 4) }, () => random.next() * 2 ** 32);
  const all = new Uint8Array(words.buffer, 0, n);
  const family = random.next();
  if (family < 0.1) return all.fill(0xff);
  return family < 0.2 ? all.map((byte) => [0, 0x0f, 0xf0, 0xff, 0x7f, 0x81, 0x10, 0x01][byte % 8]!) : all;
}

/** Most often ascending, as an index visits them; now and then in any order, some more than once. */
export function blocksOf(random: Random, there: number, count: number): Uint32Array {
  if (count > there || random.chance(0.3)) return Uint32Array.from({ length: count }, () => random.int(0, there - 1));
  const first = random.int(0, there - count);
  return Uint32Array.from({ length: count }, (_, i) => first + i);
}

export function floats(random: Random, n: number): Float32Array {
  const family = random.next();
  return Float32Array.from({ length: n }, () => {
    if (family < 0.2) return random.int(-3, 3);
    if (family < 0.3) return random.pick([0, -0, random.gaussian()]);
    return family < 0.5 ? random.gaussian() * 2 ** random.int(-60, 60) : random.gaussian();
  });
}

export function each(a: number, b: number, c: number, visit: (i: number, j: number, k: number) => void): void {
  for (let i = 0; i < a; i++) for (let j = 0; j < b; j++) for (let k = 0; k < c; k++) visit(i, j, k);
}

export function sum(n: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += term(i);
  return total;
}

/** Where a dim of a row is in a head plane. */
export function headByte(dims: number, row: number, dim: number): number {
  const [block, r, g, t] = [Math.floor(row / 16), row % 16, Math.floor(dim / 8), dim % 4];
  return block * dims * 8 + 64 * g + 4 * r + t;
}

/** Where a dim of a row is in a bit plane. */
export function bitByte(dims: number, row: number, dim: number): number {
  return Math.floor(row / 16) * dims * 2 + 16 * Math.floor(dim / 8) + (row % 16);
}

export function bitOf(plane: Uint8Array, dims: number, row: number, dim: number): number {
  return Math.floor(plane[bitByte(dims, row, dim)]! / 2 ** (dim % 8)) % 2;
}
