// Dot products over a bit plane: 16 bytes are 8 dims of 16 rows (src/kernels/codes.ts states the layout), so either half of
// each byte picks one of 16 sums of four values of the query, in one instruction for all rows.

const BLOCK_ROWS: usize = 16;
const LINE: usize = 16;

/** Two sums a group, of at most 60 each: so many groups fit 16 bits. */
const RUN: usize = 512;

/** Scratch: 4 bytes a dim. */
export function bitDots(
  plane: usize,
  dims: usize,
  blocks: usize,
  count: usize,
  query: usize,
  dots: usize,
  scratch: usize,
): void {
  const least = i32x4.splat(layOut(query, dims, scratch));
  const groups = dims >> 3;
  for (let b: usize = 0; b < count; b++, dots += BLOCK_ROWS << 2) {
    const block = plane + <usize>load<u32>(blocks + (b << 2)) * (groups * LINE);
    for (let i: usize = 0; i < 64; i += 16) v128.store(dots + i, least);
    for (let g: usize = 0; g < groups; g += RUN) addRun(block + g * LINE, min(RUN, groups - g), scratch + g * 32, dots);
  }
}

/** For each group the 16 sums of either half, counted from the least, which is returned in all. */
function layOut(query: usize, dims: usize, to: usize): i32 {
  let all = 0;
  for (let i: usize = 0; i < dims; i += 4, query += 8, to += 16) {
    let least = 0;
    for (let t: usize = 0; t < 8; t += 2) least += min(0, <i32>load<i16>(query + t));
    store<u8>(to, -least);
    for (let bits = 1; bits < 16; bits++) {
      const value = <i32>load<i16>(query + ((<usize>ctz(bits)) << 1));
      store<u8>(to + bits, <i32>load<u8>(to + (bits & (bits - 1))) + value);
    }
    all += least;
  }
  return all;
}

function addRun(line: usize, groups: usize, sums: usize, dots: usize): void {
  let a = i16x8.splat(0);
  let b = a;
  const pairs = line + (groups & ~1) * LINE;
  for (; line < pairs; line += 32, sums += 64) {
    // Four sums fit 8 bits.
    const four = i8x16.add(entries(line, sums), entries(line + 16, sums + 32));
    a = i16x8.add(a, i16x8.extend_low_i8x16_u(four));
    b = i16x8.add(b, i16x8.extend_high_i8x16_u(four));
  }
  if (groups & 1) {
    const two = entries(line, sums);
    a = i16x8.add(a, i16x8.extend_low_i8x16_u(two));
    b = i16x8.add(b, i16x8.extend_high_i8x16_u(two));
  }
  addTo(dots, i32x4.extend_low_i16x8_u(a));
  addTo(dots + 16, i32x4.extend_high_i16x8_u(a));
  addTo(dots + 32, i32x4.extend_low_i16x8_u(b));
  addTo(dots + 48, i32x4.extend_high_i16x8_u(b));
}

function entries(line: usize, sums: usize): v128 {
  const bits = v128.load(line);
  const low = i8x16.swizzle(v128.load(sums), v128.and(bits, i8x16.splat(15)));
  return i8x16.add(low, i8x16.swizzle(v128.load(sums, 16), i8x16.shr_u(bits, 4)));
}

function addTo(dots: usize, sums: v128): void {
  v128.store(dots, i32x4.add(v128.load(dots), sums));
}
