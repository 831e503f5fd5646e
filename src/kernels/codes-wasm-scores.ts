/** scoresAt of the WASM code kernels. */

import type { Rows } from '../core/metrics.js';
import type { ScoresAtTask } from './codes.js';
import type { Call } from './codes-wasm-call.js';
import type { SharedHeap } from './codes-wasm-memory.js';
import type { WasmHelpers } from './codes-wasm-module.js';
import { metricCode } from './signatures.js';

/** Rows that scoresAt gathers at a time: few enough to stay in a core's own cache, unless they are very long. */
const GATHER_BYTES = 128 * 1024;
const GATHER_ROWS = 64;

/** scoresAt, whose rows lie in chunks anywhere: they are gathered some at a time. */
export function scoresAtIn(wasm: WasmHelpers, heap: SharedHeap, call: Call): (task: ScoresAtTask) => void {
  return ({ metric, query, chunks, chunkRows, stride, dim, rows, count, keys }) => {
    call.begin();
    const atOnce = Math.max(1, Math.min(count, GATHER_ROWS, Math.floor(GATHER_BYTES / (4 * dim))));
    const prepared = call.take(8 * dim + 8);
    const code = metricCode(metric);
    const half = chunks[0] instanceof Uint16Array;
    const room = call.take(wasm.prepareScratch.value);
    const length = wasm.prepareQuery(code, half, call.input(query), dim, prepared, room);
    const gathered = call.take(4 * dim * atOnce);
    const target: Rows = half
      ? heap.view(Uint16Array, gathered, dim * atOnce)
      : heap.view(Float32Array, gathered, dim * atOnce);
    const out = call.take(8 * atOnce + 8);
    const scored = heap.view(Float64Array, out, atOnce);
    const scratch = call.take(wasm.keysScratch(half, dim));
    for (let first = 0; first < count; first += atOnce) {
      const n = Math.min(atOnce, count - first);
      for (let i = 0; i < n; i++) {
        const row = rows[first + i]!;
        const at = (row % chunkRows) * stride;
        target.set(chunks[Math.floor(row / chunkRows)]!.subarray(at, at + dim), i * dim);
      }
      wasm.keys(code, prepared, length, gathered, half, dim, n, out, scratch);
      keys.set(n === atOnce ? scored : scored.subarray(0, n), first);
    }
    call.end();
  };
}
