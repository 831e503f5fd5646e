/**
 * Limits of what one search may ask for, of Qdrant's strict mode and of Milvus: pools fit what they allow, or the error says what to
 * lower; counts need no exact search.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { FunnelSearch } from 'funnelvec';
import { milvusSource } from 'funnelvec/milvus';
import { qdrantSource } from 'funnelvec/qdrant';
import { rejects } from '#dist/conformance/failures.js';
import { grpcNode, idsBy, milvusNode, type Node, POINTS, restNode } from './nodes.js';

const names = { collection: 'films', head: 'head', full: 'full' };
const vector = Float32Array.of(1, 0);
const MOST = 11;

const open: Node<unknown>[] = [];
after(async () => {
  for (const one of open) await one.close();
});

/** A node of each kind in strict mode; asked too much, it refuses, as the server does. */
async function strictNodes(): Promise<[string, Node<never>][]> {
  const rest = await restNode();
  rest.config = {
    strict_mode_config: {
      enabled: true,
      max_query_limit: MOST,
      search_allow_exact: false,
      search_max_batchsize: 2,
      max_timeout: null,
    },
  };
  const grpc = await grpcNode();
  grpc.config = {
    strictModeConfig: { enabled: true, maxQueryLimit: MOST, searchAllowExact: false, searchMaxBatchsize: 2n },
  };
  open.push(rest, grpc);
  return [
    ['REST', rest as unknown as Node<never>],
    ['gRPC', grpc as unknown as Node<never>],
  ];
}

/** Nothing that strict mode forbids was asked. */
function isAllowed(node: Node<never>, kind: string): void {
  for (const { call, body } of node.asked) {
    const searches = body?.searches ?? body?.queryPoints ?? [body];
    assert.ok(searches.length <= 2, kind);
    for (const one of searches) {
      assert.ok(Number(one?.limit ?? 0) <= MOST, `${kind} ${call} ${one?.limit}`);
      assert.ok(one?.params?.exact !== true && one?.exact !== true, `${kind} ${call}`);
      assert.ok((one?.ids?.length ?? 0) <= MOST, `${kind} ${call}`);
    }
  }
}

