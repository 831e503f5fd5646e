/**
 * Kernels that make coded rows: projection on a basis, the nearest of some columns, codes.
 * Layouts and rules of all: codes.ts.
 */
import { type SignaturesOf, signature } from './signatures.js';

/** out[r][i] = Σ_j f64(rows[r][j]) · f64(basis[j][i]), one float64 sum from +0, j ascending. */
export interface ProjectTask {
  /** `count × dim`. */
  rows: Float32Array;
  count: number;
  dim: number;
  /** `dim × width`, dim-major. */
  basis: Float32Array;
  width: number;
  /** Out: `count × width`. */
  out: Float64Array;
}

/**
 * For listed rows, by the sums of project: the column whose product less its offset is largest and above what the row has.
 * Columns are looked at in their order, and only a larger one wins.
 */
export interface NearestTask {
  /** Rows of `dim` values. */
  rows: Float32Array;
  /** The rows that take part: places in `rows`, `best` and `found`, each at most once. */
  places: Uint32Array;
  count: number;
  dim: number;
  /** `dim × width`, dim-major. */
  basis: Float32Array;
  width: number;
  /** By column. */
  offsets: Float64Array;
  /** By column: the name that goes into `found`. */
  names: Uint32Array;
  /** In and out, by place: product less offset. */
  best: Float64Array;
  /** In and out, by place. */
  found: Uint32Array;
}

/**
 * Codes of a quantiser with a base and a step a dim. For value v: t = (v − base) · inverse, code = floor(t + 0.5) clamped;
 * the residual is v − (base + step · code). Residuals are squared and summed in eight lanes by dim mod 8, as
 * kernels.ts does.
 */
export interface EncodeTask {
  /** `count` rows of `stride` float64 values, of which dims [0, dims) from `offset` on are coded. */
  values: Float64Array;
  count: number;
  stride: number;
  offset: number;
  dims: number;
  base: Float64Array;
  step: Float64Array;
  /** 1 / step. */
  inverse: Float64Array;
}

/** Codes 0..255: the high halves into the head plane, the low ones into the fine plane. */
export interface EncodeHeadTask extends EncodeTask {
  /** First row: a multiple of 16. */
  first: number;
  head: Uint8Array;
  fine: Uint8Array;
  /** Out: `count` sums of squared residuals of the code 16 h + 7.5, h the high half. */
  coarseError: Float64Array;
  /** Out: the same sums for the whole code. */
  fineError: Float64Array;
}

/** Codes −127..127. */
export interface EncodeRowsTask extends EncodeTask {
  /** Out: `count × dims`, from row `first` on. */
  first: number;
  plane: Uint8Array;
  /** Out: `count` sums of squared residuals. */
  error: Float64Array;
}

/** Codes 0 and 1. */
export interface EncodeBitsTask extends EncodeTask {
  /** First row: a multiple of 16. */
  first: number;
  /** The bit plane. */
  plane: Uint8Array;
}

export interface EncodeKernels {
  project(task: ProjectTask): void;
  nearest(task: NearestTask): void;
  encodeHead(task: EncodeHeadTask): void;
  encodeRows(task: EncodeRowsTask): void;
  encodeBits(task: EncodeBitsTask): void;
}

/** In the order of every task that encodes. */
const ENCODE = [
  'f64[] values',
  'size count',
  'size stride',
  'size offset',
  'size dims',
  'f64[] base',
  'f64[] step',
  'f64[] inverse',
  'size first',
] as const;

export const ENCODE_SIGNATURES = {
  project: signature<ProjectTask>()(
    ['f32[] rows', 'size count', 'size dim', 'f32[] basis', 'size width', 'out f64[] out'],
    (call, t) => call(t.rows, t.count, t.dim, t.basis, t.width, t.out),
  ),
  nearest: signature<NearestTask>()(
    [
      'f32[] rows',
      'u32[] places',
      'size count',
      'size dim',
      'f32[] basis',
      'size width',
      'f64[] offsets',
      'u32[] names',
      'out f64[] best',
      'out u32[] found',
    ],
    (call, t) => call(t.rows, t.places, t.count, t.dim, t.basis, t.width, t.offsets, t.names, t.best, t.found),
  ),
  encodeHead: signature<EncodeHeadTask>()(
    [...ENCODE, 'out u8[] head', 'out u8[] fine', 'out f64[] coarseError', 'out f64[] fineError'],
    (call, t) =>
      call(
        t.values,
        t.count,
        t.stride,
        t.offset,
        t.dims,
        t.base,
        t.step,
        t.inverse,
        t.first,
        t.head,
        t.fine,
        t.coarseError,
        t.fineError,
      ),
  ),
  encodeRows: signature<EncodeRowsTask>()([...ENCODE, 'out u8[] plane', 'out f64[] error'], (call, t) =>
    call(t.values, t.count, t.stride, t.offset, t.dims, t.base, t.step, t.inverse, t.first, t.plane, t.error),
  ),
  encodeBits: signature<EncodeBitsTask>()([...ENCODE, 'out u8[] plane'], (call, t) =>
    call(t.values, t.count, t.stride, t.offset, t.dims, t.base, t.step, t.inverse, t.first, t.plane),
  ),
} as const satisfies SignaturesOf<EncodeKernels>;
