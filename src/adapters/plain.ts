/** Metadata as JSON has it, with an error where JSON would leave something out. */
import { expected, FunnelError } from '../core/errors.js';
import { isMapOrSet } from '../core/realm.js';

/**
 * As JSON has it, but that nothing is left out in silence but `undefined`; NaN and bigints stay.
 *
 * @throws FunnelError BAD_ARGUMENT, naming the key
 */
export function plainValue(value: unknown, where: string, above: readonly object[] = []): unknown {
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'function' || typeof value === 'symbol') throw unfit(where, value);
    return value;
  }
  const json = (value as { toJSON?: unknown }).toJSON;
  if (typeof json === 'function' && !ArrayBuffer.isView(value)) return plainValue(json.call(value, ''), where, above);
  if (isMapOrSet(value) || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    throw unfit(where, value);
  }
  if (above.includes(value)) throw new FunnelError('BAD_ARGUMENT', `Expected no object within itself at ${where}`);
  const inside = [...above, value];
  if (Array.isArray(value)) return Array.from(value, (one, i) => plainValue(one ?? null, `${where}[${i}]`, inside));
  const own: Record<string, unknown> = {};
  for (const [key, one] of Object.entries(value)) {
    if (one === undefined) continue;
    Object.defineProperty(own, key, {
      value: plainValue(one, `${where}.${key}`, inside),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return own;
}

function unfit(where: string, got: unknown): FunnelError {
  return expected(
    'BAD_ARGUMENT',
    'what JSON can say (an array or an object in place of a Map, a Set, bytes)',
    where,
    got,
  );
}
