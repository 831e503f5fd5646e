/**
 * Reads tensors out of a safetensors file: the length of a JSON header in 8 bytes, the header with type, shape and place
 * of each tensor, their values little-endian (https://huggingface.co/docs/safetensors). Nothing of the header is believed
 * before it is checked against the file.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { describe, FunnelError } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';

export interface Tensor {
  type: TensorType;
  shape: readonly number[];
  /** Bytes behind the header. */
  from: number;
  to: number;
}

export type TensorType = keyof typeof BYTES;

/** Bytes of a value. Types beyond these are listed, not read. */
const BYTES = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1 };
/** As the Rust library has it. */
const MAX_HEADER = 100_000_000;
/** Bytes read and converted at a time. */
const CHUNK = 1 << 20;

export class Safetensors {
  /** Tensors of the types above, by name. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly #file: string;
  readonly #start: number;

  private constructor(file: string, tensors: Map<string, Tensor>, start: number) {
    this.#file = file;
    this.tensors = tensors;
    this.#start = start;
  }

  /** @throws FunnelError CORRUPT; what the system throws where a file cannot be read */
  static async open(file: string): Promise<Safetensors> {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      if (size < 8) throw damaged(file, `a header length of 8 bytes, there are ${size}`);
      const length = (await read(handle, file, 0, 8)).readBigUInt64LE(0);
      if (length > BigInt(Math.min(MAX_HEADER, size - 8))) {
        throw damaged(file, `a header of at most ${Math.min(MAX_HEADER, size - 8)} bytes, it says ${length}`);
      }
      const start = 8 + Number(length);
      const header = parse(file, (await read(handle, file, 8, Number(length))).toString('utf8'));
      const tensors = new Map<string, Tensor>();
      for (const [name, entry] of Object.entries(header)) {
        if (name === '__metadata__') continue;
        const tensor = checked(file, name, entry, size - start);
        if (tensor !== undefined) tensors.set(name, tensor);
      }
      return new Safetensors(file, tensors, start);
    } finally {
      await handle.close();
    }
  }

  /** Any float or integer type as float32, into `out`, which has the tensor's size. */
  async floats(name: string, out: Float32Array): Promise<void> {
    const { type, from, to } = this.tensors.get(name)!;
    const bytes = BYTES[type];
    const handle = await open(this.#file);
    try {
      for (let at = from, done = 0; at < to; at += CHUNK) {
        const chunk = await read(handle, this.#file, this.#start + at, Math.min(CHUNK, to - at));
        const values = chunk.length / bytes;
        convert(type, new DataView(chunk.buffer, chunk.byteOffset, chunk.length), values, out, done);
        done += values;
      }
    } finally {
      await handle.close();
    }
  }
}

/** The number of values of a shape. */
export function valuesIn(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function parse(file: string, json: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(json);
  } catch (cause) {
    throw damaged(file, 'a header of JSON', cause);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw damaged(file, `an object as header, it is ${describe(header)}`);
  }
  return header as Record<string, unknown>;
}

function checked(file: string, name: string, entry: unknown, bytes: number): Tensor | undefined {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  const place = `of tensor ${JSON.stringify(name)}`;
  if (typeof dtype !== 'string') throw damaged(file, `a dtype ${place}, it is ${describe(dtype)}`);
  if (!Array.isArray(shape) || !shape.every(isCount)) throw damaged(file, `a shape ${place}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw damaged(file, `two data_offsets ${place}`);
  }
  const [from, to] = offsets as [number, number];
  if (from > to || to > bytes) {
    throw damaged(file, `data_offsets ${place} within its ${bytes} bytes of data, they are ${from} and ${to}`);
  }
  if (!Object.hasOwn(BYTES, dtype)) return undefined;
  const type = dtype as TensorType;
  if (valuesIn(shape) * BYTES[type] !== to - from) {
    throw damaged(file, `${valuesIn(shape) * BYTES[type]} bytes ${place}, its data_offsets give ${to - from}`);
  }
  return { type, shape, from, to };
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

async function read(handle: FileHandle, file: string, from: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, done, length - done, from + done);
    if (bytesRead === 0) throw damaged(file, `${length} bytes at ${from}, it ends at ${from + done}`);
    done += bytesRead;
  }
  return buffer;
}

/** Read by a view, since neither place nor byte order need suit a typed array. */
function convert(type: TensorType, view: DataView, count: number, out: Float32Array, at: number): void {
  switch (type) {
    case 'F32':
      for (let i = 0; i < count; i++) out[at + i] = view.getFloat32(4 * i, true);
      return;
    case 'F16':
      for (let i = 0; i < count; i++) out[at + i] = halfToFloat(view.getUint16(2 * i, true));
      return;
    case 'BF16':
      for (let i = 0; i < count; i++) out[at + i] = upperHalf(view.getUint16(2 * i, true));
      return;
    case 'F64':
      for (let i = 0; i < count; i++) out[at + i] = view.getFloat64(8 * i, true);
      return;
    case 'I64':
      for (let i = 0; i < count; i++) out[at + i] = Number(view.getBigInt64(8 * i, true));
      return;
    case 'I32':
      for (let i = 0; i < count; i++) out[at + i] = view.getInt32(4 * i, true);
      return;
    case 'I16':
      for (let i = 0; i < count; i++) out[at + i] = view.getInt16(2 * i, true);
      return;
    case 'I8':
      for (let i = 0; i < count; i++) out[at + i] = view.getInt8(i);
      return;
    case 'U8':
      for (let i = 0; i < count; i++) out[at + i] = view.getUint8(i);
  }
}

const word = new DataView(new ArrayBuffer(4));

/** A bfloat16 is the upper half of a float32. */
function upperHalf(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

function damaged(file: string, what: string, cause?: unknown): FunnelError {
  return new FunnelError('CORRUPT', `Expected ${file} to be a safetensors file with ${what}`, { cause });
}
