/** Numbers of payloads and filters: JavaScript's two types of them, compared as the values that they are. */

/**
 * Returns the same key for all spellings of one value: a number where a float64 holds the value, else a bigint. -0
 * becomes 0.
 */
export function exactKey(value: number | bigint): number | bigint {
  if (typeof value === 'number') return value + 0;
  const near = Number(value);
  // Comparing a bigint with a number compares their exact values.
  return near < value || near > value ? value : near;
}

/**
 * An integer as `match`, facets and groups have it: a number up to ±(2^53 − 1), beyond that a bigint. Undefined for
 * fractions, NaN and the infinities.
 */
export function wholeNumber(value: number | bigint): number | bigint | undefined {
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) return undefined;
    return Number.isSafeInteger(value) ? value + 0 : BigInt(value);
  }
  const near = Number(value);
  return Number.isSafeInteger(near) ? near : value;
}
