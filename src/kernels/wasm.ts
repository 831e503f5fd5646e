/**
 * The WASM backend: hands the tasks of kernels.ts to the module compiled from assembly/. The module owns no memory; an
 * arena here lays out inputs, outputs and scratch anew for every call. The memory grows to what the largest call needed
 * and is never given back (WebAssembly cannot shrink): everything but a funnel of up to MAX_FUNNEL_BYTES is therefore
 * worked off in blocks.
 */
import { FunnelError } from '../errors.js';
import {
  type BadPosition,
  type FunnelTask,
  type Kernels,
  METRICS,
  type NormsTask,
  type Rows,
  type ScanTask,
  type ScoresTask,
} from './kernels.js';
import { offload } from './offload.js';
import { WASM_BASE64 } from './wasm-binary.js';

/** Rows at a time: what stays in a core's own cache between being copied and being read. */
const BLOCK_BYTES = 256 * 1024;

/** A larger candidate set goes through its first stage in blocks. */
const MAX_FUNNEL_BYTES = 64 * 1024 * 1024;

/** @throws FunnelError KERNELS_UNAVAILABLE where WebAssembly or its SIMD instructions are missing. */
export function createWasmKernels(): Kernels {
  const wasm = new (compiled().Instance)(compiled().module).exports as unknown as WasmExports;
  const arena = new Arena(wasm);

  const kernels: Kernels = {
    name: 'wasm',

    scores({ metric, query, rows, dim, from, to, keys }: ScoresTask): BadPosition {
      const at = blocks(arena, rows, dim, 8 * dim);
      const { prepared, length } = prepare(arena, query, at, from, to);
      const code = METRICS.indexOf(metric);
      return eachBlock(rows, dim, arena, at, (first, n) => {
        const bad = wasm.scores(code, prepared, length, at.rows, at.half, dim, n, from, to, at.keys, at.wide);
        if (!bad) keys.set(arena.f64(at.keys, n), first);
        return bad ? wasm.firstNonFinite(at.rows, at.half, dim, n, from, to) : -1;
      });
    },
  };
  return kernels;
}
