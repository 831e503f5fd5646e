/** Vectors whose files do not say what their bytes or unsigned integers are, because the caller says it. */
import { bytesOfBase64, dimsOfBytes, ELEMENT_BYTES, type ElementType, readElements } from '../core/elements.js';
import { expected, FunnelError } from '../core/errors.js';
import { type OptionName, optionInCode, type Reader, type VectorColumn } from './formats/reader.js';

/**
 * `numbers`: each integer is a dim; `int8`, `float16`, `bfloat16`, `float32`, `float64`: little-endian bytes of such numbers (the
 * 16-bit ones: or unsigned 16-bit integers with their bits); `bits`: eight dims a byte, the most significant bit first, of which a
 * 1 becomes 1 and a 0 becomes -1, so that cosines order rows as Hamming distances do; `binary`: such bytes less 128, as signed
 * integers. Bytes may be base64.
 */
export const VECTOR_TYPES = [
  ...(['numbers', 'int8', 'float16', 'bfloat16', 'float32', 'float64'] as const),
  ...(['bits', 'binary'] as const),
];
/** How the bytes or unsigned integers of a column become dims: see `--vector-type` in the page on the command. */
export type VectorType = (typeof VECTOR_TYPES)[number];

/** How a column's values become vectors. */
export interface VectorForm {
  /** Undefined: numbers as they are. */
  type: VectorType | undefined;
  /** Width of the unsigned integers that hold the bits. */
  bits: 8 | 16;
  /** How the caller names options, for errors. */
  option: OptionName;
}

export const NUMBERS: VectorForm = { type: undefined, bits: 8, option: optionInCode };

/**
 * Before any work, as far as the file declares its columns.
 *
 * @throws FunnelError BAD_ARGUMENT: the column has no vectors, or nobody says what its integers are; a type without a column
 */
export function vectorForm(reader: Reader, column: string | undefined, type: VectorType | undefined): VectorForm {
  const { option } = reader;
  const numbers = { ...NUMBERS, option };
  if (column === undefined) {
    if (type === undefined) return numbers;
    throw new FunnelError('BAD_ARGUMENT', `Expected ${option('vector')} beside ${option('vectorType')}`);
  }
  if (reader.kind === 'matrix') {
    if (type === undefined) return numbers;
    const says = `whose ${isNpy(reader) ? 'header' : 'name'} says what its values are`;
    throw new FunnelError('BAD_ARGUMENT', `Expected no ${option('vectorType')} for ${reader.path}, ${says}`);
  }
  const declared = reader.vectorColumn?.(column);
  if (declared === undefined) return { type, bits: 8, option };
  const where = `${JSON.stringify(column)} in ${reader.path}`;
  const { kind, words } = declared;
  const refused = (what: string) =>
    new FunnelError('BAD_ARGUMENT', `Expected ${what} for ${where} but received ${words}`);
  switch (kind) {
    case 'lists':
      throw refused('one vector a row (of several, write a row for each)');
    case 'struct':
      throw refused(`a list of numbers, or bytes (of a field: ${option('vector', `${column}.<field>`)})`);
    case 'other':
      throw refused('a list of numbers, or bytes');
    case 'text':
      return { type, bits: 8, option };
    case 'numbers':
      if (type === undefined || type === 'numbers') return numbers;
      if (type === 'binary') return { type, bits: 8, option }; // signed integers
      throw refused(`bytes or unsigned integers, as ${option('vectorType', type)} takes them,`);
    default: {
      if (declared.type !== undefined) {
        if (type === undefined || type === declared.type) return { type: declared.type, bits: 8, option };
        throw refused(`${option('vectorType', declared.type)}, or none,`);
      }
      const fitting = TYPES[kind];
      if (type !== undefined && (fitting as readonly string[]).includes(type))
        return { type, bits: kind === 'uint16' ? 16 : 8, option };
      throw refused(`${option('vectorType')} (what its values are: ${fitting.join(', ')})`);
    }
  }
}

/** Other files of one matrix have no such header. */
function isNpy({ path }: Reader): boolean {
  return /\.npy$/i.test(path);
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
export function vectorOfBytes(value: unknown, form: VectorForm, where: string): Float32Array {
  const { type, option } = form;
  if (type === 'bits' && Array.isArray(value) && typeof value[0] === 'boolean') return vectorOfBooleans(value, where);
  const element = ELEMENTS[type!];
  const bytes =
    typeof value === 'string'
      ? bytesOfBase64(value, where)
      : value instanceof Uint8Array
        ? value
        : bytesOf(value, form, where);
  if (bytes.length === 0) throw expected('BAD_DIMS', 'at least one dim', where, value);
  const width = ELEMENT_BYTES[element];
  if (bytes.length % width !== 0) {
    const what = `a multiple of ${width} bytes, as ${option('vectorType', type)} takes them,`;
    throw new FunnelError('BAD_DIMS', `Expected ${what} for ${where} but received ${bytes.length}`);
  }
  const vector = new Float32Array(dimsOfBytes(bytes.length, element));
  readElements(bytes, element, vector);
  const at = vector.findIndex((dim) => !Number.isFinite(dim));
  if (at !== -1) throw expected('NOT_FINITE', 'a finite float32', `dim ${at} of ${where}`, vector[at]);
  return vector;
}

function vectorOfBooleans(values: readonly unknown[], where: string): Float32Array {
  return Float32Array.from(values, (one, i) => {
    if (typeof one === 'boolean') return one ? 1 : -1;
    throw expected('NOT_FINITE', 'true or false', `dim ${i} of ${where}`, one);
  });
}

const ELEMENTS: Record<VectorType, ElementType> = {
  numbers: 'uint8',
  int8: 'int8',
  float16: 'float16',
  bfloat16: 'bfloat16',
  float32: 'float32',
  float64: 'float64',
  bits: 'ubinary',
  binary: 'binary',
};

/** Bytes as a list of integers; pairs of them as one; or, of bits, as booleans. */
function bytesOf(value: unknown, { type, bits, option }: VectorForm, where: string): Uint8Array {
  const taken = `as ${option('vectorType', type)} takes them,`;
  if (!Array.isArray(value)) throw expected('BAD_ARGUMENT', `bytes or integers, ${taken}`, where, value);
  const [least, top, size] = type === 'binary' ? [-128, 127, 1] : bits === 8 ? [0, 255, 1] : [0, 65_535, 2];
  const bytes = new Uint8Array(size * value.length);
  for (const [i, one] of value.entries()) {
    if (!Number.isInteger(one) || one < least || one > top) {
      throw expected('BAD_ARGUMENT', `an integer of ${least} to ${top}, ${taken}`, `value ${i} of ${where}`, one);
    }
    bytes[size * i] = one;
    if (size === 2) bytes[2 * i + 1] = one >> 8;
  }
  return bytes;
}
