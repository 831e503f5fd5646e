/** Options and keys that go by other names in other libraries. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { funnel } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';
import { refused } from '../refused.js';

it('names of other libraries are told what they are called here', async () => {
  for (const name of ['dims', 'dimension']) {
    await assert.rejects(
      FunnelIndex.create(':memory:', { [name]: 2 } as never),
      refused('BAD_ARGUMENT', new RegExp(`FunnelIndex\\.create\\(\\) but received ${name}: its name here is dim$`)),
    );
  }
  const index = await FunnelIndex.create(':memory:', { dim: 2 });
  const point = { id: 1, vector: [1, 2], metadata: { year: 1979 } };
  await assert.rejects(
    index.upsert([point as never]),
    refused('BAD_ARGUMENT', /in points\[0\] but received metadata: its name here is payload$/),
  );
  assert.equal(index.count, 0);
  await index.close();
  for (const name of ['top', 'topK', 'top_k', 'k']) {
    const plan = { scales: [1, 2], keep: 0.5, [name]: 1 };
    assert.throws(
      () => funnel({ vectors: new Float32Array(4), dim: 2 }, [1, 2], plan as never),
      refused('BAD_PLAN', new RegExp(`in the plan but received ${name} \\(did you mean limit\\?\\)`)),
    );
  }
});
