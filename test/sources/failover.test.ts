/** Sources over several addresses: nodes that die in each phase of a request, that hang, refuse and have too much to do. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { createServer } from 'node:tls';
import { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient as RestClient } from '@qdrant/js-client-rest';
import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import { milvusSource } from 'funnelvec/milvus';
import { qdrantSource } from 'funnelvec/qdrant';
import { rejects } from '#dist/conformance/failures.js';
import type { Source } from '#dist/query/source/source.js';
import { again } from '../patient.js';
import { Random } from '../random.js';
import { grpcNode, idsBy, type Manner, milvusNode, type Node, POINTS, restNode } from './nodes.js';

const names = { collection: 'films', head: 'head', full: 'full' };
const vector = Float32Array.of(1, 0);

type Kind = 'REST' | 'gRPC' | 'Milvus';
const KINDS: Kind[] = ['REST', 'gRPC', 'Milvus'];
type Any = Node<never>;

const open: Any[] = [];
after(async () => {
  for (const one of open) await one.close();
});

async function nodesOf(kind: Kind, count = 2): Promise<Any[]> {
  const make = kind === 'REST' ? restNode : kind === 'gRPC' ? grpcNode : milvusNode;
  const nodes = (await Promise.all(Array.from({ length: count }, () => make()))) as unknown as Any[];
  open.push(...nodes);
  return nodes;
}

function sourceOver(kind: Kind, nodes: readonly Any[], more: object = {}): Source {
  const make = (kind === 'Milvus' ? milvusSource : qdrantSource) as (clients: unknown, options: object) => Source;
  return make(nodes.length === 1 ? nodes[0]!.client : nodes.map(({ client }) => client), { ...names, ...more });
}

const READS = /^(query|queryBatch|scroll|retrieve|count|Search|Query)$/;
const reads = (node: Any) => node.asked.filter(({ call }) => READS.test(call)).length;
/** In its reads; the collection itself is described all the same. */
const manner = (node: Any, how: Manner) => {
  node.manner = (call) => (READS.test(call) ? how : 'answers');
};

async function isRight(source: Source, query: Float32Array, limit: number, options: object = {}): Promise<void> {
  const { candidates } = await source.head({ vector: query, candidates: limit, ...options });
  const ids = Array.from(candidates.ids!, Number);
  assert.deepEqual(ids, idsBy(query, limit));
  const vectors = ids.flatMap((id) => POINTS[id - 1]!.vector);
  assert.deepEqual(Array.from(candidates.vectors as Float32Array), vectors);
}

const later = async (ms: number, run: () => Promise<void>) => {
  const { now } = performance;
  await withClock(() => now.call(performance) + ms, run);
};

/** The clock stands still: a node is left alone for a second, which a busy machine may take for a few calls. */
const atOneMoment = (run: () => Promise<void>) => {
  const at = performance.now();
  return withClock(() => at, run);
};

const withClock = async (clock: () => number, run: () => Promise<void>) => {
  const { now } = performance;
  performance.now = clock;
  try {
    await run();
  } finally {
    performance.now = now;
  }
};

const PHASES: Record<Kind, Manner[]> = {
  REST: [
    'refuses',
    'dies',
    { status: 503, words: 'starting' },
    { status: 500, words: '1 of 1 read operations failed' },
    { status: 500, words: 'Service internal error: task was cancelled' },
  ],
  gRPC: [
    'refuses',
    'dies',
    'cancels',
    { status: 14, words: 'no' },
    { status: 13, words: 'shard 0 has no active replica' },
    { status: 13, words: 'Service internal error: task was cancelled' },
  ],
  Milvus: ['refuses', 'dies', 'cancels', { status: 14, words: 'no' }],
};

