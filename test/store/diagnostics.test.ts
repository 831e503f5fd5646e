/** Messages of an index and a search on channels of node:diagnostics_channel. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, it } from 'node:test';
import { type DiagnosticEvent, FunnelSearch } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { telling, tellingNow } from '#dist/core/diagnostics.js';

const KINDS = ['query', 'write', 'build', 'sync'] as const;
const DIM = 4;
const point = (id: number) => ({
  id,
  vector: Float32Array.from({ length: DIM }, (_, i) => Math.sin(id + i)),
  payload: { id },
});

type Heard = DiagnosticEvent & { kind: string; caller: unknown };

/** The messages that come while it runs. */
async function heard(
  run: () => unknown,
  among: AsyncLocalStorage<unknown> = new AsyncLocalStorage(),
): Promise<Heard[]> {
  const events: Heard[] = [];
  const listeners = KINDS.map((kind) => {
    const listener = (event: unknown) => events.push({ ...(event as DiagnosticEvent), kind, caller: among.getStore() });
    subscribe(`funnelvec:${kind}`, listener);
    return [kind, listener] as const;
  });
  try {
    await run();
  } finally {
    for (const [kind, listener] of listeners) unsubscribe(`funnelvec:${kind}`, listener);
  }
  return events;
}

/** But for times. */
const told = (events: Heard[]) => events.map(({ began: _, ms: __, caller: ___, ...rest }) => rest);

describe('diagnostics', () => {
  it('tell of queries, writes, builds and syncs: what was done to what, when, for how long, and how much', async () => {
    const index = await FunnelIndex.create<object>(':memory:', { dim: DIM, autoOptimize: false });
    const before = Date.now();
    const target = ':memory:';
    const vector = point(3).vector;
    const events = await heard(async () => {
      await index.upsert([point(1), point(2), point(3)]);
      index.upsertSync([point(3), point(4)]);
      await index.delete(4);
      await index.setPayload([1, 2], { x: 1 });
      index.deletePayloadKeysSync({ filter: { must: { key: 'x', match: { value: 1 } } } }, ['x']);
      await index.createPayloadIndex('id', 'integer');
      await index.optimize();
      await index.query({ vector, limit: 2 });
      await index.queryBatch([{ vector, limit: 1 }, { vector }]);
      index.querySync({ vector });
    });
    const write = { kind: 'write', target };
    const build = { kind: 'build', target, rows: 3 };
    const query = { kind: 'query', target };
    assert.deepEqual(told(events), [
      { ...write, operation: 'FunnelIndex.upsert', rows: 3, replaced: 0 },
      { ...write, operation: 'FunnelIndex.upsertSync', rows: 2, replaced: 1 },
      { ...write, operation: 'FunnelIndex.delete', rows: 1 },
      { ...write, operation: 'FunnelIndex.setPayload', rows: 2 },
      { ...write, operation: 'FunnelIndex.deletePayloadKeysSync', rows: 2 },
      { ...build, operation: 'FunnelIndex.createPayloadIndex' },
      { ...build, operation: 'FunnelIndex.optimize' },
      { ...query, operation: 'FunnelIndex.query', queries: 1, hits: 2 },
      { ...query, operation: 'FunnelIndex.query', queries: 2, hits: 4 },
      { ...query, operation: 'FunnelIndex.querySync', queries: 1, hits: 3 },
    ]);
    for (const { began, ms } of events) assert.ok(ms >= 0 && began >= before - 1 && began + ms <= Date.now() + 1);
    await index.close();
  });

  it('tell of searches and syncs over a source by its name, and of the search of the index within, to whom called', async () => {
    const index = await FunnelIndex.create<object>(':memory:', { dim: DIM, autoOptimize: false });
    await index.upsert([point(1), point(2)]);
    const mirror = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
    const source = embeddedSource(index);
    const search = new FunnelSearch({ source });
    const callers = new AsyncLocalStorage<unknown>();
    const events = await heard(
      () =>
        callers.run('here', async () => {
          await search.query({ vector: point(1).vector, limit: 1 });
          await mirror.syncFrom(source);
        }),
      callers,
    );
    const kinds = events.map(({ kind, operation, target }) => [kind, operation, target]);
    assert.deepEqual(kinds[0], ['query', 'FunnelIndex.query', ':memory:']);
    assert.deepEqual(kinds[1], ['query', 'FunnelSearch.query', source.name]);
    const sync = events.find(({ kind }) => kind === 'sync')!;
    assert.deepEqual([sync.operation, sync.rows, sync.written, sync.deleted], ['FunnelIndex.syncFrom', 2, 2, 0]);
    assert.ok(events.every(({ caller }) => caller === 'here'));
    await mirror.close();
    await index.close();
  });

  it('tell of calls that fail, with what they throw', async () => {
    const index = await FunnelIndex.create<object>(':memory:', { dim: DIM });
    const events = await heard(async () => {
      await assert.rejects(index.query({ vector: [1] }));
      assert.throws(() => index.querySync({ vector: [1] }));
      await assert.rejects(index.setPayload(1, {}));
      await assert.rejects(index.upsert([{ id: 1, vector: [1] }]));
    });
    assert.deepEqual(
      events.map(({ operation, error }) => [operation, (error as { code: string }).code]),
      [
        ['FunnelIndex.query', 'BAD_DIMS'],
        ['FunnelIndex.querySync', 'BAD_DIMS'],
        ['FunnelIndex.setPayload', 'NOT_FOUND'],
        ['FunnelIndex.upsert', 'BAD_DIMS'],
      ],
    );
    await index.close();
  });

  it('cost nothing where nobody listens: no promise more, no count', () => {
    const promise = Promise.resolve(1);
    const counts = () => assert.fail('nobody asked');
    assert.equal(
      telling(['query', 'x', 'y'], () => promise, counts),
      promise,
    );
    assert.equal(
      tellingNow(['write', 'x', 'y'], () => 7, counts),
      7,
    );
  });
});
