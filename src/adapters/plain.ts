/** Metadata as JSON has it, with an error where JSON would leave something out. */
import { expected, FunnelError } from '../core/errors.js';
import { isMapOrSet } from '../core/realm.js';

/** Levels of objects within objects, as in files of rows: more of them would end the stack somewhere else. */
const DEEPEST = 500;

/**
 * As JSON has it, but that nothing is left out in silence but `undefined`; NaN and bigints stay.
 *
 * @throws FunnelError BAD_ARGUMENT, naming the key
 */
export function plainValue(given: unknown, where: string, above: readonly object[] = []): unknown {
  const value = asJson(given);
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'function' || typeof value === 'symbol') throw unfit(where, value);
    return value;
  }
  if (isMapOrSet(value) || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    throw unfit(where, value);
  }
  if (above.includes(value)) throw new FunnelError('BAD_ARGUMENT', `Expected no object within itself at ${where}`);
  if (above.length === DEEPEST) {
    const start = where.slice(0, 80);
    throw new FunnelError('BAD_ARGUMENT', `Expected objects within objects, ${DEEPEST} deep at most, at ${start}…`);
  }
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

/** Asked once, as JSON does: an object may answer with itself. */
function asJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const { toJSON } = value as { toJSON?: unknown };
  return typeof toJSON === 'function' ? toJSON.call(value, '') : value;
}

function unfit(where: string, got: unknown): FunnelError {
  return expected(
    'BAD_ARGUMENT',
    'what JSON can say (an array or an object in place of a Map, a Set, bytes)',
    where,
    got,
  );
}
