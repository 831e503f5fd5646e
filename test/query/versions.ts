/** Filters whose meaning depends on the version of Qdrant. */
import { isAtLeast } from '../sources/servers.js';
import type { Json } from './generate.js';

/**
 * Whether the server reads something else in a filter than we do, so that only what is made of it agrees. Before 1.19 a
 * `min_should` of nothing is true, and a missing key has no count; 1.19 refuses a `min_count` of 0, and its engine
 * forgets a `min_should` of nothing beside `has_id`.
 */
export function readsOtherwise(filter: Json, version: string): boolean {
  if (typeof filter !== 'object' || filter === null) return false;
  const { min_should: minimum, values_count: bounds } = filter;
  const since119 = isAtLeast(version, 1, 19);
  if (minimum && ((since119 && minimum.min_count === 0) || minimum.conditions?.length === 0)) return true;
  if (bounds && !since119) {
    const { gt, gte, lt, lte } = bounds;
    if (!((gt ?? -1) >= 0 || (gte ?? 0) > 0 || (lt ?? 1) <= 0 || (lte ?? 0) < 0)) return true;
  }
  return Object.values(filter).some((part) => readsOtherwise(part, version));
}

/** Whether a filter has a condition that Qdrant has since 1.19, which older servers and clients do not know. */
export function isLater(filter: Json): boolean {
  if (typeof filter !== 'object' || filter === null) return false;
  if (filter.slice !== undefined || filter.match?.prefix !== undefined) return true;
  return Object.values(filter).some(isLater);
}
