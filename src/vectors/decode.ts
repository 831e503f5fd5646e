/** Vectors as embedding APIs answer them and as files hold them → one float32 matrix. Nothing is guessed: the caller says the type. */
import {
  bytesOfBase64,
  dimsOfBytes,
  ELEMENT_BYTES,
  ELEMENT_TYPES,
  type ElementType,
  isPackedBits,
  littleEndian,
  readElements,
} from '../core/elements.js';
import { describe, expected, FunnelError } from '../core/errors.js';
import { bytesOfBuffer } from '../core/realm.js';
import { checkAttached, checkDim, checkKeys } from '../core/validate.js';

/**
 * One vector, or a matrix of rows that follow each other: base64 of little-endian bytes; such bytes (a Uint8Array, a Buffer, an
 * ArrayBuffer, whatever the type); a typed array of the type; an array of numbers, as JSON has them. Where the type is float16 or
 * bfloat16, a Uint16Array and numbers are bits; of packed bits, an Int8Array and a Uint8Array are bytes.
 */
export type EncodedVector = string | ArrayBufferView | ArrayBuffer | SharedArrayBuffer | readonly number[];

/** Rows one after the other: what `funnel` takes as candidates, with `ids`, and `vectors` of `upsert()`. */
export interface VectorMatrix {
  /** `count × dim` values, row-major. */
  vectors: Float32Array;
  /** Dims of each row. */
  dim: number;
}

/** Options of decodeVector() and decodeVectors(). */
export interface DecodeOptions {
  /**
   * How each number is stored. `binary` and `ubinary` are packed bits, eight dims a byte, the most significant first, of which
   * a 1 becomes 1 and a 0 becomes -1; `binary` is that byte less 128 (the int8 of sentence-transformers, transformers.js and
   * APIs that follow them). Signed bytes that hold the bits as they are, are `ubinary`.
   */
  type: ElementType;
  /** Dims of each vector; what has others is refused. @default those of the first one */
  dim?: number;
  /** Multiplies each stored number: one factor, or one for each dim; of int8 and uint8 alone. @default 1 */
  scale?: number | ArrayLike<number>;
  /** Is added then: one number, or one for each dim. A dim is `number × scale + offset`, rounded once. @default 0 */
  offset?: number | ArrayLike<number>;
}

/**
 * One vector as float32: the same bits that its values give as float32.
 *
 * @returns `dim` values, the caller's own
 * @throws FunnelError BAD_ARGUMENT (not of this type; no base64), BAD_DIMS, NOT_FINITE (naming the dim), DETACHED_BUFFER
 * @example
 * // OpenAI's answer to encoding_format: 'base64'
 * const vector = decodeVector(answer.data[0].embedding, { type: 'float32', dim: 1536 });
 */
export function decodeVector(vector: EncodedVector, options: DecodeOptions): Float32Array {
  const rule = checkedRule(options);
  const bytes = bytesOf(vector, rule, 'vector');
  const dim = checkedDims(bytes, rule, rule.dim, 'vector', vector);
  const out = new Float32Array(dim);
  decodeInto(bytes, rule, dim, out, 0, () => 'vector');
  return out;
}

/**
 * Vectors as one float32 matrix: the same bits that their values give as float32. An array of vectors, or one buffer, typed
 * array or text that holds all of them, which needs `dim`.
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, DETACHED_BUFFER, naming the row
 * @example
 * // Cohere's answer to embedding_types: ['int8']
 * const { vectors, dim } = decodeVectors(answer.embeddings.int8, { type: 'int8' });
 * await index.upsert({ ids, vectors });
 */
export function decodeVectors(vectors: readonly EncodedVector[] | EncodedVector, options: DecodeOptions): VectorMatrix {
  const rule = checkedRule(options);
  if (Array.isArray(vectors) && !isNumberList(vectors)) return decodeRows(vectors as readonly EncodedVector[], rule);
  const { dim } = rule;
  if (dim === undefined) {
    throw expected('BAD_DIMS', 'the dims of a row, beside vectors in one piece,', 'dim', dim);
  }
  const bytes = bytesOf(vectors as EncodedVector, rule, 'vectors');
  const values = dimsOfBytes(whole(bytes, rule, 'vectors'), rule.type);
  if (values % dim !== 0) {
    throw new FunnelError('BAD_DIMS', `Expected a multiple of dim (${dim}) for vectors but received ${values} dims`);
  }
  const out = new Float32Array(values);
  decodeInto(bytes, rule, dim, out, 0, (row) => `row ${row}`);
  return { vectors: out, dim };
}