describe('a node that dies', () => {
  for (const kind of KINDS) {
    test(`has its requests answered by the next one, in each phase and call, and is left alone for a while (${kind})`, async () => {
      const [first, second] = (await nodesOf(kind)) as [Any, Any];
      for (const how of PHASES[kind]) {
        const source = sourceOver(kind, [first, second]);
        await source.info();
        manner(first, how);
        first.asked.length = 0;
        let before = 0;
        await atOneMoment(async () => {
          await isRight(source, vector, 5, { timeout: 10_000 });
          assert.equal(reads(first) > 0, true);
          before = reads(first);
          const { rows, next } = await source.scan({ limit: 4 });
          assert.deepEqual(Array.from(rows.ids, Number), [1, 2, 3, 4]);
          assert.equal((await source.scan({ limit: 4, after: next! })).rows.ids.length, 4);
          assert.equal((await source.fetch({ ids: rows.ids })).rows.ids.length, 4);
          assert.equal(await source.count!({}), POINTS.length);
          const requests = [1, 2, 3].map((candidates) => ({ vector, candidates }));
          assert.equal((await source.headBatch!(requests)).length, 3);
          assert.equal(reads(first), before, JSON.stringify(how));
        });
        // It is well again, and the first one to be asked.
        manner(first, 'answers');
        await later(60_000, () => isRight(source, vector, 5));
        await isRight(source, vector, 5);
        assert.ok(reads(first) > before, JSON.stringify(how));
      }
    });

    test(`is no reason to begin elsewhere when it dies between two calls, nor while the collection is read (${kind})`, async () => {
      const [first, second] = (await nodesOf(kind)) as [Any, Any];
      first.manner = (call) => (/info|Describe/.test(call) ? 'refuses' : 'answers');
      await isRight(sourceOver(kind, [first, second]), vector, 3, { timeout: 10_000 });
      assert.ok(second.asked.length > 0);
    });
  }

  test('and never answers is left behind in time: the next is asked, too, and the first answer counts', async () => {
    for (const kind of KINDS) {
      await again(async () => {
        const [first, second] = (await nodesOf(kind)) as [Any, Any];
        const source = sourceOver(kind, [first, second]);
        await source.info();
        manner(first, 'hangs');
        const began = performance.now();
        await isRight(source, vector, 3, { timeout: 800 });
        assert.ok(performance.now() - began < 800, kind);
        // The next call does not begin at it.
        const before = reads(first);
        await isRight(source, vector, 3, { timeout: 1_000 });
        assert.equal(reads(first), before, kind);
        // The collection itself, too.
        first.manner = () => 'hangs';
        await isRight(sourceOver(kind, [first, second]), vector, 3, { timeout: 800 });
      });
    }
  });

  test('with all others is told by one typed error, within the deadline', async () => {
    for (const kind of KINDS) {
      const nodes = await nodesOf(kind);
      const source = sourceOver(kind, nodes);
      await source.info();
      const tellings: [Manner, string][] = [
        ['refuses', 'UNREACHABLE'],
        ['dies', 'UNREACHABLE'],
        ...(kind === 'REST' ? [] : [['cancels', 'UNREACHABLE'] as [Manner, string]]),
        ['hangs', 'TIMEOUT'],
        ...(kind === 'Milvus'
          ? []
          : [
              [{ status: kind === 'REST' ? 500 : 13, words: 'No space left on device' }, 'REFUSED'] as [Manner, string],
            ]),
      ];
      for (const [how, code] of tellings) {
        for (const node of nodes) manner(node, how);
        await again(async () => {
          const began = performance.now();
          await rejects(source.head({ vector, candidates: 3, timeout: 600 }), code as never, /films/);
          assert.ok(performance.now() - began < 1_000, `${kind} ${how}`);
        });
      }
    }
  });

  test('is not replaced where the request itself is refused', async () => {
    const refusals: [Kind, Manner, string, RegExp][] = [
      ['REST', { status: 400, words: 'bad filter' }, 'REFUSED', /bad filter/],
      [
        'REST',
        { status: 401, words: 'Must provide an API key', text: true },
        'REFUSED',
        /401: Must provide an API key/,
      ],
      ['REST', { status: 403, words: 'Forbidden: no access' }, 'REFUSED', /403: Forbidden: no access/],
      ['gRPC', { status: 3, words: 'bad filter' }, 'REFUSED', /bad filter/],
      ['gRPC', { status: 16, words: 'Must provide an API key' }, 'REFUSED', /Must provide an API key/],
      ['gRPC', { status: 7, words: 'Forbidden: no access' }, 'REFUSED', /Forbidden: no access/],
      ['Milvus', { status: 16, words: 'auth check failure' }, 'REFUSED', /auth check failure/],
    ];
    for (const [kind, how, code, said] of refusals) {
      const [first, second] = (await nodesOf(kind)) as [Any, Any];
      const source = sourceOver(kind, [first, second]);
      await source.info();
      manner(first, how);
      second.asked.length = 0;
      await rejects(source.head({ vector, candidates: 3 }), code as never, said);
      assert.equal(reads(second), 0);
    }
  });

  test('leaves no wrong, no partial and no missing answer among many', async () => {
    const each = Math.ceil(Number(process.env['FUNNELVEC_FAILOVER_REQUESTS'] ?? 450) / 3);
    const chance = new Random(21);
    const hows: Manner[] = ['answers', 'refuses', 'dies', 'cancels', { status: 503, words: 'busy' }];
    for (const kind of KINDS) {
      const [first, second] = (await nodesOf(kind)) as [Any, Any];
      // It is asked first by every request, however lately it died.
      const sources = Array.from({ length: 4 }, () => sourceOver(kind, [first, second]));
      first.manner = (call) => {
        const how = chance.pick(hows);
        if (!READS.test(call)) return 'answers';
        return typeof how === 'object' && kind !== 'REST' ? { ...how, status: 14 } : how;
      };
      let left = each;
      const worker = async () => {
        while (left > 0) {
          const at = left-- % sources.length;
          const angle = 2 * Math.PI * chance.next();
          const query = Float32Array.of(Math.cos(angle), Math.sin(angle));
          if (left % 8 === 0) sources[at] = sourceOver(kind, [first, second]);
          await isRight(sources[at]!, query, chance.int(1, 8), { timeout: 10_000 });
        }
      };
      await Promise.all(Array.from({ length: 4 }, worker));
      assert.ok(reads(first) > each / 16, `${kind}: ${reads(first)}`);
    }
  });
});

