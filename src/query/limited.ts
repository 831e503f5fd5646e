/** Searches that a batch has under way at once where it is no single request. Node warns of a signal with more than ten listeners. */
export const SEARCHES_AT_ONCE = 8;

/** Promise.all with a bound on how many run at once; the first failure wins and no new ones start. */
export async function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  run: (item: T, i: number) => Promise<R>,
): Promise<R[]> {
  if (items.length === 1) return [await run(items[0]!, 0)];
  const results = new Array<R>(items.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const i = next++;
      try {
        results[i] = await run(items[i]!, i);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
}
