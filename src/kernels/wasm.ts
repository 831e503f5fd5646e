/**
 * The WASM backend: hands the tasks of kernels.ts to the module compiled from assembly/. That module owns no memory; an
 * arena here lays out inputs, outputs and scratch anew for every call. WebAssembly's memory can grow but not shrink, so
 * what the largest call needed stays allocated. To bound that, rows go through in blocks, except in a funnel of up to
 * MAX_FUNNEL_BYTES.
 */

import { FunnelError } from '../core/errors.js';
import type { BadPosition, FunnelTask, Kernels, Metric, NormsTask, Rows, ScanTask, ScoresTask } from './kernels.js';
import { offload } from './offload.js';
import { metricCode } from './signatures.js';
import { instantiate, type WasmExports, type WasmMemory } from './wasm-instance.js';

/** Small enough to stay in a core's own cache between being copied and being read. */
const BLOCK_BYTES = 256 * 1024;

/** A larger candidate set goes through its first pruning stage in blocks. */
const MAX_FUNNEL_BYTES = 64 * 1024 * 1024;

/** Synchronous; the module is compiled once per thread, and every call gets its own memory. */
export function createWasmKernels(): Kernels {
  const wasm = instantiate();
  const arena = new Arena(wasm);

  const kernels: Kernels = {
    name: 'wasm',

    scores(task: ScoresTask): BadPosition {
      const { from, to, dim, keys } = task;
      const blocks = new RowBlocks(wasm, arena.reset(), task.rows, dim);
      const query = new PreparedQuery(arena, task);
      const out = arena.take(8 * blocks.capacity);
      arena.commit();
      const length = query.prepare(wasm, from, to, blocks.scratch);
      const { half, rows, scratch } = blocks;
      return blocks.each(arena, (first, n) => {
        if (wasm.scores(query.metric, query.prepared, length, rows, half, dim, n, from, to, out, scratch)) {
          return wasm.firstNonFinite(rows, half, dim, n, from, to);
        }
        keys.set(arena.f64.subarray(out / 8, out / 8 + n), first);
        return -1;
      });
    },

    norms(task: NormsTask): BadPosition {
      const { from, to, dim, norms } = task;
      const blocks = new RowBlocks(wasm, arena.reset(), task.rows, dim);
      const out = arena.take(8 * blocks.capacity);
      arena.commit();
      const { half, rows, scratch } = blocks;
      return blocks.each(arena, (first, n) => {
        if (wasm.norms(rows, half, dim, n, from, to, out, scratch)) {
          return wasm.firstNonFinite(rows, half, dim, n, from, to);
        }
        norms.set(arena.f64.subarray(out / 8, out / 8 + n), first);
        return -1;
      });
    },

    topK(scores: Float64Array, indices: Uint32Array, keys: Float64Array): number {
      const perBlock = Math.min(scores.length, BLOCK_BYTES / 8);
      const block = arena.reset().take(8 * perBlock);
      const heap = new Heap(arena, Math.min(indices.length, scores.length));
      arena.commit();
      for (let first = 0; first < scores.length; first += perBlock) {
        const part = perBlock === scores.length ? scores : scores.subarray(first, first + perBlock);
        arena.f64.set(part, block / 8);
        heap.size = wasm.offer(block, part.length, first, heap.k, heap.rows, heap.keys, heap.size);
      }
      heap.drain(wasm, arena, indices, keys);
      return heap.k;
    },

    funnel(task: FunnelTask): BadPosition {
      const { rows, dim, scales, keep, query } = task;
      const half = rows instanceof Uint16Array;
      const count = rows.length / dim;
      const scratchBytes = wasm.funnelScratch(half, dim, count);
      if (rows.byteLength + scratchBytes > MAX_FUNNEL_BYTES) return funnelInBlocks(task);
      const stages = scales.length;
      const k = keep[stages - 1]!;

      const rowsAt = arena.reset().take(rows.byteLength);
      const queryAt = arena.take(4 * dim);
      const scalesAt = arena.take(4 * stages);
      const keepAt = arena.take(4 * stages);
      const outRows = arena.take(4 * k);
      const outKeys = arena.take(8 * k);
      const scratch = arena.take(scratchBytes);
      arena.commit();

      arena.write(rowsAt, rows);
      const { f32, u32, f64 } = arena;
      f32.set(query, queryAt / 4);
      for (let s = 0; s < stages; s++) {
        u32[scalesAt / 4 + s] = scales[s]!;
        u32[keepAt / 4 + s] = keep[s]!;
      }
      const metric = metricCode(task.metric);
      if (wasm.funnel(metric, queryAt, rowsAt, half, dim, count, scalesAt, keepAt, stages, outRows, outKeys, scratch)) {
        return wasm.firstNonFinite(rowsAt, half, rows.length, 1, 0, rows.length);
      }
      // Few as a rule: views on them would cost more.
      for (let i = 0; i < k; i++) {
        task.indices[i] = u32[outRows / 4 + i]!;
        task.keys[i] = f64[outKeys / 8 + i]!;
      }
      return -1;
    },

    funnelBatch(tasks: readonly FunnelTask[]): BadPosition[] {
      return tasks.map(kernels.funnel);
    },

    funnelBatchAsync(tasks: readonly FunnelTask[], give = false): Promise<BadPosition[]> {
      return offload(kernels, 'funnelBatch', tasks, give);
    },

    scan(task: ScanTask): BadPosition {
      return scanBlocks(task, false);
    },

    async scanAsync(task: ScanTask): Promise<BadPosition> {
      return (await offload(kernels, 'scanBatch', [task]))[0]!;
    },

    firstNonFinite(rows: Rows): BadPosition {
      if (rows.length === 0) return -1;
      const blocks = new RowBlocks(wasm, arena.reset(), rows, 1);
      arena.commit();
      return blocks.each(arena, (_first, n) => wasm.firstNonFinite(blocks.rows, blocks.half, n, 1, 0, n));
    },
  };
  return kernels;

  /** `whole`: check the dims from `to` on as well. */
  function scanBlocks(task: ScanTask, whole: boolean): BadPosition {
    const { to, dim } = task;
    const blocks = new RowBlocks(wasm, arena.reset(), task.rows, dim);
    const query = new PreparedQuery(arena, task);
    const heap = new Heap(arena, Math.min(task.indices.length, task.rows.length / dim));
    const out = arena.take(8 * blocks.capacity);
    arena.commit();
    const length = query.prepare(wasm, 0, to, blocks.scratch);
    const { half, rows, scratch } = blocks;
    const bad = blocks.each(arena, (first, n) => {
      const nonFinite =
        wasm.scores(query.metric, query.prepared, length, rows, half, dim, n, 0, to, out, scratch) ||
        (whole && wasm.firstNonFinite(rows, half, dim, n, to, dim) !== -1);
      if (nonFinite) return wasm.firstNonFinite(rows, half, dim, n, 0, whole ? dim : to);
      heap.size = wasm.offer(out, n, first, heap.k, heap.rows, heap.keys, heap.size);
      return -1;
    });
    if (bad === -1) heap.drain(wasm, arena, task.indices, task.keys);
    return bad;
  }

  /** The first stage that decides as a scan, the others as a funnel over the rows that it kept: a key knows no stages. */
  function funnelInBlocks(task: FunnelTask): BadPosition {
    const { metric, query, rows, dim, scales, keep } = task;
    const last = scales.length - 1;
    let s = 0;
    while (s < last && keep[s] === rows.length / dim) s++;
    if (s === last) {
      const indices = task.indices.subarray(0, keep[last]!);
      return scanBlocks({ ...task, indices, to: scales[last]! }, true);
    }

    const kept = new Uint32Array(keep[s]!);
    const unused = new Float64Array(keep[s]!);
    const bad = scanBlocks({ metric, query, rows, dim, to: scales[s]!, indices: kept, keys: unused }, true);
    if (bad !== -1) return bad;
    kept.sort();

    const gathered = rows instanceof Float32Array ? new Float32Array(keep[s]! * dim) : new Uint16Array(keep[s]! * dim);
    kept.forEach((row, i) => {
      gathered.set(rows.subarray(row * dim, (row + 1) * dim), i * dim);
    });
    // The copies were made after the first stage: shared memory may hold other values by now.
    const again = kernels.funnel({
      ...task,
      rows: gathered,
      scales: scales.subarray(s + 1),
      keep: keep.subarray(s + 1),
    });
    if (again !== -1) return kept[Math.floor(again / dim)]! * dim + (again % dim);
    const { indices } = task;
    for (let i = 0; i < keep[last]!; i++) indices[i] = kept[indices[i]!]!;
    return -1;
  }
}

