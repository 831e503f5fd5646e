/** NumPy's files: one matrix, streamed. */
import { type FileHandle, open } from 'node:fs/promises';
import { expected, FunnelError, type FunnelErrorCode } from '../../core/errors.js';
import { allFinite } from '../../core/finite.js';
import { halfToFloat } from '../../core/half.js';
import { atOnce } from '../../core/slices.js';
import type { FunnelIndex } from '../funnel-index.js';
import { convert } from '../input.js';
import { partsOf } from '../parts.js';
import {
  BatchWriter,
  batchOf,
  checkImport,
  checkLists,
  type ImportResult,
  inRows,
  notFinite,
  type RowOptions,
} from './batches.js';

/**
 * Writes the rows of a .npy file, a batch in memory at a time. The file holds one matrix of two axes, in C order, of '<f4' or
 * '<f2', which are stored as they are, or of '<f8', of which each value becomes the nearest that the index keeps.
 *
 * @example
 * await importNpy(index, 'films.npy', { payloads: (row) => films[row], onProgress: ({ done, total }) => … });
 *
 * @throws FunnelError BAD_ARGUMENT (no such file, another type or order), BAD_DIMS, CORRUPT (cut off) before any work;
 *   NOT_FINITE, BAD_ID, ABORTED, DISK: batches that were written until then stay
 */
export async function importNpy<Payload>(
  index: FunnelIndex<Payload>,
  path: string,
  options: RowOptions<Payload> = {},
): Promise<ImportResult> {
  const { batch, from } = checkImport(index as never, options, 'importNpy', ['ids', 'payloads']);
  if (typeof path !== 'string' || path === '') throw expected('BAD_ARGUMENT', 'the path of a .npy file', 'path', path);
  const file = await NpyFile.open(path);
  try {
    const { dim } = index;
    const { rows: total } = file;
    if (file.columns !== dim) throw unlike('BAD_DIMS', `rows of ${dim} values`, path, `${file.columns}`);
    checkLists(options, total);
    const writer = new BatchWriter(index, options, path, total);
    const { half } = partsOf(index).live;
    for (let first = from; first < total; first += batch) {
      writer.checkSignal();
      const count = Math.min(batch, total - first);
      const vectors = await file.read(first, count, half);
      try {
        await writer.write(batchOf(index, vectors, first, count, options), first + count);
      } catch (error) {
        throw inRows(error, path, first, count);
      }
    }
    return writer.result;
  } finally {
    await file.close();
  }
}

