/** The part that a call reads, and how: shards, partitions, consistency, search parameters, in every call, as the real clients send it. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { FunnelSearch } from 'funnelvec';
import { milvusSource } from 'funnelvec/milvus';
import { qdrantSource } from 'funnelvec/qdrant';
import { rejects } from '#dist/conformance/failures.js';
import type { SearchParams, Source } from '#dist/query/source/source.js';
import { type Asked, grpcNode, milvusNode, type Node, POINTS, restNode } from './nodes.js';

const names = { collection: 'films', head: 'head', full: 'full' };
const vector = Float32Array.of(1, 0);

const nodes: Node<unknown>[] = [];
after(async () => {
  for (const one of nodes) await one.close();
});
async function kept<Client>(node: Promise<Node<Client>>): Promise<Node<Client>> {
  nodes.push(await node);
  return node;
}
const rest = await kept(restNode());
const grpc = await kept(grpcNode());
const milvus = await kept(milvusNode());

/** Every call that reads points, each with these params of a request. */
const readings = (params?: SearchParams): [string, (source: Source) => Promise<unknown>][] => [
  ['head', (source) => source.head({ vector, candidates: 3, ...(params && { params }) })],
  [
    'headBatch',
    (source) => source.headBatch!([1, 2].map((candidates) => ({ vector, candidates, ...(params && { params }) }))),
  ],
  ['exact', (source) => source.head({ vector, candidates: 3, mode: 'exact', ...(params && { params }) })],
  ['full', (source) => source.full({ vector, limit: 3, ...(params && { params }) })],
  ['count', (source) => source.count!({ ...(params && { params }) })],
  ['scan', (source) => source.scan({ limit: 3, ...(params && { params }) })],
  [
    'fetch',
    async (source) => {
      const { rows } = await source.scan({ limit: 1 });
      return source.fetch({ ids: rows.ids, ...(params && { params }) });
    },
  ],
];

/** Returns the last question to the node; those about the collection itself do not count. */
async function lastOf(node: Node<unknown>, run: () => Promise<unknown>): Promise<Asked> {
  node.asked.length = 0;
  await run();
  return node.asked.filter(({ call }) => !/^(info|Describe|Connect|Show|GetV)/.test(call)).at(-1)!;
}

