/** A reader beside a writer that replaces rows and compacts: every answer is of one moment, row by row. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelSearch, type Source } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';
import { FULL, newPath, range } from './model.js';

const DIM = 64;
const ROWS = 2500; // so many are searched in threads
const GROUPS = 5;

interface Payload {
  version: number;
  group: string;
}

/** A row of each version is made of it alone. */
function vectorOf(version: number): Float32Array {
  return new Random(version).vector(DIM);
}

const groupOf = (version: number) => `g${version % GROUPS}`;

/** Each payload must belong to its score. */
function check(vector: Float32Array, hits: readonly { score: number; payload?: unknown }[]): void {
  for (const { score, payload } of hits) {
    assert.ok(payload !== undefined, 'a hit lacks its payload');
    const row = vectorOf((payload as Payload).version);
    const dot = row.reduce((sum, value, j) => sum + value * vector[j]!, 0);
    assert.ok(Math.abs(dot - score) < 1e-3, `${dot} of ${JSON.stringify(payload)}, not ${score}`);
  }
}

describe('a reader beside a writer that replaces rows', () => {
  const random = new Random(SEED);

  /** Calls again and again, while all rows are replaced and files compacted. */
  async function beside(call: (reader: FunnelIndex<Payload>, vector: Float32Array) => Promise<unknown>): Promise<void> {
    const path = newPath();
    const writer = await FunnelIndex.create<Payload>(path, { dim: DIM, metric: 'dot', autoOptimize: false });
    let version = 1;
    const write = (ids: number[]) => {
      const vectors = new Float32Array(ids.length * DIM);
      const versions = ids.map(() => version++);
      versions.forEach((one, i) => {
        vectors.set(vectorOf(one), i * DIM);
      });
      writer.upsertSync({ ids, vectors, payloads: versions.map((one) => ({ version: one, group: groupOf(one) })) });
    };
    write(range(0, ROWS));
    const reader = await FunnelIndex.open<Payload>(path, { readOnly: true });
    for (let round = 0; round < (FULL ? 20 : 2); round++) {
      let isOver = false;
      const answer = call(reader, vectorOf(1e6 + round)).finally(() => {
        isOver = true;
      });
      answer.catch(() => {});
      for (let i = 0; !isOver && i < 25; i++) {
        const from = 500 * random.int(0, ROWS / 500 - 1);
        write(range(from, from + 500));
        if (i % 2 === 1) writer.optimizeSync(); // payloads of the dead go
        await new Promise((resolve) => setImmediate(resolve));
      }
      await answer;
    }
    await reader.close();
    await writer.close();
  }

  it('finds every id, 0 too, when rows have come and gone since it looked last', async () => {
    const path = newPath();
    const writer = await FunnelIndex.create(path, { dim: 4, autoOptimize: false });
    const write = (ids: number[]) => writer.upsertSync({ ids, vectors: new Float32Array(4 * ids.length).fill(1) });
    write(range(0, 100));
    const reader = await FunnelIndex.open(path, { readOnly: true });
    assert.ok(reader.has(0));
    for (let i = 0; i < 5; i++) write(range(5, 60));
    writer.optimizeSync(); // the ids of the rows between go
    for (const id of range(0, 100)) assert.ok(reader.has(id), `id ${id}`);
    assert.equal(await reader.countMatching({ filter: { ids: range(0, 100) } }), 100);
    assert.equal((await reader.get([0]))[0]!.id, 0);
    await reader.close();
    await writer.close();
  });

  it('groups hits by what they were when they were found', async () => {
    const path = newPath();
    const writer = await FunnelIndex.create<Payload>(path, { dim: DIM, metric: 'dot', autoOptimize: false });
    let version = 1;
    const write = () => {
      const versions = range(0, 400).map(() => version++);
      const vectors = Float32Array.from(versions.flatMap((one) => [...vectorOf(one)]));
      const payloads = versions.map((one) => ({ version: one, group: groupOf(one) }));
      writer.upsertSync({ ids: range(0, 400), vectors, payloads });
      version += 1; // the next time another group's
    };
    write();
    const reader = await FunnelIndex.open<Payload>(path, { readOnly: true });
    const source = embeddedSource(reader);
    const head: Source['head'] = async (request) => {
      const answer = await source.head(request);
      write();
      return answer;
    };
    const between = Object.assign(Object.create(source) as Source, { head, headBatch: undefined });
    const search = new FunnelSearch({ source: between });
    const vector = vectorOf(1e6);
    for (const withPayload of [true, ['version'], { exclude: ['group'] }]) {
      const { groups } = await search.queryGroups({ vector, groupBy: 'group', groupSize: 4, withPayload });
      assert.ok(groups.length >= 4);
      for (const { id, hits } of groups) {
        check(vector, hits);
        for (const { payload } of hits) assert.equal(groupOf((payload as Payload).version), id);
      }
    }
    await reader.close();
    await writer.close();
  });

  it('groups hits by what they are', () =>
    beside(async (reader, vector) => {
      for (const mode of ['exact', 'funnel'] as const) {
        const request = { vector, groupBy: 'group', limit: GROUPS, groupSize: 5, mode };
        const { groups } = await reader.queryGroups({ ...request, withPayload: true });
        assert.equal(groups.length, GROUPS);
        for (const { id, hits } of groups) {
          check(vector, hits);
          for (const { payload } of hits) assert.equal((payload as Payload).group, id);
        }
        const some = await reader.queryGroups({ ...request, withPayload: ['version'], withVector: true });
        for (const { id, hits } of some.groups) {
          for (const { payload, vector: row } of hits) {
            assert.deepEqual(Object.keys(payload as object), ['version']);
            assert.equal(groupOf((payload as Payload).version), id);
            assert.deepEqual(row, vectorOf((payload as Payload).version));
          }
        }
        const none = await reader.queryGroups(request);
        assert.ok(none.groups.every(({ hits }) => hits.every((hit) => !('payload' in hit))));
      }
    }));

  it('has the payload of each hit, under filters, too', () =>
    beside(async (reader, vector) => {
      const filter = { must: [{ key: 'group', match: { any: ['g1', 'g3'] } }] } as const;
      for (const more of [{}, { filter }]) {
        const { hits } = await reader.query({ vector, limit: 200, withPayload: true, mode: 'exact', ...more });
        assert.equal(hits.length, 200);
        check(vector, hits);
      }
      const { points } = await reader.scroll({ limit: ROWS, withVector: true });
      for (const { payload, vector: row } of points) assert.deepEqual(row, vectorOf(payload!.version));
      const got = await reader.get(range(0, 200));
      for (const point of got) assert.deepEqual(point!.vector, vectorOf(point!.payload!.version));
    }));

  it('counts rows that pass, whichever version of them it sees', () =>
    beside(async (reader) => {
      const some = (from: number) => ({ must: [{ key: 'version', range: { gte: from } }] }) as const;
      assert.equal(await reader.countMatching({ filter: some(1) }), ROWS);
      const facets = await reader.facet({ key: 'group', limit: GROUPS });
      assert.equal(
        facets.reduce((sum, { count }) => sum + count, 0),
        ROWS,
      );
      const copy = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot' });
      await copy.syncFrom(embeddedSource(reader), { withPayload: true, batch: 500 });
      for (const { payload, vector: row } of copy.scrollSync({ limit: 2 * ROWS, withVector: true }).points) {
        assert.deepEqual(row, vectorOf((payload as Payload).version));
      }
      await copy.close();
    }));

  it('has all hits of the moment of an answer that was given in one go, whatever is written meanwhile', async () => {
    const path = newPath();
    const writer = await FunnelIndex.create<Payload>(path, { dim: DIM, metric: 'dot', autoOptimize: false });
    let version = 1;
    const replace = () => {
      const vectors = new Float32Array(100 * DIM);
      const payloads = range(0, 100).map((i) => {
        vectors.set(vectorOf(version), i * DIM);
        return { version, group: groupOf(version++) };
      });
      writer.upsertSync({ ids: range(0, 100), vectors, payloads });
    };
    replace();
    const reader = await FunnelIndex.open<Payload>(path, { readOnly: true });
    const { query, queryBatch, queryBatchSync } = reader;
    let inOneGo = 0;
    // Each search is spoilt by what another process does before its rows are read.
    reader.query = async (one) => {
      const answer = await query.call(reader, one);
      replace();
      return answer as never;
    };
    reader.queryBatch = async (queries) => {
      const answers = await queryBatch.call(reader, queries);
      replace();
      return answers;
    };
    reader.queryBatchSync = (queries) => {
      const answers = queryBatchSync.call(reader, queries);
      inOneGo++;
      replace();
      return answers as never;
    };
    const source = embeddedSource(reader);
    const vector = vectorOf(1e6);
    const request = { vector, candidates: 60, withPayload: true } as const;
    const { candidates } = await source.head(request);
    assert.equal(candidates.ids!.length, 60);
    const [batched] = await source.headBatch!([request]);
    assert.equal(batched!.candidates.ids!.length, 60);
    assert.equal(inOneGo, 2);
    await reader.close();
    await writer.close();
  });
});
