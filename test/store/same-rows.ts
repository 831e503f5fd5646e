/** Whether a mirror has the rows of the index that it mirrors. */
import assert from 'node:assert/strict';
import type { Id } from 'funnelvec';
import type { FunnelIndex } from 'funnelvec/store';

/** The same ids, each with the same vector. */
export async function assertSameRows(mirror: FunnelIndex, index: FunnelIndex): Promise<void> {
  const ids: Id[] = index.someIds(index.count);
  assert.equal(mirror.count, ids.length);
  const there = await index.get(ids);
  for (const [i, point] of (await mirror.get(ids)).entries()) {
    assert.deepEqual(point?.vector, there[i]!.vector, `the vector of id ${ids[i]}`);
  }
}