describe('every call that reads', () => {
  const made = { shardKey: ['a', 7], consistency: 'quorum', serverTimeout: 1_500 } as const;
  const asked = { shardKey: 7, consistency: 2, serverTimeout: 300 } as const;

  test('over REST has the shard key, the consistency and the timeout of the source, and of the request before them', async () => {
    const shards = ({ call, body }: Asked) => (call === 'queryBatch' ? body.searches : [body]);
    for (const [name, run] of readings()) {
      const last = await lastOf(rest, () => run(qdrantSource(rest.client, { ...names, ...made })));
      for (const body of shards(last)) assert.deepEqual(body.shard_key, ['a', 7], name);
      assert.equal(last.url!.search, '?consistency=quorum&timeout=2', name);
    }
    for (const [name, run] of readings(asked)) {
      const last = await lastOf(rest, () => run(qdrantSource(rest.client, { ...names, ...made })));
      for (const body of shards(last)) assert.equal(body.shard_key, 7, name);
      assert.equal(last.url!.search, '?consistency=2&timeout=1', name);
    }
    for (const [name, run] of readings()) {
      const last = await lastOf(rest, () => run(qdrantSource(rest.client, names)));
      for (const body of shards(last)) assert.ok(!('shard_key' in body), name);
      assert.equal(last.url!.search, '', name);
    }
  });

  test('over gRPC, too', async () => {
    const keysOf = (body: Asked['body']) =>
      body.shardKeySelector?.shardKeys.map(({ key }: { key: { value: unknown } }) => key.value);
    for (const [params, keys, consistency, seconds] of [
      [undefined, ['a', 7n], { case: 'type', value: 2 }, 2n],
      [asked, [7n], { case: 'factor', value: 2n }, 1n],
    ] as const) {
      for (const [name, run] of readings(params)) {
        const { call, body } = await lastOf(grpc, () => run(qdrantSource(grpc.client, { ...names, ...made })));
        for (const one of call === 'queryBatch' ? body.queryPoints : [body]) assert.deepEqual(keysOf(one), keys, name);
        assert.deepEqual(body.readConsistency.value, consistency, name);
        assert.equal(body.timeout, seconds, name);
      }
    }
  });

  test('over Milvus has the partitions and the consistency level', async () => {
    const source = () => milvusSource(milvus.client, { ...names, partitions: ['p', 'q'], consistency: 'Eventually' });
    for (const [params, partitions, level] of [
      [undefined, ['p', 'q'], 'Eventually'],
      [{ partitions: ['q'], consistency: 'Strong' }, ['q'], 'Strong'],
    ] as const) {
      for (const [name, run] of readings(params)) {
        const { body } = await lastOf(milvus, () => run(source()));
        assert.deepEqual(body.partition_names, partitions, name);
        assert.equal(body.consistency_level, level, name);
      }
    }
  });

  test('of one request does: examples, payloads of hits, groups, the count behind an explanation', async () => {
    for (const [node, source, params, sent] of [
      [rest, qdrantSource(rest.client, names), { shardKey: 'a' }, ({ body }: Asked) => body.shard_key === 'a'],
      [
        milvus,
        milvusSource(milvus.client, names),
        { partitions: ['a'] },
        ({ body }: Asked) => body.partition_names[0] === 'a',
      ],
    ] as const) {
      const search = new FunnelSearch({ source });
      await source.info();
      const { rows } = await source.scan({ limit: 1 });
      const [id] = rows.ids;
      node.asked.length = 0;
      await search.query({ id: id!, params, withPayload: true });
      const { explanation } = await search.query({ vector, params, explain: true });
      await explanation!.filtered();
      const calls = node.asked.filter(({ call }) => !/^(info|Describe|Connect|Show|GetV)/.test(call));
      assert.ok(calls.length >= 4);
      // Whether points lack a vector is asked of the whole collection, once.
      const ofPoints = calls.filter(({ body }) => !JSON.stringify(body).includes('has_vector'));
      for (const one of ofPoints) assert.ok(sent(one), one.call);
    }
  });

  test('over Milvus names a partition that is not there, and a server that has none', async () => {
    for (const [, run] of readings()) {
      const elsewhere = milvusSource(milvus.client, { ...names, partitions: ['a', 'z'] });
      await rejects(run(elsewhere), 'BAD_ARGUMENT', /one of the partitions "_default", "a", .*"z"/);
    }
    milvus.manner = (call) => (call === 'ShowPartitions' ? { status: 12, words: 'unimplemented' } : 'answers');
    try {
      for (const [, run] of readings()) {
        await rejects(
          run(milvusSource(milvus.client, { ...names, partitions: ['a'] })),
          'UNSUPPORTED',
          /would read all/,
        );
      }
    } finally {
      milvus.manner = () => 'answers';
    }
  });

  test('over Milvus Lite counts the rows of the partitions, though its count(*) has those of all', async () => {
    milvus.config['GetVersion'] = { status: { error_code: 'Success', code: 0 }, version: 'milvus_lite-3.2.2' };
    try {
      const source = milvusSource(milvus.client, { ...names, partitions: ['a'] });
      milvus.asked.length = 0;
      assert.equal(await source.count!({}), POINTS.length);
      const queries = milvus.asked.filter(({ call }) => call === 'Query');
      assert.ok(queries.length >= 2);
      for (const { body } of queries) {
        assert.deepEqual([body.partition_names, body.output_fields], [['a'], ['id']]);
      }
    } finally {
      delete milvus.config['GetVersion'];
    }
  });

  test('goes out with the level that is named, each by name or number', async () => {
    for (const [number, level] of ['Strong', 'Session', 'Bounded', 'Eventually'].entries()) {
      for (const consistency of [level, number]) {
        const source = milvusSource(milvus.client, { ...names, consistency: consistency as never });
        for (const [name, run] of readings()) {
          const { body } = await lastOf(milvus, () => run(source));
          assert.equal(body.consistency_level, level, `${name}, ${consistency}`);
        }
      }
    }
  });

  test('reads no other shards or partitions than the source was made for, whatever a request names', async () => {
    const tenant = qdrantSource(rest.client, { ...names, shardKey: 'a' });
    const part = milvusSource(milvus.client, { ...names, partitions: ['a'] });
    for (const [source, params] of [
      [tenant, { shardKey: 'b' }],
      [part, { partitions: ['a', 'b'] }],
    ] as const) {
      for (const [, run] of readings(params)) {
        await rejects(run(source), 'BAD_ARGUMENT', /one of "a".*params\.(shardKey|partitions).*"b"/);
      }
    }
  });
});