function decodeRows(rows: readonly EncodedVector[], rule: Rule): VectorMatrix {
  const count = rows.length;
  if (count === 0) {
    if (rule.dim === undefined) throw expected('BAD_DIMS', 'the dims of a row, where there is none,', 'dim', undefined);
    return { vectors: new Float32Array(0), dim: rule.dim };
  }
  let dim = rule.dim;
  let out: Float32Array | undefined;
  for (let row = 0; row < count; row++) {
    const where = `row ${row}`;
    const bytes = bytesOf(rows[row]!, rule, where);
    dim = checkedDims(bytes, rule, dim, where, rows[row]);
    out ??= new Float32Array(count * dim);
    decodeInto(bytes, rule, dim, out, row * dim, () => where);
  }
  return { vectors: out!, dim: dim! };
}

/** Options, checked. */
interface Rule {
  type: ElementType;
  dim: number | undefined;
  scale: ArrayLike<number> | number;
  offset: ArrayLike<number> | number;
  scaled: boolean;
}

function checkedRule(options: DecodeOptions): Rule {
  checkKeys(options, ['type', 'dim', 'scale', 'offset'], 'the options');
  const { type, dim: given, scale, offset } = options;
  if (!ELEMENT_TYPES.includes(type)) {
    throw expected('BAD_ARGUMENT', `one of ${ELEMENT_TYPES.join(', ')}`, 'type', type);
  }
  const dim = given === undefined ? undefined : checkDim(given, 'dim');
  if (dim !== undefined && isPackedBits(type) && dim % 8 !== 0) {
    throw expected('BAD_DIMS', 'a multiple of 8, as packed bits have,', 'dim', dim);
  }
  const scaled = scale !== undefined || offset !== undefined;
  if (scaled && type !== 'int8' && type !== 'uint8') {
    throw expected('BAD_ARGUMENT', `no scale or offset (int8 and uint8 take them) beside type '${type}'`, 'options', {
      scale,
      offset,
    });
  }
  return { type, dim, scale: factors(scale, 1, 'scale'), offset: factors(offset, 0, 'offset'), scaled };
}

function factors(given: unknown, otherwise: number, where: string): number | Float64Array {
  if (given === undefined) return otherwise;
  if (typeof given === 'number' && Number.isFinite(given)) return given;
  const list = typeof given === 'object' && given !== null ? (given as ArrayLike<unknown>) : undefined;
  if (typeof list?.length !== 'number') throw expected('BAD_ARGUMENT', 'a finite number, or one a dim,', where, given);
  const own = new Float64Array(list.length);
  for (let i = 0; i < own.length; i++) {
    const value = list[i];
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw expected('BAD_ARGUMENT', 'a finite number', `${where}[${i}]`, value);
    }
    own[i] = value;
  }
  return own;
}

function isNumberList(list: readonly unknown[]): list is readonly number[] {
  return typeof list[0] === 'number';
}

/** Typed arrays whose elements are of a type, or its bits. Bytes are of every type. */
const VIEWS: Readonly<Record<ElementType, readonly string[]>> = {
  float64: ['Float64Array'],
  float32: ['Float32Array'],
  float16: ['Float16Array', 'Uint16Array'],
  bfloat16: ['Uint16Array'],
  int8: ['Int8Array'],
  uint8: [],
  binary: ['Int8Array'],
  ubinary: ['Int8Array'],
};
const BYTES: readonly string[] = ['Uint8Array', 'Uint8ClampedArray', 'DataView'];
const BUFFERS: readonly string[] = ['[object ArrayBuffer]', '[object SharedArrayBuffer]'];

