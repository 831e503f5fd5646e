/**
 * The kernels of the contract in src/kernels/kernels.ts, on WebAssembly's 128-bit vectors. The module owns no memory:
 * src/kernels/wasm.ts passes pointers to inputs, outputs and scratch. All are 16-byte aligned but the rows within a
 * matrix, and 32 bytes may be read behind any of them. A "prepared" query is its float64 copy made by prepareQuery.
 */
import { finite, finiteSum, firstBadOf } from './finite';
import { clearLanes, LANES_BYTES, moveLanes, SQUARES } from './lanes';
import { addLength, addRows, keysFromLanes, keysOf, passBytes, prepare } from './passes';
import { drainTopK, kthLargest, pushTopK, tiesOfKth } from './topk';

/** Where the caller's memory may begin. */
export const heapBase: usize = __heap_base;

/** Up to this many candidates keep their lanes between the stages of a funnel. More are summed up again. */
const ROWS_WITH_LANES: usize = 4096;

/** Bytes of the scratch of scores and norms. */
export function passScratch(half: bool, dim: usize): usize {
  return passBytes(half, dim);
}

/** Writes the query's float64 copy for such rows; returns its length over dims [from, to). */
export function prepareQuery(
  metric: u32,
  half: bool,
  query: usize,
  dim: usize,
  from: usize,
  to: usize,
  prepared: usize,
  scratch: usize,
): f64 {
  prepare(metric, half, query, dim, prepared);
  clearLanes(scratch);
  return addLength(query, scratch, from, to);
}

/** Returns whether a NaN or Infinity was met. `length`: the query's over the same dims. */
export function scores(
  metric: u32,
  prepared: usize,
  length: f64,
  rows: usize,
  half: bool,
  dim: usize,
  count: usize,
  from: usize,
  to: usize,
  keys: usize,
  scratch: usize,
): bool {
  return keysOf(metric, prepared, length, rows, half, dim, 0, count, from, to, keys, scratch);
}

/** Returns whether a NaN or Infinity was met. */
export function norms(
  rows: usize,
  half: bool,
  dim: usize,
  count: usize,
  from: usize,
  to: usize,
  lengths: usize,
  scratch: usize,
): bool {
  return keysOf(SQUARES, 0, 0, rows, half, dim, 0, count, from, to, lengths, scratch);
}

/** Offers n scores, those of rows first, first + 1, ..., to the heap of the k best. Returns its new size. */
export function offer(scores: usize, n: usize, first: u32, k: usize, rows: usize, keys: usize, size: usize): usize {
  for (let i: usize = 0; i < n; i++) {
    size = pushTopK(keys, rows, k, size, load<f64>(scores + (i << 3)) + 0.0, first + <u32>i);
  }
  return size;
}

/** Turns the heap into the list of the best, best first. */
export function drain(rows: usize, keys: usize, size: usize): void {
  drainTopK(keys, rows, size);
}

/** Bytes of the funnel's scratch; a float64, since they may exceed what a pointer holds. */
export function funnelScratch(half: bool, dim: usize, count: usize): f64 {
  const lanes = min(count, ROWS_WITH_LANES) * LANES_BYTES;
  return <f64>((dim << 3) + 16 + LANES_BYTES + passBytes(half, dim) + lanes + 96) + 36.0 * <f64>count;
}

