// Dot products over a head plane: 4 bits a dim, blocks of 16 rows (src/kernels/codes.ts states the layout).
//
// 16 bytes are 4 rows of 4 bytes, so read as eight 16-bit numbers they hold of every row two numbers of four nibbles:
//
//     the first    dims 0, 4, 1, 5 of the group, from bit 0 on        the second    dims 2, 6, 3, 7
//
// Each of the four nibble positions takes one multiplication that also adds a row's two numbers up.

const BLOCK_ROWS: usize = 16;
/** Bytes of a group, and of its dims of a query laid out for it. */
const GROUP: usize = 64;

/** Several queries take turns on this much of a plane, so that it stays in a core's own cache. */
const TILE_BYTES: usize = 64 * 1024;

/** Scratch: 8 bytes a dim. */
export function headDots(
  plane: usize,
  dims: usize,
  blocks: usize,
  count: usize,
  query: usize,
  queries: usize,
  dots: usize,
  scratch: usize,
): void {
  const blockBytes = dims << 3;
  const tile = queries > 1 ? max(1, TILE_BYTES / blockBytes) : count;
  for (let from: usize = 0; from < count; from += tile) {
    const to = min(count, from + tile);
    for (let t: usize = 0; t < queries; t++) {
      layOut(query + ((t * dims) << 1), dims, scratch);
      const out = dots + t * count * (BLOCK_ROWS << 2);
      for (let b = from; b < to; b++) {
        const block = plane + <usize>load<u32>(blocks + (b << 2)) * blockBytes;
        blockDots(block, block + blockBytes, scratch, out + b * (BLOCK_ROWS << 2));
      }
    }
  }
}

/** The dims of each nibble position, for every row: four vectors a group. */
function layOut(query: usize, dims: usize, to: usize): void {
  const end = query + (dims << 1);
  for (; query < end; query += 16, to += GROUP) {
    const q = v128.load(query);
    v128.store(to, v128.shuffle<i16>(q, q, 0, 2, 0, 2, 0, 2, 0, 2));
    v128.store(to, v128.shuffle<i16>(q, q, 4, 6, 4, 6, 4, 6, 4, 6), 16);
    v128.store(to, v128.shuffle<i16>(q, q, 1, 3, 1, 3, 1, 3, 1, 3), 32);
    v128.store(to, v128.shuffle<i16>(q, q, 5, 7, 5, 7, 5, 7, 5, 7), 48);
  }
}

function blockDots(block: usize, end: usize, query: usize, out: usize): void {
  const nibble = i16x8.splat(15);
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (; block < end; block += GROUP, query += GROUP) {
    const q0 = v128.load(query);
    const q1 = v128.load(query, 16);
    const q2 = v128.load(query, 32);
    const q3 = v128.load(query, 48);
    let x = v128.load(block);
    let even = i32x4.add(dot0(x, nibble, q0), dot1(x, nibble, q1));
    let odd = i32x4.add(dot2(x, nibble, q2), dot3(x, q3));
    a = i32x4.add(a, i32x4.add(even, odd));
    x = v128.load(block, 16);
    even = i32x4.add(dot0(x, nibble, q0), dot1(x, nibble, q1));
    odd = i32x4.add(dot2(x, nibble, q2), dot3(x, q3));
    b = i32x4.add(b, i32x4.add(even, odd));
    x = v128.load(block, 32);
    even = i32x4.add(dot0(x, nibble, q0), dot1(x, nibble, q1));
    odd = i32x4.add(dot2(x, nibble, q2), dot3(x, q3));
    c = i32x4.add(c, i32x4.add(even, odd));
    x = v128.load(block, 48);
    even = i32x4.add(dot0(x, nibble, q0), dot1(x, nibble, q1));
    odd = i32x4.add(dot2(x, nibble, q2), dot3(x, q3));
    d = i32x4.add(d, i32x4.add(even, odd));
  }
  v128.store(out, a);
  v128.store(out, b, 16);
  v128.store(out, c, 32);
  v128.store(out, d, 48);
}

function dot0(x: v128, nibble: v128, q: v128): v128 {
  return i32x4.dot_i16x8_s(v128.and(x, nibble), q);
}

function dot1(x: v128, nibble: v128, q: v128): v128 {
  return i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(x, 4), nibble), q);
}

function dot2(x: v128, nibble: v128, q: v128): v128 {
  return i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(x, 8), nibble), q);
}

function dot3(x: v128, q: v128): v128 {
  return i32x4.dot_i16x8_s(i16x8.shr_u(x, 12), q);
}