// The arena

/** Memory of one call: take every piece, commit, then write. Pieces are aligned, with room for reads behind them. */
class Arena {
  #memory: WasmMemory;
  #base: number;
  #top = 0;
  // Views die when the memory grows; commit() renews them.
  f32 = new Float32Array(0);
  f64 = new Float64Array(0);
  u32 = new Uint32Array(0);
  u16 = new Uint16Array(0);

  constructor(wasm: WasmExports) {
    this.#memory = wasm.memory;
    this.#base = roundUp(wasm.heapBase.value);
  }

  reset(): this {
    this.#top = this.#base;
    return this;
  }

  take(bytes: number): number {
    const at = this.#top;
    this.#top = roundUp(at + bytes + BEHIND);
    return at;
  }

  commit(): void {
    // Nobody else makes this memory grow, and to ask it for its buffer costs more than the rest.
    if (this.#top <= this.f32.byteLength) return;
    const missing = this.#top - this.#memory.buffer.byteLength;
    if (missing > 0) this.#grow(Math.ceil(missing / PAGE));
    const { buffer } = this.#memory;
    this.f32 = new Float32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.u16 = new Uint16Array(buffer);
  }

  write(at: number, rows: Rows): void {
    if (rows instanceof Float32Array) this.f32.set(rows, at / 4);
    else this.u16.set(rows, at / 2);
  }

  #grow(pages: number): void {
    try {
      this.#memory.grow(pages);
    } catch (cause) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected work that fits into WebAssembly memory (4 GiB at most, less where memory is short) but received a ` +
          `task that needs ${Math.ceil(this.#top / 2 ** 20)} MiB`,
        { cause },
      );
    }
  }
}