/** Returns whether a NaN or Infinity was met, wherever in the rows. Outputs: keep[stages - 1] pairs. */
export function funnel(
  metric: u32,
  query: usize,
  rows: usize,
  half: bool,
  dim: usize,
  count: usize,
  scales: usize,
  keep: usize,
  stages: usize,
  outRows: usize,
  outKeys: usize,
  scratch: usize,
): bool {
  const prepared = scratch;
  const queryLanes = prepared + (dim << 3) + 16;
  const pass = queryLanes + LANES_BYTES;
  const lanes = pass + passBytes(half, dim);
  const keys = lanes + min(count, ROWS_WITH_LANES) * LANES_BYTES;
  const above = keys + (count << 3) + 16;
  const below = above + (count << 3) + 16;
  // The candidates, ascending; their places of those kept and of those dropped by the stage.
  const candidates = below + (count << 3) + 16;
  const kept = candidates + (count << 2) + 16;
  const dropped = kept + (count << 2) + 16;

  prepare(metric, half, query, load<u32>(scales + ((stages - 1) << 2)), prepared);
  clearLanes(queryLanes);
  for (let i: usize = 0; i < count; i++) store<u32>(candidates + (i << 2), <u32>i);

  const stride = half ? dim << 1 : dim << 2;
  let n = count;
  let queryFrom: usize = 0;
  let from: usize = 0;
  for (let s: usize = 0; s < stages; s++) {
    const to: usize = load<u32>(scales + (s << 2));
    const k: usize = load<u32>(keep + (s << 2));
    const last = s === stages - 1;
    // A stage that keeps everybody decides nothing: only the last one's order is seen.
    if (!last && k === n) continue;

    // Score.
    const length = addLength(query, queryLanes, queryFrom, to);
    queryFrom = to;
    let bad: bool;
    const keepsLanes = n <= ROWS_WITH_LANES;
    if (keepsLanes) {
      addRows(metric, prepared, rows, half, dim, candidates, n, from, to, from === 0, lanes, pass);
      bad = keysFromLanes(metric, length, half, lanes, n, keys);
      from = to;
    } else {
      bad = keysOf(metric, prepared, length, rows, half, dim, candidates, n, 0, to, keys, pass);
    }
    if (bad) return true;

    if (last) {
      let size: usize = 0;
      for (let i: usize = 0; i < n; i++) {
        const row = load<u32>(candidates + (i << 2));
        size = pushTopK(outKeys, outRows, k, size, load<f64>(keys + (i << 3)), row);
      }
      drainTopK(outKeys, outRows, size);
      return !restFinite(rows, half, dim, stride, candidates, n, to);
    }

    // Prune.
    const threshold = kthLargest(keys, n, k, above, below);
    let ties = tiesOfKth;
    let ins: usize = 0;
    let outs: usize = 0;
    for (let i: usize = 0; i < n; i++) {
      const key = load<f64>(keys + (i << 3));
      const tie = u32(key === threshold) & u32(ties > 0);
      ties -= tie;
      const stays = usize(key > threshold) | <usize>tie;
      store<u32>(kept + (ins << 2), <u32>i);
      store<u32>(dropped + (outs << 2), load<u32>(candidates + (i << 2)));
      ins += stays;
      outs += 1 - stays;
    }
    if (!restFinite(rows, half, dim, stride, dropped, outs, to)) return true;

    // Compact, in ascending order: nothing is overwritten before it has moved.
    for (let i: usize = 0; i < k; i++) {
      const at = <usize>load<u32>(kept + (i << 2));
      store<u32>(candidates + (i << 2), load<u32>(candidates + (at << 2)));
      if (keepsLanes) moveLanes(lanes + i * LANES_BYTES, lanes + at * LANES_BYTES);
    }
    n = k;
  }
  return false;
}

/** Flat position of the first NaN or Infinity in dims [from, to) of the rows, or −1. */
export function firstNonFinite(rows: usize, half: bool, dim: usize, count: usize, from: usize, to: usize): i32 {
  for (let r: usize = 0; r < count; r++) {
    const start = r * dim + from;
    const i = firstBadOf(half, rows + (half ? start << 1 : start << 2), to - from);
    if (i < to - from) return <i32>(start + i);
  }
  return -1;
}

/** Whether dims [from, dim) of the listed rows are finite. */
function restFinite(rows: usize, half: bool, dim: usize, stride: usize, list: usize, n: usize, from: usize): bool {
  if (from === dim) return true;
  const skip = half ? from << 1 : from << 2;
  if (!half && finiteSum(rows + skip, stride, list, n, stride - skip)) return true;
  for (let i: usize = 0; i < n; i++) {
    if (!finite(half, rows + <usize>load<u32>(list + (i << 2)) * stride + skip, dim - from)) return false;
  }
  return true;
}