describe('options of a source', () => {
  test('that are no such values are refused by name when it is made', async () => {
    for (const make of [
      (more: object) => qdrantSource(rest.client, { ...names, ...more }),
      (more: object) => milvusSource(milvus.client, { ...names, ...more }),
    ]) {
      for (const [option, values] of Object.entries({
        decode: ['slow', null, 1],
        timeout: [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '5'],
        params: ['ef', 5, [1]],
      })) {
        for (const value of values) {
          await rejects((async () => make({ [option]: value }))(), 'BAD_ARGUMENT', new RegExp(`for ${option} but`));
        }
      }
    }
    const p = { head: 'head', full: 'full', prefixes: ['mid'] };
    const layouts = { collection: 'films', vectors: { p } };
    await rejects((async () => milvusSource(milvus.client, layouts))(), 'BAD_ARGUMENT', /vectors\.p .*prefixes/);
    assert.ok(qdrantSource(rest.client, layouts).layouts);
  });

  test('that name the same parts are one scope, in any order and form', () => {
    const scopes = (options: object[], make: (more: object) => Source) =>
      new Set(options.map((one) => make(one).scope));
    const qdrant = (more: object) => qdrantSource(rest.client, { ...names, ...more });
    const other = (more: object) => milvusSource(milvus.client, { ...names, ...more });
    assert.equal(scopes([{ shardKey: 'a' }, { shardKey: ['a'] }], qdrant).size, 1);
    assert.equal(scopes([{ shardKey: ['a', 7] }, { shardKey: [7, 'a'] }], qdrant).size, 1);
    assert.equal(scopes([{ shardKey: 'a' }, { shardKey: 'b' }, { shardKey: 7 }, { shardKey: '7' }], qdrant).size, 4);
    assert.equal(scopes([{ partitions: ['p', 'q'] }, { partitions: ['q', 'p'] }], other).size, 1);
  });

  test('with a function of addresses make one client of each, whatever the number of layouts', async () => {
    const made: string[] = [];
    const make = (address: string) => {
      made.push(address);
      return milvus.client;
    };
    const one = { head: 'head', full: 'full' };
    const source = milvusSource(make, { collection: 'films', addresses: ['x'], vectors: { a: one, b: one } });
    for (const layout of source.layouts!.values()) await layout.info();
    assert.deepEqual(made, ['x']);
  });
});

describe('parameters of a search', () => {
  const params: SearchParams = {
    quantization: { rescore: true, oversampling: 2.5, ignore: false },
    acorn: { enable: true, max_selectivity: 0.25 },
    hnsw_ef: 300,
  };

  test('of a request are sent in the form of each client, over those of the source', async () => {
    const head = (source: Source, more: SearchParams) => source.head({ vector, candidates: 3, params: more });
    const own = { hnsw_ef: 5, indexed_only: true };
    const { body } = await lastOf(rest, () => head(qdrantSource(rest.client, { ...names, params: own }), params));
    assert.deepEqual(body.params, { ...own, ...params });
    const other = await lastOf(grpc, () => head(qdrantSource(grpc.client, names), params));
    const { quantization, acorn, hnswEf } = other.body.params;
    assert.deepEqual([quantization.rescore, quantization.oversampling, quantization.ignore], [true, 2.5, false]);
    assert.deepEqual([acorn.enable, acorn.maxSelectivity, hnswEf], [true, 0.25, 300n]);
    const third = await lastOf(milvus, () =>
      head(milvusSource(milvus.client, { ...names, params: { ef: 10 } }), {
        ef: 64,
        nprobe: 8,
        search_list: 50,
        refine_k: 2,
        hints: 'iterative_filter',
      }),
    );
    const sent = Object.fromEntries(
      third.body.search_params.map(({ key, value }: Record<string, string>) => [key, value]),
    );
    assert.deepEqual(
      [sent.ef, sent.nprobe, sent.search_list, sent.refine_k, sent.hints],
      ['64', '8', '50', '2', 'iterative_filter'],
    );
  });

  test('that nobody knows are refused by name before any request, as are wrong values', async () => {
    const wrong: [SearchParams, string, RegExp][] = [
      [{ hnswEf: 5 } as never, 'BAD_ARGUMENT', /received hnswEf: no source has/],
      [{ group_by_field: 'x' } as never, 'BAD_ARGUMENT', /received group_by_field: queryGroups/],
      [{ ef: 5, hnsw_ef: 5 }, 'UNSUPPORTED', /received (hnsw_)?ef: .* nothing that it could act on/],
      [{ quantization: { rescoring: true } } as never, 'BAD_ARGUMENT|UNSUPPORTED', /quantization/],
      [{ quantization: true } as never, 'BAD_ARGUMENT|UNSUPPORTED', /quantization/],
      [{ acorn: { max_selectivity: 2 } }, 'BAD_ARGUMENT|UNSUPPORTED', /acorn/],
      [{ quantization: { oversampling: 0.5 } }, 'BAD_ARGUMENT|UNSUPPORTED', /quantization/],
      [{ consistency: 'most' }, 'BAD_ARGUMENT', /params\.consistency.*"most"/],
      [{ consistency: -1 }, 'BAD_ARGUMENT', /params\.consistency.*-1/],
      [{ shardKey: [] }, 'BAD_ARGUMENT|UNSUPPORTED', /shardKey/],
      [{ shardKey: 5n } as never, 'BAD_ARGUMENT|UNSUPPORTED', /shardKey/],
      [{ partitions: 'p' } as never, 'BAD_ARGUMENT|UNSUPPORTED', /partitions/],
      [{ partitions: [] }, 'BAD_ARGUMENT|UNSUPPORTED', /partitions/],
      [{ serverTimeout: 0 }, 'BAD_ARGUMENT|UNSUPPORTED', /serverTimeout/],
      [{ hints: 3 } as never, 'BAD_ARGUMENT|UNSUPPORTED', /hints/],
    ];
    for (const node of [rest, grpc, milvus]) {
      const source = node === milvus ? milvusSource(milvus.client, names) : qdrantSource(node.client as never, names);
      node.asked.length = 0;
      for (const [one, codes, said] of wrong) {
        for (const run of [() => source.head({ vector, candidates: 3, params: one })]) {
          await assert.rejects(run(), (error: { code: string; message: string }) => {
            assert.match(error.code, new RegExp(`^(${codes})$`), JSON.stringify(error.message));
            assert.match(error.message, said);
            return true;
          });
        }
      }
      assert.deepEqual(node.asked, []);
      // Those of a search have nothing to act on in other calls.
      const more = node === milvus ? { ef: 5 } : { hnsw_ef: 5 };
      await rejects(source.count!({ params: more }), 'UNSUPPORTED', /act on/);
      await rejects(source.fetch({ ids: [1], params: more }), 'UNSUPPORTED', /act on/);
      await rejects(source.scan({ limit: 1, params: more }), 'UNSUPPORTED', /act on/);
    }
  });
});

