/** Vectors whose files do not say what their bytes or unsigned integers are, because the caller says it. */
import { expected, FunnelError } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';
import { UsageError } from './exit.js';
import type { Reader, VectorColumn } from './read/reader.js';

/**
 * `numbers`: each integer is a dim; `int8`, `float16`, `bfloat16`, `float32`: little-endian bytes of such numbers (the 16-bit
 * ones: or unsigned 16-bit integers with their bits); `bits`: eight dims a byte, the most significant bit first, of which a 1
 * becomes 1 and a 0 becomes -1, so that cosines order rows as Hamming distances do.
 */
export const VECTOR_TYPES = ['numbers', 'int8', 'float16', 'bfloat16', 'float32', 'bits'] as const;
export type VectorType = (typeof VECTOR_TYPES)[number];

/** How a column's values become vectors. */
export interface VectorForm {
  /** Undefined: numbers as they are. */
  type: VectorType | undefined;
  /** Width of the unsigned integers that hold the bits. */
  bits: 8 | 16;
}

export const NUMBERS: VectorForm = { type: undefined, bits: 8 };

/**
 * Before any work, as far as the file declares its columns.
 *
 * @throws FunnelError BAD_ARGUMENT: the column has no vectors, or nobody says what its integers are; UsageError
 */
export function vectorForm(reader: Reader, column: string | undefined, type: VectorType | undefined): VectorForm {
  if (column === undefined) {
    if (type === undefined) return NUMBERS;
    throw new UsageError('Expected --vector beside --vector-type');
  }
  if (reader.kind === 'npy') {
    if (type === undefined) return NUMBERS;
    throw new UsageError(`Expected no --vector-type for ${reader.path}, whose header says what its values are`);
  }
  const declared = reader.vectorColumn?.(column);
  if (declared === undefined) return { type, bits: 8 };
  const where = `${JSON.stringify(column)} in ${reader.path}`;
  const { kind, words } = declared;
  const refused = (what: string) =>
    new FunnelError('BAD_ARGUMENT', `Expected ${what} for ${where} but received ${words}`);
  switch (kind) {
    case 'lists':
      throw refused('one vector a row (of several, write a row for each)');
    case 'struct':
      throw refused(`a list of numbers, or bytes (of a field: --vector ${column}.<field>)`);
    case 'other':
      throw refused('a list of numbers, or bytes');
    case 'text':
      return { type, bits: 8 };
    case 'numbers':
      if (type === undefined || type === 'numbers') return NUMBERS;
      throw refused(`bytes or unsigned integers, as --vector-type ${type} takes them,`);
    default: {
      const fitting = TYPES[kind];
      if (type !== undefined && (fitting as readonly string[]).includes(type))
        return { type, bits: kind === 'uint16' ? 16 : 8 };
      throw refused(`--vector-type (what its values are: ${fitting.join(', ')})`);
    }
  }
}

const TYPES: Record<
  Exclude<VectorColumn['kind'], 'numbers' | 'text' | 'lists' | 'struct' | 'other'>,
  readonly VectorType[]
> = {
  bytes: VECTOR_TYPES,
  uint8: VECTOR_TYPES,
  uint16: ['numbers', 'float16', 'bfloat16'],
  uint: ['numbers'],
  booleans: ['bits'],
};

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS: no vector of this form; NOT_FINITE */
export function vectorOfBytes(value: unknown, { type, bits }: VectorForm, where: string): Float32Array {
  if (type === 'bits' && Array.isArray(value) && typeof value[0] === 'boolean') return vectorOfBooleans(value, where);
  const read = READ[type!];
  const bytes = value instanceof Uint8Array ? value : bytesOf(value, type!, bits, where);
  if (bytes.length === 0) throw expected('BAD_DIMS', 'at least one dim', where, value);
  if (bytes.length % read.bytes !== 0) {
    const what = `a multiple of ${read.bytes} bytes, as --vector-type ${type} takes them,`;
    throw new FunnelError('BAD_DIMS', `Expected ${what} for ${where} but received ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = type === 'bits' ? 8 * bytes.length : bytes.length / read.bytes;
  const vector = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    vector[i] = read.dim(view, i);
    if (!Number.isFinite(vector[i]))
      throw expected('NOT_FINITE', 'a finite float32', `dim ${i} of ${where}`, vector[i]);
  }
  return vector;
}

function vectorOfBooleans(values: readonly unknown[], where: string): Float32Array {
  return Float32Array.from(values, (one, i) => {
    if (typeof one === 'boolean') return one ? 1 : -1;
    throw expected('NOT_FINITE', 'true or false', `dim ${i} of ${where}`, one);
  });
}

const READ: Record<VectorType, { bytes: number; dim: (view: DataView, i: number) => number }> = {
  numbers: { bytes: 1, dim: (view, i) => view.getUint8(i) },
  int8: { bytes: 1, dim: (view, i) => view.getInt8(i) },
  float16: { bytes: 2, dim: (view, i) => halfToFloat(view.getUint16(2 * i, true)) },
  bfloat16: { bytes: 2, dim: (view, i) => widened.get(view.getUint16(2 * i, true)) },
  float32: { bytes: 4, dim: (view, i) => view.getFloat32(4 * i, true) },
  bits: { bytes: 1, dim: (view, i) => ((view.getUint8(i >> 3) >> (7 - (i & 7))) & 1 ? 1 : -1) },
};

/** A bfloat16 is the upper half of a float32. */
const widened = {
  view: new DataView(new ArrayBuffer(4)),
  get(bits: number): number {
    this.view.setUint32(0, bits << 16);
    return this.view.getFloat32(0);
  },
};

/** Bytes as a list of integers; pairs of them as one; or, of bits, as booleans. */
function bytesOf(value: unknown, type: VectorType, bits: 8 | 16, where: string): Uint8Array {
  if (!Array.isArray(value))
    throw expected('BAD_ARGUMENT', `bytes or integers, as --vector-type ${type} takes them,`, where, value);
  const [top, size] = bits === 8 ? [255, 1] : [65_535, 2];
  const bytes = new Uint8Array(size * value.length);
  for (const [i, one] of value.entries()) {
    if (!Number.isInteger(one) || one < 0 || one > top) {
      throw expected(
        'BAD_ARGUMENT',
        `an integer of 0 to ${top}, as --vector-type ${type} takes them,`,
        `value ${i} of ${where}`,
        one,
      );
    }
    bytes[size * i] = one;
    if (size === 2) bytes[2 * i + 1] = one >> 8;
  }
  return bytes;
}