test('a server that speaks TLS to a client that does not is UNREACHABLE', async () => {
  const server = createServer({});
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({ close: () => new Promise<void>((done) => server.close(() => done())) } as Any);
  const { port } = server.address() as AddressInfo;
  const here = { host: '127.0.0.1', port, checkCompatibility: false };
  const milvus = new MilvusClient({ address: `127.0.0.1:${port}`, timeout: 3_000, maxRetries: 0 });
  milvus.connectPromise.catch(() => {}); // it dials by itself
  const clients = [new RestClient({ ...here, https: false }), new GrpcClient(here), milvus];
  for (const [i, client] of clients.entries()) {
    const make = (i === 2 ? milvusSource : qdrantSource) as (client: unknown, options: object) => Source;
    await rejects(make(client, { ...names, retries: 0 }).info({ timeout: 20_000 }), 'UNREACHABLE', /films/);
  }
  await milvus.closeConnection().catch(() => {});
});

describe('a call is tried again', () => {
  test('after a pause, and no more often than the source may', async () => {
    for (const kind of KINDS) {
      const [node] = (await nodesOf(kind, 1)) as [Any];
      const source = sourceOver(kind, [node], { retries: 2 });
      await source.info();
      let failures = kind === 'Milvus' ? 4 : 2; // the SDK's own tries are two
      node.manner = (call) => (READS.test(call) && failures-- > 0 ? 'refuses' : 'answers');
      await isRight(source, vector, 3);
      const never = sourceOver(kind, [node], { retries: 0 });
      await never.info();
      failures = 8;
      await rejects(never.head({ vector, candidates: 3 }), 'UNREACHABLE', /films/);
      assert.equal(failures, kind === 'Milvus' ? 6 : 7);
    }
  });

  test('within a budget: a source that fails all the time asks once a call in the end', async () => {
    const [node] = (await nodesOf('REST', 1)) as [Any];
    const source = sourceOver('REST', [node]);
    await source.info();
    manner(node, 'refuses');
    for (let i = 0; i < 8; i++) await rejects(source.head({ vector, candidates: 3 }), 'UNREACHABLE', /films/);
    const before = reads(node);
    for (let i = 0; i < 4; i++) await rejects(source.head({ vector, candidates: 3 }), 'UNREACHABLE', /films/);
    assert.equal(reads(node) - before, 4);
  });

  test('not when the caller gives up meanwhile', async () => {
    const [node] = (await nodesOf('REST', 1)) as [Any];
    const source = sourceOver('REST', [node], { retries: 10 });
    await source.info();
    manner(node, 'refuses');
    await assert.rejects(source.head({ vector, candidates: 3, timeout: 150 }), { code: /^(TIMEOUT|UNREACHABLE)$/ });
    await new Promise((done) => setTimeout(done, 100)); // requests that were under way arrive
    const before = reads(node);
    await new Promise((done) => setTimeout(done, 500));
    assert.equal(reads(node), before);
  });
});