describe('options of a source', () => {
  test('that nobody knows are refused by name, within a layout, too', async () => {
    const sources: [string, (more: object) => Source][] = [
      ['Qdrant', (more) => qdrantSource(rest.client, { ...names, ...more })],
      ['Milvus', (more) => milvusSource(milvus.client, { ...names, ...more })],
    ];
    for (const [kind, make] of sources) {
      for (const more of [{ partition_names: ['p1'] }, { shard_key: 'a' }, { consistency_level: 0 }, { timeouts: 5 }]) {
        const [name] = Object.keys(more);
        const hint = kind === 'Qdrant' && name === 'shard_key' ? ': its name here is shardKey' : '';
        assert.throws(
          () => make(more),
          { code: 'BAD_ARGUMENT', message: new RegExp(`received ${name}${hint}$`) },
          kind,
        );
      }
      const layout = { head: 'head', full: 'full', shardKey: 'a' };
      const given = { collection: 'films', head: undefined, full: undefined, vectors: { one: layout } };
      assert.throws(() => make(given), { code: 'BAD_ARGUMENT', message: /vectors\.one.*received shardKey$/ }, kind);
    }
    assert.throws(() => sources[1]![1]({ shardKey: 'a' }), /received shardKey$/);
    assert.throws(() => sources[0]![1]({ partitions: ['a'] }), /received partitions$/);
  });

  test('have values of their type', () => {
    for (const more of [
      { shardKey: [] },
      { shardKey: '' },
      { shardKey: -1 },
      { consistency: 'some' },
      { serverTimeout: '1' },
    ]) {
      const message = new RegExp(`for ${Object.keys(more)[0]} but`);
      assert.throws(() => qdrantSource(rest.client, { ...names, ...more } as never), { code: 'BAD_ARGUMENT', message });
    }
    for (const more of [{ partitions: 'p' }, { partitions: [] }, { consistency: 5 }, { consistency: 'strong' }]) {
      const message = new RegExp(`for ${Object.keys(more)[0]} but`);
      assert.throws(() => milvusSource(milvus.client, { ...names, ...more } as never), {
        code: 'BAD_ARGUMENT',
        message,
      });
    }
  });

  test('in params that the server would ignore are refused by name', async () => {
    const head = (source: Source) => source.head({ vector, candidates: 3 });
    const bad = [{ hnsw_efs: 5 }, { hnswEf: 5 }, { quantization: { rescored: true } }, { acorn: { enabled: true } }];
    for (const params of bad) {
      const hint = 'hnswEf' in params ? ': its name here is hnsw_ef' : '';
      const message = new RegExp(`params.* received \\w+${hint}$`);
      await rejects(head(qdrantSource(rest.client, { ...names, params })), 'BAD_ARGUMENT', message);
    }
    await rejects(head(qdrantSource(grpc.client, { ...names, params: { hnsw_ef: 5 } })), 'BAD_ARGUMENT', /hnswEf/);
    const partitions = { ...names, params: { partition_names: ['p1'] } };
    assert.throws(() => milvusSource(milvus.client, partitions), { message: /params but received partition_names$/ });
  });
});