/** The vector's bytes, little-endian; of an array of numbers, those that it would be sent as. */
function bytesOf(vector: EncodedVector, { type }: Rule, where: string): Uint8Array {
  if (typeof vector === 'string') return bytesOfBase64(vector, where);
  if (Array.isArray(vector)) return bytesOfNumbers(vector, type, where);
  if (ArrayBuffer.isView(vector)) {
    const kind = (vector as Partial<Uint8Array>)[Symbol.toStringTag] as string;
    if (BYTES.includes(kind) || VIEWS[type].includes(kind)) {
      checkAttached(vector, where);
      return littleEndian(vector, BYTES.includes(kind) ? 1 : ELEMENT_BYTES[type]);
    }
  } else if (BUFFERS.includes(Object.prototype.toString.call(vector))) {
    return bytesOfBuffer(vector as ArrayBuffer, where);
  }
  const views = VIEWS[type].map((name) => `a ${name}, `).join('');
  throw expected('BAD_ARGUMENT', `${views}bytes, base64 or an array of numbers, for type '${type}',`, where, vector);
}

const RANGES: Readonly<Partial<Record<ElementType, readonly [number, number]>>> = {
  float16: [0, 65_535],
  bfloat16: [0, 65_535],
  int8: [-128, 127],
  uint8: [0, 255],
  binary: [-128, 127],
  ubinary: [0, 255],
};

function bytesOfNumbers(numbers: readonly unknown[], type: ElementType, where: string): Uint8Array {
  const range = RANGES[type];
  const width = ELEMENT_BYTES[type];
  const bytes = new Uint8Array(width * numbers.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i];
    if (typeof value !== 'number') throw expected('NOT_FINITE', 'a number', `value ${i} of ${where}`, value);
    if (range === undefined) {
      if (width === 8) view.setFloat64(8 * i, value, true);
      else view.setFloat32(4 * i, value, true);
      continue;
    }
    const [least, most] = range;
    if (!Number.isInteger(value) || value < least || value > most) {
      const what = `an integer of ${least} to ${most}, as type '${type}' has them,`;
      throw expected('BAD_ARGUMENT', what, `value ${i} of ${where}`, value);
    }
    if (width === 2) view.setUint16(2 * i, value, true);
    else bytes[i] = value;
  }
  return bytes;
}

/** @returns how many bytes there are @throws FunnelError BAD_DIMS: not whole numbers */
function whole(bytes: Uint8Array, { type }: Rule, where: string): number {
  const width = ELEMENT_BYTES[type];
  if (bytes.length % width === 0) return bytes.length;
  throw new FunnelError(
    'BAD_DIMS',
    `Expected a multiple of ${width} bytes, as type '${type}' has them, for ${where} but received ${bytes.length}`,
  );
}

/** The dims of one vector. @throws FunnelError BAD_DIMS */
function checkedDims(
  bytes: Uint8Array,
  rule: Rule,
  dim: number | undefined,
  where: string,
  given: EncodedVector | undefined,
): number {
  const dims = dimsOfBytes(whole(bytes, rule, where), rule.type);
  if (dim === undefined) return checkDim(dims, where);
  if (dims === dim) return dim;
  const whatCame = `${dims} dims (${describe(given)})`;
  throw new FunnelError('BAD_DIMS', `Expected ${dim} dims for ${where} but received ${whatCame}`);
}

/** Rows one after the other, from `at` on; finite, or refused. */
function decodeInto(
  bytes: Uint8Array,
  rule: Rule,
  dim: number,
  out: Float32Array,
  at: number,
  nameOf: (row: number) => string,
): void {
  readElements(bytes, rule.type, out, at);
  const end = at + dimsOfBytes(bytes.length, rule.type);
  if (rule.scaled) rescale(rule, dim, out, at, end);
  for (let i = at; i < end; i++) {
    if (Number.isFinite(out[i])) continue;
    const row = Math.floor((i - at) / dim);
    throw expected('NOT_FINITE', 'a finite float32', `dim ${(i - at) % dim} of ${nameOf(row)}`, out[i]);
  }
}

function rescale({ scale, offset }: Rule, dim: number, out: Float32Array, at: number, end: number): void {
  for (const [name, factor] of Object.entries({ scale, offset })) {
    if (typeof factor !== 'number' && factor.length !== dim) {
      throw expected('BAD_DIMS', `a number, or one for each of ${dim} dims,`, name, factor);
    }
  }
  for (let i = at; i < end; i++) {
    const d = (i - at) % dim;
    const factor = typeof scale === 'number' ? scale : scale[d]!;
    out[i] = out[i]! * factor + (typeof offset === 'number' ? offset : offset[d]!);
  }
}