describe('in strict mode', () => {
  test('default pools, pages, batches and reads by id are no larger than it allows', async () => {
    for (const [kind, node] of await strictNodes()) {
      const source = qdrantSource(node.client, names);
      const search = new FunnelSearch({ source });
      assert.equal((await source.info()).mostCandidates, MOST);
      const { hits, stats } = await search.query({ vector, limit: 5 });
      assert.deepEqual(
        hits.map(({ id }) => Number(id)),
        idsBy(vector, 5),
      );
      assert.equal(stats.stages[0]!.in, MOST);
      const page = await search.query({ vector, limit: 5, offset: 3 });
      assert.deepEqual(
        page.hits.map(({ id }) => Number(id)),
        idsBy(vector, 8).slice(3),
      );
      await search.queryBatch(Array.from({ length: 5 }, () => ({ vector, limit: 3 })));
      const { rows, next } = await source.scan({ limit: 1_000 });
      assert.deepEqual([rows.ids.length, next], [MOST, String(MOST + 1)]);
      const ids = POINTS.map(({ id }) => (kind === 'gRPC' ? BigInt(id) : id));
      assert.deepEqual((await source.fetch({ ids })).rows.ids, ids);
      const groups = await search.queryGroups({ vector, groupBy: 'kind', limit: 2 });
      assert.equal(groups.stats.groups.maxDepth, MOST);
      isAllowed(node, kind);
    }
  });

  test('count() and explain answer where no exact search is allowed, and mode exact says what it is', async () => {
    for (const [kind, node] of await strictNodes()) {
      const source = qdrantSource(node.client, names);
      assert.equal(await source.count!({}), POINTS.length, kind);
      const search = new FunnelSearch({ source });
      const { explanation } = await search.query({
        vector,
        limit: 2,
        explain: true,
        plan: { scales: [2], keep: 1, candidates: 4 },
      });
      assert.deepEqual(await explanation!.filtered(), { rows: POINTS.length, passed: POINTS.length });
      const far = idsBy(vector, POINTS.length).at(-1)!;
      assert.equal((await explanation!.trace(far)).outcome, 'not a candidate');
      const { stats } = await search.query({ vector, limit: 2, mode: 'exact' });
      assert.equal(stats.exact, 'index');
      assert.equal((await source.full({ vector, limit: 2 })).ids.length, 2);
      isAllowed(node, kind);
    }
  });

  test('what is asked beyond it is refused with the option to lower, before any search', async () => {
    for (const [kind, node] of await strictNodes()) {
      const source = qdrantSource(node.client, names);
      const search = new FunnelSearch({ source });
      await source.info();
      node.asked.length = 0;
      const most = (what: string) => new RegExp(`at most ${MOST}.*for ${what} but`);
      await rejects(search.query({ vector, limit: 12 }), 'BAD_PLAN', most('limit'));
      await rejects(search.query({ vector, offset: 0, maxDepth: 12 }), 'BAD_PLAN', most('maxDepth'));
      await rejects(
        search.query({ vector, limit: 2, plan: { scales: [2], keep: 1, candidates: 50 } }),
        'BAD_PLAN',
        most('candidates'),
      );
      await rejects(search.query({ vector, limit: 12, mode: 'exact' }), 'BAD_PLAN', most('limit'));
      await rejects(search.queryGroups({ vector, groupBy: 'kind', maxDepth: 50 }), 'BAD_PLAN', most('maxDepth'));
      await rejects(source.head({ vector, candidates: 50 }), 'BAD_ARGUMENT', most('candidates'));
      await rejects(source.full({ vector, limit: 50 }), 'BAD_ARGUMENT', most('limit'));
      await rejects(search.query({ vector, limit: 2, params: { exact: true } }), 'UNSUPPORTED', /search_allow_exact/);
      assert.deepEqual(
        node.asked.filter(({ call }) => /query/.test(call)),
        [],
        kind,
      );
    }
  });
});

describe('over Milvus, which answers 16,384 rows at most', () => {
  test('default pools are no larger, however many hits are wanted, and more hits are refused with the option to lower', async () => {
    const node = await milvusNode();
    open.push(node);
    const source = milvusSource(node.client, names);
    const search = new FunnelSearch({ source });
    const asked = () =>
      node.asked.flatMap(({ call, body }) => (call === 'Search' ? [limitOf(body)] : [])).splice(-1)[0];
    const { hits } = await search.query({ vector, limit: 10_000 });
    assert.deepEqual(
      hits.map(({ id }) => Number(id)),
      idsBy(vector, POINTS.length),
    );
    assert.equal(asked(), 16_384);
    assert.equal((await search.query({ vector, offset: 5, limit: 7, maxDepth: 9_000 })).hits.length, 7);
    assert.equal(asked(), 16_384);
    assert.equal((await search.query({ vector, limit: 16_384, mode: 'exact' })).hits.length, POINTS.length);
    assert.equal(asked(), 16_384);
    assert.equal((await search.query({ vector, limit: 1_000 })).hits.length, POINTS.length);
    assert.equal(asked(), 4_000);
    const before = node.asked.length;
    const most = (what: string) => new RegExp(`at most 16384.*for ${what} but`);
    await rejects(search.query({ vector, limit: 16_385 }), 'BAD_PLAN', most('limit'));
    await rejects(search.query({ vector, offset: 0, maxDepth: 20_000 }), 'BAD_PLAN', most('maxDepth'));
    const plan = { scales: [2], keep: 1, candidates: 20_000 };
    await rejects(search.query({ vector, limit: 2, plan }), 'BAD_PLAN', most('candidates'));
    assert.equal(node.asked.length, before);
  });
});

/** The rows that a search asks for. */
function limitOf(body: { search_params?: { key: string; value: string }[] }): number {
  const params = body.search_params ?? [];
  const text = params.find(({ key }) => key === 'topk' || key === 'limit')?.value;
  return Number(text);
}
