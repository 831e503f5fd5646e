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

it('conditions that stand where only a filter belongs are told where they go, and ids of points are named as they were given', async () => {
  const index = await FunnelIndex.create(':memory:', { dim: 2 });
  await index.upsert([{ id: 1, vector: [1, 2], payload: { year: 1979 } }]);
  const must = [{ key: 'year', match: { value: 1979 } }];
  const place = /^Expected filter in .* but received must: its name here is filter\.must$/;
  await assert.rejects(index.countMatching({ must } as never), refused('BAD_ARGUMENT', place));
  await assert.rejects(index.delete({ must } as never), refused('BAD_ARGUMENT', place));
  await assert.rejects(index.setPayload({ must } as never, { seen: true }), refused('BAD_ARGUMENT', place));
  const among = /but received must: its name here is filter\.must$/;
  await assert.rejects(index.scroll({ must } as never), refused('BAD_ARGUMENT', among));
  await assert.rejects(index.facet({ key: 'year', must } as never), refused('BAD_ARGUMENT', among));
  for (const [key, name] of [
    ['must', 'filter.must'],
    ['candidates', 'params.candidates'],
    ['group_by', 'groupBy, of queryGroups(),'],
  ]) {
    const request = { vector: [1, 2], [key!]: must } as never;
    const message = `Expected ${name} in the query of an embedded index but received ${key}`;
    await assert.rejects(index.query(request), { code: 'BAD_ARGUMENT', message });
  }
  await assert.rejects(
    index.delete({ ids: [1] } as never),
    refused('BAD_ARGUMENT', /\(ids go in as a list\) but received ids$/),
  );
  for (const point of [{ vector: [1, 2] }, { id: null, vector: [1, 2] }]) {
    const points = [{ id: 2, vector: [1, 2] }, point] as never;
    await assert.rejects(index.upsert(points), refused('BAD_ID', /number or bigint for points\[1\]\.id but received/));
  }
  assert.equal(index.count, 1);
  await index.close();
});