/** A matrix in a file, of which some rows are in memory at a time. */
export class NpyFile {
  #buffer = Buffer.alloc(0);

  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    readonly rows: number,
    readonly columns: number,
    private readonly type: Type,
    private readonly offset: number,
  ) {}

  /** @throws FunnelError BAD_ARGUMENT (no such file, another type or order), BAD_DIMS, CORRUPT (cut off) */
  static async open(path: string): Promise<NpyFile> {
    const file = await opened(path);
    try {
      const { rows, columns, type, offset } = await header(file, path);
      return new NpyFile(path, file, rows, columns, type, offset);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * `count × columns` values: float32, or float16 bits (of float64 values where `half` says so). Good until the next call, which uses their memory again.
   *
   * @throws FunnelError NOT_FINITE, CORRUPT, DISK
   */
  async read(first: number, count: number, half = false): Promise<Float32Array | Uint16Array> {
    const { columns, type, path } = this;
    const row = columns * BYTES[type];
    if (this.#buffer.length < count * row) this.#buffer = Buffer.alloc(count * row);
    const bytes = this.#buffer.subarray(0, count * row);
    await readAll(this.file, bytes, this.offset + first * row, path);
    const vectors = valuesOf(bytes, type);
    if (!allFinite(vectors, 0, vectors.length)) throw whereNot(vectors, type, bytes, columns, first, path);
    if (!half || type !== '<f8') return vectors;
    try {
      return atOnce(convert(float64s(bytes), columns, true));
    } catch (error) {
      throw inRows(error, path, first, count);
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

type Type = '<f2' | '<f4' | '<f8';

const BYTES: Record<Type, number> = { '<f2': 2, '<f4': 4, '<f8': 8 };
/** 1000, np.int64(1000), or as Python 2 had it, 1000L. */
const AXIS = /^(?:(\d+)L?|[\w.]+\((\d+)\))$/;
const MAGIC = Buffer.from('\x93NUMPY', 'latin1');

interface Header {
  type: Type;
  rows: number;
  columns: number;
  /** Byte at which the first value begins. */
  offset: number;
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    const why = (cause as Error).message;
    throw new FunnelError('BAD_ARGUMENT', `Expected a file that can be read for path but received ${why}`, { cause });
  }
}

/** Reads headers of versions 1 to 3; see numpy.lib.format. */
async function header(file: FileHandle, path: string): Promise<Header> {
  const stat = await file.stat();
  if (!stat.isFile()) throw unlike('BAD_ARGUMENT', 'a .npy file', path, 'a folder or device');
  const { size } = stat;
  const start = Buffer.alloc(12);
  if (size < start.length) throw unlike('BAD_ARGUMENT', 'a .npy file', path, `${size} bytes`);
  await readAll(file, start, 0, path);
  if (!start.subarray(0, 6).equals(MAGIC)) throw unlike('BAD_ARGUMENT', 'a .npy file', path, 'another kind of file');
  const version = start[6]!;
  if (version < 1 || version > 3) throw unlike('BAD_ARGUMENT', 'format 1, 2 or 3 of .npy', path, `format ${version}`);
  const length = version === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  const from = version === 1 ? 10 : 12;
  if (length > 1 << 20 || from + length > size) throw corrupt(path, 'its header is cut off');
  const text = Buffer.alloc(length);
  await readAll(file, text, from, path);
  const found = parsed(text.toString(version === 3 ? 'utf8' : 'latin1'), path);
  const offset = from + length;
  const needed = offset + found.rows * found.columns * BYTES[found.type];
  if (size < needed) throw corrupt(path, `it has ${size} bytes where its header says ${needed}`);
  return { ...found, offset };
}

/** Python's text for a dictionary. */
function parsed(text: string, path: string): Omit<Header, 'offset'> {
  const type = /['"]descr['"]\s*:\s*(['"])([^'"]*)\1/.exec(text)?.[2];
  const fortran = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text)?.[1];
  // Counts may be written as np.int64(1000), which NumPy's own reader refuses.
  const shape = /['"]shape['"]\s*:\s*\(((?:[^()]|\([^()]*\))*)\)/.exec(text)?.[1];
  if (fortran === undefined || shape === undefined) throw corrupt(path, 'its header makes no sense');
  if (type === undefined || !Object.hasOwn(BYTES, type)) {
    const what = "values of type '<f4', '<f2' or '<f8' (numpy: matrix.astype('<f4'))";
    throw unlike('BAD_ARGUMENT', what, path, type === undefined ? 'a structured type' : `'${type}'`);
  }
  if (fortran === 'True') {
    throw unlike('BAD_ARGUMENT', 'C order (numpy: np.ascontiguousarray(matrix))', path, 'Fortran order');
  }
  const axes = shape
    .split(',')
    .map((axis) => axis.trim())
    .filter((axis) => axis !== '');
  const [rows, columns] = axes.map((axis) => {
    const [, plain, wrapped] = AXIS.exec(axis) ?? [];
    return Number(plain ?? wrapped);
  });
  if (axes.length !== 2 || !Number.isSafeInteger(rows) || !Number.isSafeInteger(columns)) {
    throw unlike('BAD_DIMS', 'a matrix of two axes', path, `the shape (${shape})`);
  }
  return { type: type as Type, rows: rows!, columns: columns! };
}

async function readAll(file: FileHandle, into: Buffer, position: number, path: string): Promise<void> {
  for (let done = 0; done < into.length; ) {
    let got: number;
    try {
      got = (await file.read(into, done, into.length - done, position + done)).bytesRead;
    } catch (cause) {
      throw new FunnelError('DISK', `Reading ${path} failed: ${(cause as Error).message}`, { cause });
    }
    if (got === 0) throw corrupt(path, 'it ends early');
    done += got;
  }
}

/** The files are little-endian, as are all platforms that this package has binaries for. */
function valuesOf(bytes: Buffer, type: Type): Float32Array | Uint16Array {
  const { buffer, byteOffset, length } = bytes;
  if (type === '<f2') return new Uint16Array(buffer, byteOffset, length / 2);
  if (type === '<f4') return new Float32Array(buffer, byteOffset, length / 4);
  return Float32Array.from(float64s(bytes));
}

function float64s({ buffer, byteOffset, length }: Buffer): Float64Array {
  return new Float64Array(buffer, byteOffset, length / 8);
}

function whereNot(
  vectors: Float32Array | Uint16Array,
  type: Type,
  bytes: Buffer,
  dim: number,
  first: number,
  path: string,
): FunnelError {
  const float = (value: number) => (vectors instanceof Uint16Array ? halfToFloat(value) : value);
  const at = vectors.findIndex((value: number) => !Number.isFinite(float(value)));
  // A float64 is shown as it was before it became a float32.
  const value = type === '<f8' ? bytes.readDoubleLE(8 * at) : float(vectors[at]!);
  return notFinite(value, at, dim, first, path);
}

function unlike(code: FunnelErrorCode, what: string, path: string, got: string): FunnelError {
  return new FunnelError(code, `Expected ${what} for ${path} but received ${got}`);
}

function corrupt(path: string, why: string): FunnelError {
  return new FunnelError('CORRUPT', `Expected a whole .npy file for ${path} but ${why}`);
}
