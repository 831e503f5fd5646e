// A table of each row's nearest rows: how it is made of head codes, and the walk over it.
import { headDots } from './head-dots';
import { rowDots, rowDotsScratch } from './row-dots';
import { topDots, topDotsScratch } from './top-dots';

/** As in src/kernels/codes-walk.ts. */
const WALK_STEP: usize = 4;

function aligned(bytes: usize): usize {
  return (bytes + 15) & ~15;
}

export function neighboursScratch(dims: usize, sought: usize, most: usize, degree: usize): usize {
  const blocks = sought * most;
  const rows = aligned((degree + 1) << 2);
  return (
    aligned(dims << 1) +
    (dims << 3) +
    aligned(blocks << 2) +
    (blocks << 6) +
    2 * rows +
    topDotsScratch(blocks, degree + 1) +
    64
  );
}

export function neighbours(
  plane: usize,
  dims: usize,
  offsets: usize,
  lists: usize,
  sought: usize,
  most: usize,
  mask: usize,
  weights: usize,
  first: usize,
  rows: usize,
  degree: usize,
  table: usize,
  scratch: usize,
): void {
  const query = scratch;
  const laidOut = query + aligned(dims << 1);
  const blocks = laidOut + (dims << 3);
  const found = blocks + aligned((sought * most) << 2);
  const best = found + aligned((degree + 1) << 2);
  const dots = best + aligned((degree + 1) << 2);
  const rest = dots + ((sought * most) << 6);
  for (let row = first; row < first + rows; row++) {
    const own = row >> 4;
    const codes = plane + ((own * dims) << 3) + ((row & 15) << 2);
    for (let i: usize = 0; i < dims; i++) {
      const byte = <u32>load<u8>(codes + ((i >> 3) << 6) + (i & 3));
      store<i16>(query + (i << 1), weightOf(weights, i, byte));
    }
    let count: usize = 0;
    let next: usize = 0; // neighbouring lists may share a block
    for (let i: usize = 0; i < sought; i++, lists += 4) {
      const at = offsets + ((<usize>load<u32>(lists)) << 2);
      const begin = <usize>load<u32>(at);
      const behind = <usize>load<u32>(at, 4);
      if (begin === behind) continue;
      let from = begin >> 4;
      let to = (behind + 15) >> 4;
      if (to - from > most) {
        if (own >= from && own < to) from = min(own < from + (most >> 1) ? from : own - (most >> 1), to - most);
        to = from + most;
      }
      for (let block = max(next, from); block < to; block++, count++) store<u32>(blocks + (count << 2), <u32>block);
      next = max(next, to);
    }
    headDots(plane, dims, blocks, count, query, 1, dots, laidOut);
    const n = topDots(dots, blocks, count, mask, degree + 1, found, best, rest);
    writeOthers(found, n, <u32>row, degree, table);
  }
}

/** The query's value for a dim of a byte of two codes. */
function weightOf(weights: usize, i: usize, byte: u32): i16 {
  const code = i & 4 ? byte >> 4 : byte & 15;
  return load<i16>(weights + (((i << 4) + code) << 1));
}

/** Writes the first rows that are not the row itself as its neighbours. */
function writeOthers(found: usize, count: usize, row: u32, degree: usize, table: usize): void {
  let out = table + ((<usize>row * degree) << 2);
  const end = out + (degree << 2);
  for (let i: usize = 0; i < count && out < end; i++) {
    const other = load<u32>(found + (i << 2));
    if (other === row) continue;
    store<u32>(out, other);
    out += 4;
  }
  for (; out < end; out += 4) store<u32>(out, row);
}

/** A place: its key, row, dot product, and whether it was walked; 24 bytes. */
const PLACE: usize = 24;
const ROW: usize = 8;
const DOT: usize = 12;
const WALKED: usize = 16;

export function walkScratch(dims: usize, size: usize, degree: usize): usize {
  return aligned((size + 1) * PLACE) + aligned((WALK_STEP * degree) << 2) + rowDotsScratch(dims) + 64;
}

