/**
 * The second half of the kernel contract: kernels over coded rows, which the embedded index searches before it reads a
 * row itself. cpp/, assembly/ and codes-reference.ts implement it with the same names and agree in every bit.
 *
 * Coded rows. An index keeps, for each row's unit vector, small integer codes of some dims ("a plane"):
 *
 *     head plane   4 bits a dim, 16 rows a block, so that a scan streams it. A block is dims / 8 groups of 64 bytes; byte
 *                  4 r + t of group g holds dim 8 g + t of row r in its low half and dim 8 g + 4 + t in its high half
 *     fine plane   4 bits a dim, row by row: byte 4 g + t of a row holds dims 8 g + t and 8 g + 4 + t likewise
 *     int8 plane   one signed byte a dim, row by row
 *     bit plane    1 bit a dim, 16 rows a block. A block is dims / 8 groups of 16 bytes; bit t of byte r of group g is that
 *                  of dim 8 g + t of row r
 *
 * All integer sums are exact, in int32; callers choose queries so that they fit. All float64 arithmetic is one rounding
 * an operation, in the order written, nothing fused.
 *
 * Memory. Planes, queries and outputs come from `allocate`, so that WASM can reach them; they are shared memory, and any
 * thread may read them. Callers validate; kernels trust sizes and ranges.
 */
import { ENCODE_SIGNATURES, type EncodeKernels } from './codes-encode.js';
import { SCAN_SIGNATURES, type ScanKernels } from './codes-scan.js';
import { TABLE_SIGNATURES } from './codes-table.js';
import { type TableKernels, WALK_SIGNATURES, type WalkKernels } from './codes-walk.js';

export type {
  EncodeBitsTask,
  EncodeHeadTask,
  EncodeKernels,
  EncodeRowsTask,
  EncodeTask,
  NearestTask,
  ProjectTask,
} from './codes-encode.js';
export {
  BIT_QUERY_MAX,
  type BitDotsTask,
  BLOCK_ROWS,
  type Bound,
  type GatherBitsTask,
  HEAD_QUERY_MAX,
  type HeadDotsTask,
  type PruneRowsTask,
  type PruneVisitTask,
  type RowDotsTask,
  type ScanKernels,
  type ScoresAtTask,
  type TopDotsTask,
} from './codes-scan.js';
export { type NeighboursTask, type RelinkTask, WALK_STEP, type WalkKernels, type WalkTask } from './codes-walk.js';

export interface CodeKernels extends ScanKernels, EncodeKernels, TableKernels, WalkKernels {
  /** As in kernels.ts. */
  readonly name: string;
  /** Zeroed shared memory that all kernels of this backend can reach, 64-byte aligned. */
  allocate(bytes: number): Uint8Array;
  /** Gives back a view that `allocate` returned. Nothing may use it afterwards. */
  release(memory: Uint8Array): void;
  /** Sets how many threads the kernels may use when this thread calls them; 1 until then. Backends without threads lack it. */
  team?(threads: number): void;
}

/** How each kernel is called in native and WASM code; cpp/codes.h and assembly/ state the same. */
export const CODE_SIGNATURES = {
  ...SCAN_SIGNATURES,
  ...ENCODE_SIGNATURES,
  ...TABLE_SIGNATURES,
  ...WALK_SIGNATURES,
} as const;

export type CodeKernelName = keyof typeof CODE_SIGNATURES;

/** Every name of the contract. */
export const CODE_KERNEL_NAMES = Object.keys(CODE_SIGNATURES) as readonly CodeKernelName[];