describe('a rate limit', () => {
  const limits: [Kind, (after?: string) => Manner, RegExp][] = [
    ['REST', (after) => limited(429, after), /429: Rate limiting exceeded: reads/],
    ['gRPC', (after) => limited(8, after), /Rate limiting exceeded: reads/],
    ['Milvus', () => limited(8), /Rate limiting exceeded: reads/],
  ];
  const limited = (status: number, after?: string): Manner => ({
    status,
    words: 'Rate limiting exceeded: reads',
    ...(after !== undefined && { headers: { 'retry-after': after } }),
  });

  test('is RATE_LIMITED, with the milliseconds that the server named', async () => {
    for (const [kind, how, said] of limits) {
      const [node] = (await nodesOf(kind, 1)) as [Any];
      const source = sourceOver(kind, [node]);
      await source.info();
      // The gRPC client hands on one digit of it, and nothing where that is none.
      const delays: [string | undefined, number | undefined][] =
        kind === 'REST'
          ? [
              ['37', 37_000],
              [undefined, undefined],
            ]
          : kind === 'gRPC'
            ? [
                ['7', 7_000],
                ['Wed', undefined],
              ]
            : [];
      for (const [after, ms] of delays) {
        manner(node, how(after));
        await assert.rejects(
          source.head({ vector, candidates: 3 }),
          (error: { code: string; retryAfter?: number; message: string }) => {
            assert.equal(error.code, 'RATE_LIMITED');
            assert.equal(error.retryAfter, ms);
            if (after !== 'Wed') assert.match(error.message, said);
            return true;
          },
        );
      }
      if (kind === 'REST') {
        manner(node, how(new Date(Date.now() + 20_000).toUTCString()));
        await assert.rejects(
          source.head({ vector, candidates: 3 }),
          ({ code, retryAfter }: { code: string; retryAfter: number }) => {
            return code === 'RATE_LIMITED' && retryAfter > 15_000 && retryAfter <= 20_000;
          },
        );
      }
      manner(node, how());
      await rejects(source.head({ vector, candidates: 3 }), 'RATE_LIMITED', said);
    }
  });

  test('that ends soon is waited for, one that does not is told at once, and another address answers meanwhile', async () => {
    const [first, second] = (await nodesOf('REST')) as [Any, Any];
    const source = sourceOver('REST', [first]);
    await source.info();
    let once = true;
    first.manner = (call) => {
      const how = READS.test(call) && once ? limited(429, '1') : 'answers';
      if (READS.test(call)) once = false;
      return how;
    };
    const began = performance.now();
    await isRight(source, vector, 3);
    assert.ok(performance.now() - began >= 1_000);
    manner(first, limited(429, '30'));
    await again(async () => {
      const told = performance.now();
      await rejects(source.head({ vector, candidates: 3 }), 'RATE_LIMITED', /30000 ms/);
      await rejects(source.head({ vector, candidates: 3, timeout: 5_000 }), 'RATE_LIMITED', /30000 ms/);
      assert.ok(performance.now() - told < 1_000);
    });
    const cluster = sourceOver('REST', [first, second]);
    const before = reads(first);
    await cluster.info();
    await isRight(cluster, vector, 3);
    await isRight(cluster, vector, 3);
    assert.equal(reads(first), before + 1);
  });
});