const PAGE = 65_536;
const BEHIND = 32;

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

/** Room for one block of rows at a time. */
class RowBlocks {
  readonly half: boolean;
  readonly capacity: number;
  readonly rows: number;
  readonly scratch: number;

  constructor(
    wasm: WasmExports,
    arena: Arena,
    readonly source: Rows,
    readonly dim: number,
  ) {
    this.half = source instanceof Uint16Array;
    const rowBytes = dim * source.BYTES_PER_ELEMENT;
    this.capacity = Math.min(source.length / dim, Math.max(1, Math.floor(BLOCK_BYTES / rowBytes)));
    this.rows = arena.take(this.capacity * rowBytes);
    this.scratch = arena.take(wasm.passScratch(this.half, dim));
  }

  /** Visits block by block until a visitor finds a bad position in its block. */
  each(arena: Arena, visit: (first: number, n: number) => BadPosition): BadPosition {
    const { source, dim, capacity } = this;
    const step = capacity * dim;
    for (let start = 0; start < source.length; start += step) {
      const part = step === source.length ? source : source.subarray(start, start + step);
      arena.write(this.rows, part);
      const bad = visit(start / dim, part.length / dim);
      if (bad !== -1) return start + bad;
    }
    return -1;
  }
}

/** Room for a query and its float64 copy. */
class PreparedQuery {
  readonly metric: number;
  readonly prepared: number;
  readonly #given: number;

  constructor(
    readonly arena: Arena,
    readonly task: { metric: Metric; query: Float32Array; rows: Rows; dim: number },
  ) {
    this.metric = metricCode(task.metric);
    this.prepared = arena.take(8 * task.dim);
    this.#given = arena.take(4 * task.dim);
  }

  /** Writes both; returns the length over dims [from, to). */
  prepare(wasm: WasmExports, from: number, to: number, scratch: number): number {
    this.arena.f32.set(this.task.query, this.#given / 4);
    const half = this.task.rows instanceof Uint16Array;
    return wasm.prepareQuery(this.metric, half, this.#given, this.task.dim, from, to, this.prepared, scratch);
  }
}

/** Room for the k best. */
class Heap {
  readonly rows: number;
  readonly keys: number;
  size = 0;

  constructor(
    arena: Arena,
    readonly k: number,
  ) {
    this.rows = arena.take(4 * k);
    this.keys = arena.take(8 * k);
  }

  drain(wasm: WasmExports, arena: Arena, indices: Uint32Array, keys: Float64Array): void {
    const { rows, size } = this;
    wasm.drain(rows, this.keys, size);
    indices.set(arena.u32.subarray(rows / 4, rows / 4 + size));
    keys.set(arena.f64.subarray(this.keys / 8, this.keys / 8 + size));
  }
}

// The module
