// The search for NaN and Infinity: their magnitudes, read as integers, are the largest of all.

/** Whether n values are all finite. Any alignment; reads nothing behind them. */
export function finite(half: bool, at: usize, n: usize): bool {
  return half ? finiteHalves(at, at + (n << 1)) : finiteFloats(at, at + (n << 2));
}

function finiteFloats(at: usize, end: usize): bool {
  if (finiteSum(at, 0, 0, 1, end - at)) return true;
  // It may have overflowed: they are looked at one by one.
  for (; at < end; at += 4) {
    if ((load<u32>(at) & 0x7f800000) === 0x7f800000) return false;
  }
  return true;
}

/**
 * Whether the sum of all floats is finite, which it is only if they all are. They are `bytes` of each of n rows, which start
 * `stride` bytes apart from `first` on; `list`: the rows' numbers, or 0 for the first n.
 */
export function finiteSum(first: usize, stride: usize, list: usize, n: usize, bytes: usize): bool {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (let i: usize = 0; i < n; i++) {
    let at = first + (list ? <usize>load<u32>(list + (i << 2)) : i) * stride;
    const end = at + bytes;
    for (; at + 128 <= end; at += 128) {
      a = f32x4.add(a, f32x4.add(v128.load(at), v128.load(at, 16)));
      b = f32x4.add(b, f32x4.add(v128.load(at, 32), v128.load(at, 48)));
      c = f32x4.add(c, f32x4.add(v128.load(at, 64), v128.load(at, 80)));
      d = f32x4.add(d, f32x4.add(v128.load(at, 96), v128.load(at, 112)));
    }
    for (; at < end; at += 4) a = f32x4.add(a, v128.load32_zero(at));
  }
  const sum = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  // Less itself it is 0, or NaN.
  return !v128.any_true(f32x4.sub(sum, sum));
}

function finiteHalves(at: usize, end: usize): bool {
  const magnitude = i16x8.splat(0x7fff);
  let a = i16x8.splat(0);
  let b = a;
  for (; at + 64 <= end; at += 64) {
    a = i16x8.max_u(a, v128.and(v128.load(at), magnitude));
    b = i16x8.max_u(b, v128.and(v128.load(at, 16), magnitude));
    a = i16x8.max_u(a, v128.and(v128.load(at, 32), magnitude));
    b = i16x8.max_u(b, v128.and(v128.load(at, 48), magnitude));
  }
  for (; at < end; at += 2) a = i16x8.max_u(a, v128.and(i16x8.splat(load<i16>(at)), magnitude));
  return !v128.any_true(i16x8.gt_u(i16x8.max_u(a, b), i16x8.splat(0x7bff)));
}

/** Index of the first value that is not finite; n when there is none. */
export function firstBadOf(half: bool, at: usize, n: usize): usize {
  const BLOCK: usize = 1024;
  for (let i: usize = 0; i < n; i += BLOCK) {
    const stop = min(n, i + BLOCK);
    if (finite(half, at + (half ? i << 1 : i << 2), stop - i)) continue;
    for (let j = i; j < stop; j++) {
      if (
        half ? (load<u16>(at + (j << 1)) & 0x7c00) === 0x7c00 : (load<u32>(at + (j << 2)) & 0x7f800000) === 0x7f800000
      ) {
        return j;
      }
    }
  }
  return n;
}
