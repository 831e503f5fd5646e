/**
 * Compares the modules whose products and sums are fused, or those whose are not, with plain JavaScript on numbers of every
 * size: fused-child.js fused|plain. Writes how many keys it compared.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { getKernels, METRICS } from 'funnelvec/kernels';
import { getCodeKernels } from '#dist/kernels/codes-load.js';
import { fusedFrom, useWasmModules } from '#dist/kernels/wasm-module.js';
import { Random } from '../random.js';

// @types/node does not declare WebAssembly.
const { Module } = (globalThis as unknown as { WebAssembly: { Module: new (bytes: Uint8Array) => object } })
  .WebAssembly;
const [kernels, codes] = ['kernels', 'codes'].map((name) => {
  const plain = new Uint8Array(readFileSync(`dist/esm/kernels/${name}.wasm`));
  const fused = fusedFrom(plain);
  assert.equal(fused.filter((byte, i) => byte !== plain[i]).length, 16 * 4);
  return new Module(process.argv[2] === 'fused' ? fused : plain);
}) as [object, object];
useWasmModules({ kernels, codes });

const random = new Random(5);
/** Near each other in magnitude, so that sums round at every step, or from one end of float32 to the other. */
const values = (n: number, wide: boolean) => {
  return Float32Array.from({ length: n }, () => (random.next() * 2 - 1) * 10 ** (wide ? random.next() * 80 - 44 : 0));
};
const halves = (n: number) => Uint16Array.from({ length: n }, () => Math.floor(random.next() * 65_536) & 0xfbff);
const count = 12;
let compared = 0;
for (const dim of [1, 7, 8, 9, 16, 24, 31, 64, 200]) {
  for (const metric of METRICS) {
    for (const rows of [values(count * dim, false), values(count * dim, true), halves(count * dim)]) {
      for (const wide of [false, true]) {
        const query = values(dim, wide);
        const from = Math.floor(random.next() * dim);
        const [ours, theirs] = ['wasm', 'js'].map((name) => {
          const part = new Float64Array(count);
          getKernels(name).scores({ metric, query, rows, dim, from, to: dim, keys: part });
          const task = { metric, query, chunks: [rows], chunkRows: count, stride: dim, dim, count };
          const all = new Float64Array(count);
          getCodeKernels(name).scoresAt({ ...task, rows: Uint32Array.from({ length: count }, (_, i) => i), keys: all });
          const norms = new Float64Array(count);
          getKernels(name).norms({ rows, dim, from, to: dim, norms });
          return [...part, ...all, ...norms];
        }) as [number[], number[]];
        assert.deepEqual(ours, theirs);
        compared += ours.length;
      }
    }
  }
}
console.log(compared);
