/** Files of one matrix, streamed: NumPy's, those of TEXMEX (.fvecs, .bvecs) and of the Big-ANN benchmarks (.fbin, .u8bin, .i8bin). */
import { type FileHandle, open } from 'node:fs/promises';
import { turn } from '../../core/endian.js';
import { FunnelError } from '../../core/errors.js';
import { allFinite } from '../../core/finite.js';
import { halfToFloat } from '../../core/half.js';
import { atOnce } from '../../core/slices.js';
import { convert } from '../input.js';
import { inRows, notFinite } from './batches.js';
import {
  type MatrixFormat,
  type MatrixLayout,
  notWhole,
  unlike,
  VALUE_BYTES,
  type ValueType,
} from './matrix-layout.js';
import { npyLayout } from './npy-header.js';

/** A matrix in a file, of which some rows are in memory at a time. */
export class MatrixFile {
  #buffer = Buffer.alloc(0);

  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    private readonly format: MatrixFormat,
    private readonly layout: MatrixLayout,
  ) {}

  /** @throws FunnelError BAD_ARGUMENT (no such file, another type or order), BAD_DIMS, CORRUPT (cut off) */
  static async open(path: string, format: MatrixFormat): Promise<MatrixFile> {
    const file = await opened(path);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw unlike('BAD_ARGUMENT', `a .${format} file`, path, 'a folder or device');
      return new MatrixFile(path, file, format, await layoutOf(file, path, format, stat.size));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get rows(): number {
    return this.layout.rows;
  }

  get columns(): number {
    return this.layout.columns;
  }

  /**
   * `count × columns` values: float32, or float16 bits (of float64 values where `half` says so). Good until the next call, which uses their memory again.
   *
   * @throws FunnelError NOT_FINITE, CORRUPT, DISK
   */
  async read(first: number, count: number, half = false): Promise<Float32Array | Uint16Array> {
    const { path } = this;
    const { columns, type, offset, lead } = this.layout;
    const row = columns * VALUE_BYTES[type];
    const whole = count * (lead + row);
    if (this.#buffer.length < whole) this.#buffer = Buffer.alloc(whole);
    let bytes: Buffer = this.#buffer.subarray(0, whole);
    await readAll(this.file, bytes, offset + first * (lead + row), path, this.format);
    if (lead > 0) bytes = this.#withoutLead(bytes, first, row);
    const vectors = valuesOf(bytes, type);
    if (!allFinite(vectors, 0, vectors.length)) throw whereNot(vectors, type, bytes, columns, first, path);
    if (!half || type !== '<f8') return vectors;
    try {
      return atOnce(convert(float64s(bytes), columns, true));
    } catch (error) {
      throw inRows(error, path, first, count);
    }
  }

  /** Moves the values of rows together. @throws FunnelError CORRUPT: a row says that it has another length */
  #withoutLead(bytes: Buffer, first: number, row: number): Buffer {
    const { columns } = this.layout;
    const count = bytes.length / (4 + row);
    for (let r = 0; r < count; r++) {
      const at = r * (4 + row);
      const length = bytes.readInt32LE(at);
      if (length !== columns)
        throw notWhole(this.path, this.format, `its row ${first + r} says ${length} dims, row 0 ${columns}`);
      bytes.copyWithin(r * row, at + 4, at + 4 + row);
    }
    return bytes.subarray(0, count * row);
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

const BIN_TYPES = { fbin: '<f4', u8bin: 'u1', i8bin: 'i1', fvecs: '<f4', bvecs: 'u1' } as const;

async function layoutOf(file: FileHandle, path: string, format: MatrixFormat, size: number): Promise<MatrixLayout> {
  if (format === 'npy') return npyLayout((into, position) => readAll(file, into, position, path, format), size, path);
  const type = BIN_TYPES[format];
  const start = Buffer.alloc(8);
  if (size < start.length) throw unlike('BAD_ARGUMENT', `a .${format} file`, path, `${size} bytes`);
  await readAll(file, start, 0, path, format);
  const texmex = format === 'fvecs' || format === 'bvecs';
  const columns = texmex ? start.readInt32LE(0) : start.readUInt32LE(4);
  if (columns < 1 || columns > 65_536) throw unlike('BAD_DIMS', 'rows of 1 to 65536 values', path, `${columns}`);
  const row = columns * VALUE_BYTES[type];
  const rows = texmex ? Math.floor(size / (4 + row)) : start.readUInt32LE(0);
  const needed = texmex ? rows * (4 + row) : 8 + rows * row;
  if (size !== needed) {
    const why = texmex
      ? `it has ${size} bytes, which rows of ${4 + row} bytes do not fill`
      : `it has ${size} bytes where its two counts (${rows} × ${columns}) say ${needed}`;
    throw notWhole(path, format, why);
  }
  return { type, rows, columns, offset: texmex ? 0 : 8, lead: texmex ? 4 : 0 };
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    const why = (cause as Error).message;
    throw new FunnelError('BAD_ARGUMENT', `Expected a file that can be read for path but received ${why}`, { cause });
  }
}

async function readAll(
  file: FileHandle,
  into: Buffer,
  position: number,
  path: string,
  format: MatrixFormat,
): Promise<void> {
  for (let done = 0; done < into.length; ) {
    let got: number;
    try {
      got = (await file.read(into, done, into.length - done, position + done)).bytesRead;
    } catch (cause) {
      throw new FunnelError('DISK', `Reading ${path} failed: ${(cause as Error).message}`, { cause });
    }
    if (got === 0) throw notWhole(path, format, 'it ends early');
    done += got;
  }
}

/** Their numbers begin with the lowest byte. The bytes become those of this processor. */
function valuesOf(bytes: Buffer, type: ValueType): Float32Array | Uint16Array {
  turn(bytes, VALUE_BYTES[type]);
  const { buffer, byteOffset, length } = bytes;
  if (type === '<f2') return new Uint16Array(buffer, byteOffset, length / 2);
  if (type === '<f4') return new Float32Array(buffer, byteOffset, length / 4);
  if (type === 'u1') return Float32Array.from(bytes);
  if (type === 'i1') return Float32Array.from(new Int8Array(buffer, byteOffset, length));
  return Float32Array.from(float64s(bytes));
}

function float64s({ buffer, byteOffset, length }: Buffer): Float64Array {
  return new Float64Array(buffer, byteOffset, length / 8);
}

function whereNot(
  vectors: Float32Array | Uint16Array,
  type: ValueType,
  bytes: Buffer,
  dim: number,
  first: number,
  path: string,
): FunnelError {
  const float = (value: number) => (vectors instanceof Uint16Array ? halfToFloat(value) : value);
  const at = vectors.findIndex((value: number) => !Number.isFinite(float(value)));
  // A float64 is shown as it was before it became a float32.
  const value = type === '<f8' ? float64s(bytes)[at]! : float(vectors[at]!);
  return notFinite(value, at, dim, first, path);
}