/** Reads up to 12 bytes behind a row of the plane, and one behind the table. */
export function walk(
  plane: usize,
  dims: usize,
  query: usize,
  table: usize,
  idBytes: usize,
  degree: usize,
  blocks: usize,
  count: usize,
  mask: usize,
  marks: usize,
  metric: u32,
  norms: usize,
  scale: f64,
  constant: f64,
  twoQuery: f64,
  size: usize,
  found: usize,
  rows: usize,
  best: usize,
  room: usize,
  met: usize,
  scratch: usize,
): usize {
  const places = scratch;
  const dots = places + aligned((size + 1) * PLACE);
  const rest = dots + aligned((WALK_STEP * degree) << 2);
  const stride = dims >> 1;
  const step = degree * idBytes;
  const idMask: u32 = idBytes === 3 ? 0xffffff : 0xffffffff;
  const all = met + 4;
  let end = places + found * PLACE;
  const limit = places + size * PLACE;
  for (let i: usize = 0, at = places; i < found; i++, at += PLACE) {
    const row = load<u32>(rows + (i << 2));
    const dot = load<i32>(best + (i << 2));
    put(at, keyOf(metric, norms, scale, constant, twoQuery, row, dot), row, dot);
  }
  for (let b: usize = 0; b < count; b++) {
    const at = (<usize>load<u32>(blocks + (b << 2))) << 1;
    store<u16>(marks + at, load<u16>(mask + at));
  }
  let known: usize = 0;
  let first = places; // places before it are walked
  while (known + WALK_STEP * degree <= room) {
    while (first < end && load<u32>(first, WALKED) !== 0) first += PLACE;
    if (first === end) break;
    const from = known;
    let steps: usize = 0;
    for (let at = first; at < end && steps < WALK_STEP; at += PLACE) {
      if (load<u32>(at, WALKED) !== 0) continue;
      store<u32>(at, 1, WALKED);
      steps++;
      let near = table + <usize>load<u32>(at, ROW) * step;
      for (const behind = near + step; near < behind; near += idBytes) {
        const row = load<u32>(near) & idMask;
        const mark = marks + ((<usize>row >> 4) << 1);
        const bits = <u32>load<u16>(mark);
        const bit: u32 = 1 << (row & 15);
        if ((bits & bit) !== 0) continue;
        store<u16>(mark, <u16>(bits | bit));
        store<u32>(all + (known << 2), row);
        known++;
      }
    }
    const fresh = all + (from << 2);
    rowDots(plane, 4, stride, dims, fresh, known - from, query, dots, rest);
    for (let i: usize = 0; i < known - from; i++) {
      const row = load<u32>(fresh + (i << 2));
      const dot = load<i32>(dots + (i << 2));
      const key = keyOf(metric, norms, scale, constant, twoQuery, row, dot);
      if (end === limit && !(end > places && key > load<f64>(end - PLACE))) continue;
      let low: usize = 0;
      let high = (end - places) / PLACE;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (key > load<f64>(places + middle * PLACE)) high = middle;
        else low = middle + 1;
      }
      const at = places + low * PLACE;
      memory.copy(at + PLACE, at, end - at);
      put(at, key, row, dot);
      if (end < limit) end += PLACE;
      if (at < first) first = at;
    }
  }
  const taken = (end - places) / PLACE;
  for (let i: usize = 0, at = places; i < taken; i++, at += PLACE) {
    store<u32>(rows + (i << 2), load<u32>(at, ROW));
    store<i32>(best + (i << 2), load<i32>(at, DOT));
  }
  for (let b: usize = 0; b < count; b++) store<u16>(marks + ((<usize>load<u32>(blocks + (b << 2))) << 1), 0);
  for (let i: usize = 0; i < known; i++) store<u16>(marks + ((<usize>load<u32>(all + (i << 2)) >> 4) << 1), 0);
  store<u32>(met, <u32>known);
  return taken;
}

function put(at: usize, key: f64, row: u32, dot: i32): void {
  store<f64>(at, key);
  store<u32>(at, row, ROW);
  store<i32>(at, dot, DOT);
  store<u32>(at, 0, WALKED);
}

function keyOf(metric: u32, norms: usize, scale: f64, constant: f64, twoQuery: f64, row: u32, dot: i32): f64 {
  if (metric === 0) return <f64>dot;
  const v = <f64>dot * scale + constant;
  const norm = <f64>load<f32>(norms + ((<usize>row) << 2));
  return metric === 1 ? norm * v : norm * (twoQuery * v - norm);
}

export function relinkScratch(dims: usize, size: usize, degree: usize): usize {
  return aligned(dims << 1) + 2 * aligned(size << 2) + walkScratch(dims, size, degree);
}

/** Reads up to 12 bytes behind a row of the plane. */
export function relink(
  plane: usize,
  dims: usize,
  weights: usize,
  from: usize,
  degree: usize,
  marks: usize,
  size: usize,
  room: usize,
  met: usize,
  first: usize,
  rows: usize,
  table: usize,
  scratch: usize,
): void {
  const query = scratch;
  const places = query + aligned(dims << 1);
  const best = places + aligned(size << 2);
  const rest = best + aligned(size << 2);
  for (let row = first; row < first + rows; row++) {
    const codes = plane + row * (dims >> 1);
    let dot = 0;
    for (let i: usize = 0; i < dims; i++) {
      const byte = <u32>load<u8>(codes + ((i >> 3) << 2) + (i & 3));
      const weight = weightOf(weights, i, byte);
      store<i16>(query + (i << 1), weight);
      dot += <i32>weight * <i32>(i & 4 ? byte >> 4 : byte & 15);
    }
    store<u32>(places, <u32>row);
    store<i32>(best, dot);
    const mark = marks + ((row >> 4) << 1);
    store<u16>(mark, <u16>((<u32>1) << (<u32>row & 15)));
    const n = walk(
      plane,
      dims,
      query,
      from,
      4,
      degree,
      0,
      0,
      0,
      marks,
      0,
      0,
      1,
      0,
      0,
      size,
      1,
      places,
      best,
      room,
      met,
      rest,
    );
    store<u16>(mark, 0);
    writeOthers(places, n, <u32>row, degree, table);
  }
}