describe('servers that are there, and cannot answer', () => {
  test('are UNAVAILABLE: a shard without a living replica, a channel that nobody serves', async () => {
    const words = 'Service internal error: The replica set for shard 0 on peer 7 has no active replica';
    for (const [kind, how] of [
      ['REST', { status: 500, words }],
      ['gRPC', { status: 13, words }],
    ] as const) {
      const [node] = (await nodesOf(kind, 1)) as [Any];
      const source = sourceOver(kind, [node], { retries: 0 });
      await source.info();
      manner(node, how);
      await rejects(source.head({ vector, candidates: 3 }), 'UNAVAILABLE', /no active replica/);
    }
    const [first, second] = (await nodesOf('Milvus')) as [Any, Any];
    const status = { error_code: 'UnexpectedError', code: 503, reason: 'channel not available[channel=by-dev_0]' };
    first.config['Search'] = { status };
    const alone = sourceOver('Milvus', [first]);
    await rejects(alone.head({ vector, candidates: 3 }), 'UNAVAILABLE', /503: channel not available/);
    await isRight(sourceOver('Milvus', [first, second]), vector, 3);
    first.config['Search'] = { status: { error_code: 'RateLimit', code: 8, reason: 'rate limit exceeded' } };
    await rejects(alone.head({ vector, candidates: 3 }), 'RATE_LIMITED', /rate limit exceeded/);
  });

  test('are told from collections that are not there, by their words where they have one code for all', async () => {
    const [node] = (await nodesOf('Milvus', 1)) as [Any];
    for (const reason of [
      "can't find collection: films",
      'collection not found[collection=films]',
      'Collection not exist',
    ]) {
      node.config['DescribeCollection'] = { status: { error_code: 'UnexpectedError', code: 1, reason } };
      await rejects(sourceOver('Milvus', [node]).info(), 'NO_COLLECTION', /films/);
    }
  });

  test('and give up by their own timeout, or let the client’s pass, are told from one another', async () => {
    const [rest] = (await nodesOf('REST', 1)) as [Any];
    const source = sourceOver('REST', [rest]);
    await source.info();
    manner(rest, { status: 408, words: 'Timeout error: Operation Search timed out after 1 seconds' });
    await rejects(source.head({ vector, candidates: 3 }), 'TIMEOUT', /gave up .*timed out after 1 seconds/);
    const [grpc] = (await nodesOf('gRPC', 1)) as [Any];
    const other = sourceOver('gRPC', [grpc]);
    await other.info();
    manner(grpc, { status: 4, words: 'Operation Search timed out after 1 seconds' });
    await rejects(other.head({ vector, candidates: 3 }), 'TIMEOUT', /gave up .*timed out after 1 seconds/);
    for (const [kind, make] of [
      ['REST', restNode],
      ['gRPC', grpcNode],
      ['Milvus', milvusNode],
    ] as const) {
      const node = (await make({ timeout: 1_500 })) as unknown as Any;
      open.push(node);
      const hung = sourceOver(kind, [node], { retries: 0 });
      await hung.info();
      manner(node, 'hangs');
      await again(async () => {
        const began = performance.now();
        await assert.rejects(hung.head({ vector, candidates: 3 }), (error: { code: string; message: string }) => {
          const took = performance.now() - began;
          assert.equal(error.code, 'TIMEOUT');
          const said = Number(/within (\d+) ms/.exec(error.message)?.[1]);
          assert.ok(Math.abs(said - took) < 500, `${kind}: ${error.message} after ${took}`);
          assert.match(error.message, /set timeout/);
          return true;
        });
      });
    }
  });
});

