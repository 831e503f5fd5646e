/** One id in the kinds that clients and indexes have for it. */
import type { Id, IdKind } from './types.js';

/**
 * The same id in another kind: 7, 7n and '7' are one. Undefined where that kind has none: a UUID is no number, and a number
 * is exact or none.
 */
export function idAs(kind: IdKind, id: Id): Id | undefined {
  if (typeof id === kind) return id;
  if (kind === 'string') return String(id);
  // As numbers print themselves: '007' is another id than '7'.
  if (typeof id === 'string' && !/^(?:0|-?[1-9]\d{0,19})$/.test(id)) return undefined;
  if (kind === 'bigint') return typeof id === 'number' && !Number.isSafeInteger(id) ? undefined : BigInt(id);
  const number = Number(id);
  return Number.isSafeInteger(number) ? number : undefined;
}
