/** IEEE binary16 bits, to numbers and back. */

/** The value of 16 bits; every one is exact in float32. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let floats: Float32Array | undefined;

/** halfToFloat of all 65,536 patterns, made at its first use: a look-up takes a fifth of a conversion. */
export function halfTable(): Float32Array {
  floats ??= Float32Array.from({ length: 65_536 }, (_, bits) => halfToFloat(bits));
  return floats;
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The bits of the nearest float16, ties to even; infinity beyond its range. A float64 is rounded once, too. */
export function toHalf(value: number): number {
  float[0] = value;
  // A float64 that lies beside a float32 is made odd: so it stays on its side of a tie when it is rounded to float16.
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
