/** float16 (IEEE binary16) as its 16 bits, and back. */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The bits of the float16 nearest to a number: ties go to even, and a number beyond the range becomes infinity. A float64 is rounded once. */
export function toHalf(value: number): number {
  float[0] = value;
  // The float32 beside a float64 is made odd, so that the number stays on its side of a tie when it is rounded to float16.
  if (float[0] !== value && Number.isFinite(value)) {
    if (Math.abs(float[0]!) > Math.abs(value)) bits[0]!--;
    bits[0]! |= 1;
  }
  const b = bits[0]!;
  const sign = (b >>> 16) & 0x8000;
  const magnitude = b & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: the value in units of 2^-24. Scaling by a power of two is exact; Math.round would break ties upwards.
    const units = Math.abs(float[0]!) * 2 ** 24;
    const down = Math.floor(units);
    const rest = units - down;
    return sign | (down + (rest > 0.5 || (rest === 0.5 && down & 1) ? 1 : 0));
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The value of a float16's bits; every one is exact in float32. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let table: Float32Array | undefined;

/** halfToFloat of all 65,536 patterns, made when first asked for: a look-up takes a fifth of a conversion. */
export function halfTable(): Float32Array {
  table ??= Float32Array.from({ length: 65_536 }, (_, bits) => halfToFloat(bits));
  return table;
}
