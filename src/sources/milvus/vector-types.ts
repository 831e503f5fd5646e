/** The element types of vector fields: how their bytes are read, and how numbers become them. */
import { FunnelError } from '../../core/errors.js';
import { toHalf } from '../../core/half.js';

export type VectorKind = 'float32' | 'float16' | 'bfloat16' | 'int8';

/** By the SDK's numbers. */
export const VECTOR_KINDS: Record<number, VectorKind | undefined> = {
  101: 'float32',
  102: 'float16',
  103: 'bfloat16',
  105: 'int8',
};
/** The same as the SDK names them, for people. */
export const VECTOR_FIELD_TYPES = 'FloatVector, Float16Vector, BFloat16Vector or Int8Vector';

/** Bytes of an element. */
export const WIDTHS: Record<VectorKind, number> = { float32: 4, float16: 2, bfloat16: 2, int8: 1 };

const MOST_FLOAT16 = 65_504;

/**
 * A vector as the SDK takes it for a field, by the nearest value of its type; ties go to even. (The SDK cuts floats off to
 * bfloat16, and integers beyond int8 wrap around to other ones.)
 *
 * @throws FunnelError BAD_ARGUMENT: an element that the type cannot hold, or a vector of which only zeros would be left
 */
export function storedVector(
  values: ArrayLike<number>,
  kind: VectorKind,
  where: () => string,
): number[] | Buffer | Int8Array {
  if (kind === 'float32') return Array.from(values);
  if (kind === 'int8') {
    const bytes = new Int8Array(values.length);
    let all = true;
    for (let i = 0; i < values.length; i++) {
      const rounded = roundToEven(values[i]!);
      if (!(rounded >= -128 && rounded <= 127)) throw beyond('−128 to 127, as int8 holds,', values[i]!, i, where());
      bytes[i] = rounded;
      if (rounded === 0 && values[i] !== 0) all = false;
    }
    if (!all && !bytes.some((value) => value !== 0)) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected a vector of integers from −128 to 127, as int8 holds, for ${where()} but its elements all round to 0: ` +
          'scale it as the others were, or use a field of floats',
      );
    }
    return bytes;
  }
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    bits[i] = kind === 'float16' ? toHalf(values[i]!) : toBfloat16(values[i]!);
    // An exponent of ones alone: infinite, where the number was none.
    const most = kind === 'float16' ? 0x7c00 : 0x7f80;
    if ((bits[i]! & most) === most) {
      throw beyond(kind === 'float16' ? `±${MOST_FLOAT16}` : 'the range of float32', values[i]!, i, where());
    }
  }
  return Buffer.from(bits.buffer);
}

function beyond(range: string, value: number, at: number, where: string): FunnelError {
  return new FunnelError('BAD_ARGUMENT', `Expected values within ${range} for ${where} but received ${value} at ${at}`);
}

/** A query for a field: int8 is reached by scaling, where the metric lets a query have any length. */
export function storedQuery(
  vector: Float32Array,
  { kind, name, metric }: { kind: VectorKind; name: string; metric: string | undefined },
  where: string,
): { data: number[] | Buffer; factor: number; rounded: boolean } {
  const named = () => `a query of ${where}, whose field ${JSON.stringify(name)} is of ${kind}`;
  if (kind !== 'int8') {
    return { data: storedVector(vector, kind, named) as number[] | Buffer, factor: 1, rounded: false };
  }
  let most = 0;
  let whole = true;
  for (const value of vector) {
    most = Math.max(most, Math.abs(value));
    whole &&= Number.isInteger(value);
  }
  const fits = (whole && most <= 127) || most === 0;
  if (!fits && metric === 'L2') {
    const at = vector.findIndex((value) => !Number.isInteger(value) || Math.abs(value) > 127);
    throw beyond('integers from −127 to 127', vector[at]!, at, named());
  }
  const factor = fits ? 1 : 127 / most;
  const bytes = Int8Array.from(vector, (value) => roundToEven(value * factor));
  return { data: Buffer.from(bytes.buffer), factor, rounded: !fits };
}

function roundToEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

const float = new Float32Array(1);
const float32Bits = new Uint32Array(float.buffer);

/** The bits of the bfloat16 nearest to a number: the upper half of a float32; ties go to even. A float64 is rounded once. */
export function toBfloat16(value: number): number {
  float[0] = value;
  // As for float16: made odd, so that the number stays on its side of a tie.
  if (float[0] !== value && Number.isFinite(value)) {
    if (Math.abs(float[0]!) > Math.abs(value)) float32Bits[0]!--;
    float32Bits[0]! |= 1;
  }
  const bits = float32Bits[0]!;
  if (Number.isNaN(value)) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
