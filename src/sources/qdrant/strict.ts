/** Limits of a collection in strict mode: said before they are met, or done without. */
import { expected, FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import type { QdrantDriver, QdrantRead, QdrantStrict } from './driver.js';

/** Ids of one page, where all are counted. */
export const IDS_AT_ONCE = 10_000;

/** @throws FunnelError BAD_ARGUMENT */
export function checkMost(count: number, { rows }: QdrantStrict, what: string, source: string): void {
  if (count > rows) {
    throw expected('BAD_ARGUMENT', `at most ${rows}, the max_query_limit of ${source} in strict mode,`, what, count);
  }
}

/** @throws FunnelError UNSUPPORTED */
export function checkExact({ exact }: QdrantStrict, source: string): void {
  if (exact) return;
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected no exact in params but received true: ${source} allows no exact search (search_allow_exact of its strict mode)`,
  );
}

/** How many points pass, where the server may not count them exactly: their ids are read, page by page. */
export async function countByPages(
  driver: QdrantDriver,
  read: QdrantRead,
  limit: number,
  filter: unknown,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  let from: Id | undefined;
  do {
    signal.throwIfAborted();
    const page = await driver.scroll({ ...read, from, limit, filter }, signal, false);
    count += page.points.length;
    from = page.next;
  } while (from !== undefined);
  return count;
}
