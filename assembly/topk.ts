// Selection by (key descending, row ascending).

/** A heap's root is the worst pair, the first to be replaced: key smaller, or the later row of equal keys. */
function worse(key: f64, row: u32, otherKey: f64, otherRow: u32): bool {
  return key < otherKey || (key === otherKey && row > otherRow);
}

function keyAt(keys: usize, i: usize): f64 {
  return load<f64>(keys + (i << 3));
}

function rowAt(rows: usize, i: usize): u32 {
  return load<u32>(rows + (i << 2));
}

function set(keys: usize, rows: usize, i: usize, key: f64, row: u32): void {
  store<f64>(keys + (i << 3), key);
  store<u32>(rows + (i << 2), row);
}

/** Offers a pair to the heap of the k best. Returns the heap's new size. */
export function pushTopK(keys: usize, rows: usize, k: usize, size: usize, key: f64, row: u32): usize {
  if (size < k) {
    lift(keys, rows, size, key, row);
    return size + 1;
  }
  if (k > 0 && worse(keyAt(keys, 0), rowAt(rows, 0), key, row)) sink(keys, rows, k, key, row);
  return size;
}

/** Turns the heap into a list, best first, where it stands. */
export function drainTopK(keys: usize, rows: usize, size: usize): void {
  for (let i = size; i-- > 1; ) {
    const key = keyAt(keys, i);
    const row = rowAt(rows, i);
    set(keys, rows, i, keyAt(keys, 0), rowAt(rows, 0));
    sink(keys, rows, i, key, row);
  }
}

/** Puts a pair into the free leaf i and lifts it while its parent is better. */
function lift(keys: usize, rows: usize, i: usize, key: f64, row: u32): void {
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const parentKey = keyAt(keys, parent);
    const parentRow = rowAt(rows, parent);
    if (!worse(key, row, parentKey, parentRow)) break;
    set(keys, rows, i, parentKey, parentRow);
    i = parent;
  }
  set(keys, rows, i, key, row);
}

/** Puts a pair at the root of a heap of `size` and sinks it while a child is worse. */
function sink(keys: usize, rows: usize, size: usize, key: f64, row: u32): void {
  let i: usize = 0;
  while (true) {
    let child: usize = 2 * i + 1;
    if (child >= size) break;
    let childKey = keyAt(keys, child);
    let childRow = rowAt(rows, child);
    if (child + 1 < size) {
      const otherKey = keyAt(keys, child + 1);
      const otherRow = rowAt(rows, child + 1);
      if (worse(otherKey, otherRow, childKey, childRow)) {
        child++;
        childKey = otherKey;
        childRow = otherRow;
      }
    }
    if (!worse(childKey, childRow, key, row)) break;
    set(keys, rows, i, childKey, childRow);
    i = child;
  }
  set(keys, rows, i, key, row);
}

/** How many keys equal to the last kthLargest belong to its k. */
export let tiesOfKth: u32 = 0;

/**
 * The k-th largest of n keys; Infinity for k = 0. Quickselect: each round streams the keys around a pivot into two
 * buffers, without a branch on their order, and goes on with the side that holds the k-th. `a` and `b` hold n keys each.
 */
export function kthLargest(keys: usize, n: usize, k: usize, a: usize, b: usize): f64 {
  tiesOfKth = 0;
  if (k === 0) return Infinity;
  let from = keys;
  let random: u32 = 0x9e3779b9;
  while (true) {
    // Pivots at random places: no order of the keys makes this slow. They do not show in the result.
    random = random * 1664525 + 1013904223;
    const pivot = median(
      keyAt(from, <usize>((<u64>random * n) >> 32)),
      keyAt(from, n >> 1),
      keyAt(from, <usize>((<u64>~random * n) >> 32)),
    );
    // `from` is the caller's keys or one of the buffers; writing behind the reader is safe.
    let above: usize = 0;
    let below: usize = 0;
    for (let i: usize = 0; i < n; i++) {
      const key = keyAt(from, i);
      store<f64>(a + (above << 3), key);
      store<f64>(b + (below << 3), key);
      above += usize(key > pivot);
      below += usize(key < pivot);
    }
    const upToPivot = n - below;
    if (k <= above) {
      n = above;
      from = a;
    } else if (k <= upToPivot) {
      tiesOfKth = <u32>(k - above);
      return pivot;
    } else {
      k -= upToPivot;
      n = below;
      from = b;
    }
  }
}

function median(x: f64, y: f64, z: f64): f64 {
  return max(min(x, y), min(max(x, y), z));
}