describe('clients of a source', () => {
  test('are made of addresses by a function, each when it is first needed', async () => {
    for (const kind of KINDS) {
      const nodes = await nodesOf(kind);
      const made: string[] = [];
      const make = (address: string) => {
        made.push(address);
        return nodes[Number(address)]!.client;
      };
      const source = (kind === 'Milvus' ? milvusSource : qdrantSource)(make, { ...names, addresses: ['0', '1'] });
      await isRight(source, vector, 3);
      assert.deepEqual(made, ['0']);
      manner(nodes[0]!, 'refuses');
      await isRight(source, vector, 3);
      await isRight(source, vector, 3);
      assert.deepEqual(made, ['0', '1']);
    }
  });

  test('that cannot be made are an address that is down', async () => {
    const [node] = (await nodesOf('REST', 1)) as [Any];
    const make = (address: string) => {
      if (address === 'bad') throw new Error('no such host');
      return node.client;
    };
    const source = milvusSource(make, { ...names, addresses: ['bad'] });
    await rejects(source.info(), 'UNREACHABLE', /no such host/);
  });

  test('are of one kind; what is no client, and addresses without a function, are refused', async () => {
    const [rest] = (await nodesOf('REST', 1)) as [Any];
    const [grpc] = (await nodesOf('gRPC', 1)) as [Any];
    const bad: [() => Source, RegExp][] = [
      [() => qdrantSource([rest.client, grpc.client], names), /clients of one kind/],
      [() => qdrantSource([rest.client, {} as never], names), /a QdrantClient/],
      [() => qdrantSource([], names), /one or more clients/],
      [() => milvusSource([{} as never], names), /a MilvusClient/],
      [() => milvusSource([], names), /one or more clients/],
      [() => qdrantSource(rest.client, { ...names, addresses: ['a'] }), /no addresses beside clients/],
      [() => qdrantSource(() => rest.client, names), /addresses/],
      [() => milvusSource((() => rest.client) as never, { ...names, addresses: [] }), /one or more addresses/],
      [() => qdrantSource(rest.client, { ...names, retries: -1 }), /retries/],
      [() => milvusSource({ search() {}, describeCollection() {} } as never, { ...names, retries: 1.5 }), /retries/],
    ];
    for (const [run, said] of bad) assert.throws(run, { code: 'BAD_ARGUMENT', message: said });
  });
});

test('a batch whose searches differ keeps few of them under way at once, and gives Node nothing to warn of', async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error) => void warnings.push(warning);
  process.on('warning', warned);
  try {
    for (const kind of KINDS) {
      const source = sourceOver(kind, await nodesOf(kind));
      // They differ in what comes along, and in their numbers.
      const requests = Array.from({ length: 40 }, (_, i) => ({
        vector,
        candidates: 1 + (i >> 1),
        vectors: i % 2 === 0,
      }));
      const answers = await source.headBatch!(requests);
      const want = requests.map(({ candidates }) => idsBy(vector, candidates));
      assert.deepEqual(
        answers.map(({ candidates }) => Array.from(candidates.ids!, Number)),
        want,
      );
    }
    await new Promise((done) => setImmediate(done)); // warnings are told in a later turn
    assert.deepEqual(
      warnings.map(({ message }) => message).filter((message) => /listeners/.test(message)),
      [],
    );
  } finally {
    process.off('warning', warned);
  }
});
