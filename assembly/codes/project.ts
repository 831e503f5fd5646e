// Rows times a basis: tiles of 4 rows and 4 columns, whose 16 sums stay in registers.
import { widenFloats } from '../widen';

const TILE: usize = 4;
const TILE_BYTES: usize = TILE * TILE * 8;
/** Widened rows that are held at a time, so that all columns find them in a core's own cache. */
const ROWS_BYTES: usize = 256 * 1024;

function rowsAtATime(count: usize, dim: usize): usize {
  const most = max(TILE, (ROWS_BYTES / (dim << 3)) & ~(TILE - 1));
  return min(most, (count + TILE - 1) & ~(TILE - 1));
}

export function projectScratch(count: usize, dim: usize): usize {
  return TILE_BYTES + (dim << 3) * (TILE + rowsAtATime(count, dim)) + 16;
}

/** Reads up to 12 bytes behind the basis. */
export function project(
  rows: usize,
  count: usize,
  dim: usize,
  basis: usize,
  width: usize,
  out: usize,
  scratch: usize,
): void {
  const columns = scratch + TILE_BYTES;
  const wide = columns + dim * TILE * 8;
  const rowBytes = dim << 3;
  const step = rowsAtATime(count, dim);
  for (let first: usize = 0; first < count; first += step) {
    const m = min(step, count - first);
    for (let r: usize = 0; r < m; r++) widenFloats(rows + (((first + r) * dim) << 2), wide + r * rowBytes, dim);
    for (let column: usize = 0; column < width; column += TILE) {
      // Columns beyond the last are whatever lies there; their sums are left behind.
      widenColumns(basis + (column << 2), width << 2, dim, columns);
      for (let r: usize = 0; r < m; r += TILE) {
        tile(wide + r * rowBytes, rowBytes, columns, dim, scratch);
        copyTile(
          scratch,
          out + (((first + r) * width + column) << 3),
          width,
          min(TILE, m - r),
          min(TILE, width - column),
        );
      }
    }
  }
}

/** Reads up to 12 bytes behind the basis. Scratch is that of project. */
export function nearest(
  rows: usize,
  places: usize,
  count: usize,
  dim: usize,
  basis: usize,
  width: usize,
  offsets: usize,
  names: usize,
  best: usize,
  found: usize,
  scratch: usize,
): void {
  const columns = scratch + TILE_BYTES;
  const wide = columns + dim * TILE * 8;
  const rowBytes = dim << 3;
  const step = rowsAtATime(count, dim);
  for (let first: usize = 0; first < count; first += step) {
    const m = min(step, count - first);
    const some = places + (first << 2);
    for (let k: usize = 0; k < m; k++) {
      widenFloats(rows + ((<usize>load<u32>(some + (k << 2)) * dim) << 2), wide + k * rowBytes, dim);
    }
    for (let column: usize = 0; column < width; column += TILE) {
      widenColumns(basis + (column << 2), width << 2, dim, columns);
      const n = min(TILE, width - column);
      for (let k: usize = 0; k < m; k += TILE) {
        tile(wide + k * rowBytes, rowBytes, columns, dim, scratch);
        for (let r: usize = 0; r < min(TILE, m - k); r++) {
          const place = <usize>load<u32>(some + ((k + r) << 2));
          for (let i: usize = 0; i < n; i++) {
            const value = load<f64>(scratch + ((r * TILE + i) << 3)) - load<f64>(offsets + ((column + i) << 3));
            if (value > load<f64>(best + (place << 3))) {
              store<f64>(best + (place << 3), value);
              store<u32>(found + (place << 2), load<u32>(names + ((column + i) << 2)));
            }
          }
        }
      }
    }
  }
}

function widenColumns(from: usize, stride: usize, dim: usize, to: usize): void {
  for (let j: usize = 0; j < dim; j++, from += stride, to += 32) {
    v128.store(to, f64x2.promote_low_f32x4(v128.load64_zero(from)));
    v128.store(to, f64x2.promote_low_f32x4(v128.load64_zero(from, 8)), 16);
  }
}

function tile(row: usize, rowBytes: usize, columns: usize, dim: usize, out: usize): void {
  const row1 = row + rowBytes;
  const row2 = row1 + rowBytes;
  const row3 = row2 + rowBytes;
  let a = f64x2.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let e = a;
  let f = a;
  let g = a;
  let h = a;
  for (let j: usize = 0; j < dim << 3; j += 8, columns += 32) {
    const left = v128.load(columns);
    const right = v128.load(columns, 16);
    let x = v128.load64_splat(row + j);
    a = f64x2.add(a, f64x2.mul(x, left));
    b = f64x2.add(b, f64x2.mul(x, right));
    x = v128.load64_splat(row1 + j);
    c = f64x2.add(c, f64x2.mul(x, left));
    d = f64x2.add(d, f64x2.mul(x, right));
    x = v128.load64_splat(row2 + j);
    e = f64x2.add(e, f64x2.mul(x, left));
    f = f64x2.add(f, f64x2.mul(x, right));
    x = v128.load64_splat(row3 + j);
    g = f64x2.add(g, f64x2.mul(x, left));
    h = f64x2.add(h, f64x2.mul(x, right));
  }
  v128.store(out, a);
  v128.store(out, b, 16);
  v128.store(out, c, 32);
  v128.store(out, d, 48);
  v128.store(out, e, 64);
  v128.store(out, f, 80);
  v128.store(out, g, 96);
  v128.store(out, h, 112);
}

function copyTile(from: usize, to: usize, width: usize, rows: usize, columns: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    for (let i: usize = 0; i < columns; i++) {
      store<f64>(to + ((r * width + i) << 3), load<f64>(from + ((r * TILE + i) << 3)));
    }
  }
}
