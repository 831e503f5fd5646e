// Selection and sorting of int64 values that are all different.

/** Pivots at random places: no order of the values makes this slow. They do not show in the result. */
let random: u32 = 0x9e3779b9;

function pivotOf(low: usize, high: usize): i64 {
  random = random * 1664525 + 1013904223;
  const n = ((high - low) >> 3) + 1;
  const x = load<i64>(low + ((<usize>((<u64>random * n) >> 32)) << 3));
  const y = load<i64>(low + ((n >> 1) << 3));
  const z = load<i64>(low + ((<usize>((<u64>~random * n) >> 32)) << 3));
  return max(min(x, y), min(max(x, y), z));
}

/** Where partition() left its two ends: [low, right] is not below the pivot, [left, high] not above. */
let left: usize = 0;
let right: usize = 0;

function partition(low: usize, high: usize): void {
  const pivot = pivotOf(low, high);
  let i = low;
  let j = high;
  while (i <= j) {
    while (load<i64>(i) > pivot) i += 8;
    while (load<i64>(j) < pivot) j -= 8;
    if (i > j) break;
    const x = load<i64>(i);
    store<i64>(i, load<i64>(j));
    store<i64>(j, x);
    i += 8;
    j -= 8;
  }
  left = i;
  right = j;
}

/** Brings the k largest of n values to the front, the least of them to place k − 1. 1 ≤ k ≤ n. */
export function largestFirst(values: usize, n: usize, k: usize): void {
  let low = values;
  let high = values + ((n - 1) << 3);
  const kth = values + ((k - 1) << 3);
  while (low < high) {
    partition(low, high);
    if (kth <= right) high = right;
    else if (kth >= left) low = left;
    else return;
  }
}

export function sortDescending(values: usize, n: usize): void {
  if (n > 1) sort(values, values + ((n - 1) << 3));
}

function sort(low: usize, high: usize): void {
  while (high > low + 16 * 8) {
    partition(low, high);
    const i = left;
    const j = right;
    // The shorter side first: the stack stays small.
    if (j - low < high - i) {
      if (low < j) sort(low, j);
      low = i;
    } else {
      if (i < high) sort(i, high);
      high = j;
    }
  }
  for (let i = low + 8; i <= high; i += 8) {
    const x = load<i64>(i);
    let j = i;
    for (; j > low && load<i64>(j - 8) < x; j -= 8) store<i64>(j, load<i64>(j - 8));
    store<i64>(j, x);
  }
}
