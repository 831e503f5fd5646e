// Dot products of listed rows of a fine plane or an int8 plane with one query.

/** Dims in 16 bytes of a fine plane, and in the four vectors of a query laid out for them. */
const STEP: usize = 32;

/** Scratch for a fine plane. */
export function rowDotsScratch(dims: usize): usize {
  return roundUp(dims) << 1;
}

/** Reads up to 12 bytes behind a row of a fine plane. */
export function rowDots(
  plane: usize,
  bits: u32,
  stride: usize,
  dims: usize,
  rows: usize,
  count: usize,
  query: usize,
  dots: usize,
  scratch: usize,
): void {
  if (bits === 4) layOut(query, dims, scratch);
  for (let i: usize = 0; i < count; i++) {
    const row = plane + <usize>load<u32>(rows + (i << 2)) * stride;
    const lanes = bits === 4 ? nibbleLanes(row, dims, scratch) : byteLanes(row, dims, query);
    const pairs = i32x4.add(lanes, v128.shuffle<i32>(lanes, lanes, 2, 3, 0, 1));
    store<i32>(dots + (i << 2), i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1));
  }
}

function roundUp(dims: usize): usize {
  return (dims + STEP - 1) & ~(STEP - 1);
}

function byteLanes(row: usize, dims: usize, query: usize): v128 {
  let a = i32x4.splat(0);
  let b = a;
  const whole = row + (dims & ~15);
  for (; row < whole; row += 16, query += 32) {
    a = i32x4.add(a, i32x4.dot_i16x8_s(v128.load_ext<i8>(row), v128.load(query)));
    b = i32x4.add(b, i32x4.dot_i16x8_s(v128.load_ext<i8>(row, 8), v128.load(query, 16)));
  }
  if (dims & 8) a = i32x4.add(a, i32x4.dot_i16x8_s(v128.load_ext<i8>(row), v128.load(query)));
  return i32x4.add(a, b);
}

/**
 * A group's 4 bytes, read as two 16-bit numbers, hold dims 0, 4, 1, 5 and dims 2, 6, 3, 7, a nibble each. So the four
 * nibble positions multiply dims 0 and 2, 4 and 6, 1 and 3, 5 and 7 of four groups. Bytes behind the last dim are 0.
 */
function layOut(query: usize, dims: usize, to: usize): void {
  memory.fill(to, 0, rowDotsScratch(dims));
  for (let i: usize = 0; i < dims; i += 8) {
    const q = query + (i << 1);
    const at = to + ((i & ~31) << 1) + ((i & 31) >> 1);
    store<i32>(at, pair(q, 0, 2));
    store<i32>(at, pair(q, 4, 6), 16);
    store<i32>(at, pair(q, 1, 3), 32);
    store<i32>(at, pair(q, 5, 7), 48);
  }
}

function pair(query: usize, first: usize, second: usize): i32 {
  return <i32>load<u16>(query + (first << 1)) | ((<i32>load<u16>(query + (second << 1))) << 16);
}

function nibbleLanes(row: usize, dims: usize, query: usize): v128 {
  const nibble = i16x8.splat(15);
  let a = i32x4.splat(0);
  let b = a;
  const end = row + (dims >> 1);
  for (; row < end; row += 16, query += 64) {
    const x = v128.load(row);
    const first = i32x4.dot_i16x8_s(v128.and(x, nibble), v128.load(query));
    const second = i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(x, 4), nibble), v128.load(query, 16));
    const third = i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(x, 8), nibble), v128.load(query, 32));
    const fourth = i32x4.dot_i16x8_s(i16x8.shr_u(x, 12), v128.load(query, 48));
    a = i32x4.add(a, i32x4.add(first, second));
    b = i32x4.add(b, i32x4.add(third, fourth));
  }
  return i32x4.add(a, b);
}
