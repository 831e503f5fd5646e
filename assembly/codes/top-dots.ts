// Finds the largest dot products of a visit. Candidates gather in a buffer; when it is full, the k best stay, and the least
// of them becomes the bar that the rest of the visit has to pass, 16 rows a comparison.
import { largestFirst, sortDescending } from '../select';

/** The buffer's entries but for one block: enough to sort them out rarely, and no more than are visited. */
function roomFor(count: usize, k: usize): usize {
  const often: usize = 512;
  const most = count << 4;
  return min(max(min(k, most) << 2, often), most);
}

export function topDotsScratch(count: usize, k: usize): usize {
  return (roomFor(count, k) + 16) << 3;
}

export function topDots(
  dots: usize,
  blocks: usize,
  count: usize,
  mask: usize,
  k: usize,
  rows: usize,
  best: usize,
  scratch: usize,
): usize {
  k = min(k, count << 4);
  if (k === 0) return 0;
  const room = roomFor(count, k);
  let size: usize = 0;
  let barred = false;
  let bar = i32x4.splat(0);
  for (let b: usize = 0; b < count; b++) {
    let bits = <u32>load<u16>(mask + ((<usize>load<u32>(blocks + (b << 2))) << 1));
    if (bits === 0) continue;
    const at = dots + (b << 6);
    // The earlier of equal dots is the better, and it is in the buffer already.
    if (barred) bits &= above(at, bar);
    while (bits !== 0) {
      const r = <usize>ctz(bits);
      bits &= bits - 1;
      store<i64>(scratch + (size << 3), entry(load<i32>(at + (r << 2)), <u32>((b << 4) + r)));
      size++;
    }
    if (size > room) {
      largestFirst(scratch, size, k);
      size = k;
      bar = i32x4.splat(dotOf(load<i64>(scratch + ((k - 1) << 3))));
      barred = true;
    }
  }
  if (size > k) {
    largestFirst(scratch, size, k);
    size = k;
  }
  sortDescending(scratch, size);
  for (let i: usize = 0; i < size; i++) {
    const e = load<i64>(scratch + (i << 3));
    const visit = ~(<u32>e);
    const block = load<u32>(blocks + ((<usize>visit >> 4) << 2));
    store<u32>(rows + (i << 2), (block << 4) + (visit & 15));
    store<i32>(best + (i << 2), dotOf(e));
  }
  return size;
}

/** One number for the order: by dot, then the earlier visit first. No two are equal. */
function entry(dot: i32, visit: u32): i64 {
  return ((<i64>dot) << 32) | <i64>(<u64>~visit);
}

function dotOf(e: i64): i32 {
  return <i32>(e >> 32);
}

/** Bit r: the r-th of 16 dots is above the bar. */
function above(at: usize, bar: v128): u32 {
  const a = i16x8.narrow_i32x4_s(i32x4.gt_s(v128.load(at), bar), i32x4.gt_s(v128.load(at, 16), bar));
  const b = i16x8.narrow_i32x4_s(i32x4.gt_s(v128.load(at, 32), bar), i32x4.gt_s(v128.load(at, 48), bar));
  return <u32>i8x16.bitmask(i8x16.narrow_i16x8_s(a, b));
}
