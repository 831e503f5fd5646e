/** How calls end: the global fetch, servers that hang or have too much to do, callers who give up, and the errors of all that. */
// Runs alone: its deadlines are short.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, mock, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { QdrantClient } from '@qdrant/js-client-rest';
import { milvusSource } from 'funnelvec/milvus';
import { qdrantSource } from 'funnelvec/qdrant';
import { rejects } from '#dist/conformance/failures.js';
import type { Source } from '#dist/query/source/source.js';
import { type Behaviour, type FilmServer, filmServer } from './film-server.js';

const vector = Float32Array.of(1, 0);
const names = { collection: 'films', head: 'head', full: 'full' };

/** Fake clients over one collection; what they answer may be changed at any time. */
interface Fake {
  source: Source;
  /** The client that the source was made with. */
  client: object;
  /** How often the collection was read. */
  reads(): number;
  searches(): number;
  /** Runs before each reading and each search. */
  reading: () => Promise<void> | void;
  searching: () => Promise<void> | void;
  distance: string;
  points: unknown[];
}

type Kind = 'REST' | 'gRPC' | 'Milvus';
const KINDS: Kind[] = ['REST', 'gRPC', 'Milvus'];

function fake(kind: Kind): Fake {
  const counts = { reads: 0, searches: 0 };
  const it = {
    reads: () => counts.reads,
    searches: () => counts.searches,
    reading: () => {},
    searching: () => {},
    distance: 'Cosine',
    points: [] as unknown[],
  } as unknown as Fake;
  const read = async () => {
    counts.reads++;
    await it.reading();
  };
  const search = async () => {
    counts.searches++;
    await it.searching();
  };
  const rest = {
    async getCollection() {
      await read();
      const size = { size: 2, distance: it.distance };
      return { config: { params: { vectors: { head: size, full: size } } } };
    },
    scroll: async () => ({ points: it.points }),
    async query() {
      await search();
      return { points: [] };
    },
  };
  const size = { size: 2n, distance: 1 };
  const vectorsConfig = { config: { case: 'paramsMap', value: { map: { head: size, full: size } } } };
  const grpc = {
    api: () => ({
      async get() {
        await read();
        return { result: { config: { params: { vectorsConfig } } } };
      },
      scroll: async () => ({ result: [] }),
      async query() {
        await search();
        return { result: [] };
      },
    }),
  };
  const fields = [
    { name: 'id', dataType: 5, is_primary_key: true },
    ...['head', 'full'].map((name) => ({ name, dataType: 101, dim: 2 })),
  ];
  const params = [{ key: 'metric_type', value: 'IP' }];
  const milvus = {
    async describeCollection() {
      await read();
      return { schema: { fields } };
    },
    describeIndex: async () => ({ index_descriptions: [{ field_name: 'head', params }] }),
    async search() {
      await search();
      return { results: [] };
    },
  };
  it.client = kind === 'REST' ? rest : kind === 'gRPC' ? grpc : milvus;
  it.source =
    kind === 'REST'
      ? qdrantSource(rest, names)
      : kind === 'gRPC'
        ? qdrantSource(grpc, names)
        : milvusSource(milvus, { ...names, metric: 'dot' });
  return it;
}

function thrower(error: unknown): () => never {
  return () => {
    throw error;
  };
}

const open: FilmServer[] = [];
after(async () => {
  for (const one of open) await one.close();
});
async function serve(how: Partial<FilmServer['how']> = {}) {
  const server = await filmServer(how);
  open.push(server);
  const client = new QdrantClient({ url: server.url, checkCompatibility: false });
  return { server, source: (decode?: 'fast' | 'client') => qdrantSource(client, { ...names, decode }) };
}

describe('the global fetch', () => {
  test('may itself fetch, as one that gets a token first does, and is in its place by then', async () => {
    const { server, source } = await serve();
    const real = globalThis.fetch;
    const token = `${server.url}/token`;
    const tokens: unknown[] = [];
    const mine: typeof fetch = async (input, init) => {
      if (input === token) return real(input);
      assert.equal(globalThis.fetch, mine);
      tokens.push(((await (await globalThis.fetch(token)).json()) as { status?: unknown }).status);
      return real(input, init);
    };
    globalThis.fetch = mine;
    try {
      for (const decode of ['fast', 'client'] as const) {
        const { candidates } = await source(decode).head({ vector, candidates: 3 });
        assert.deepEqual(candidates.vectors, Float32Array.of(1, 0));
        assert.equal(globalThis.fetch, mine);
      }
    } finally {
      globalThis.fetch = real;
    }
    // Twice the collection, a point and the search.
    assert.deepEqual(tokens, Array(6).fill('ok'));
  });

  test('may be read-only, or a getter', async () => {
    const { source } = await serve();
    const usual = Object.getOwnPropertyDescriptor(globalThis, 'fetch')!;
    const real = globalThis.fetch;
    for (const one of [{ value: real, writable: false }, { get: () => real }, { get: () => real, set: () => {} }]) {
      Object.defineProperty(globalThis, 'fetch', { configurable: true, ...one });
      try {
        assert.equal((await source().head({ vector, candidates: 3 })).candidates.vectors.length, 2);
      } finally {
        Object.defineProperty(globalThis, 'fetch', usual);
      }
    }
  });
});

describe('what is known of a collection', () => {
  test('is asked for anew after a reading that hung, and who waits longer still gets its answer', async () => {
    for (const kind of KINDS) {
      const one = fake(kind);
      let release = () => {};
      one.reading = () => new Promise<void>((resolve) => (release = resolve));
      const patient = one.source.head({ vector, candidates: 3 });
      await rejects(one.source.head({ vector, candidates: 3, timeout: 30 }), 'TIMEOUT', /30 ms/);
      const first = release;
      one.reading = () => {};
      await one.source.head({ vector, candidates: 3, timeout: 1_000 });
      first();
      await patient;
      assert.equal(one.reads(), 2, kind);
    }
  });

  test('is not waited for beyond half a minute', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      for (const kind of KINDS) {
        const one = fake(kind);
        one.reading = () => new Promise<void>(() => {});
        const waiting = one.source.info();
        mock.timers.tick(30_000);
        await rejects(Promise.race([waiting, new Promise((resolve) => setImmediate(resolve))]), 'TIMEOUT', /30000 ms/);
      }
    } finally {
      mock.timers.reset();
    }
  });

  test('is read again after a minute, so that another metric is noticed', async () => {
    const one = fake('REST');
    one.points = [{ id: 1 }];
    assert.equal((await one.source.info()).metric, 'cosine');
    one.distance = 'Dot';
    assert.equal((await one.source.info()).metric, 'cosine');
    const later = performance.now() + 61_000;
    const { now } = performance;
    performance.now = () => later;
    try {
      assert.equal((await one.source.info()).metric, 'dot');
    } finally {
      performance.now = now;
    }
  });

  test('does not include the kind of id of an empty collection', async () => {
    const one = fake('REST');
    assert.equal((await one.source.info()).idKind, 'number');
    one.points = [{ id: '00000000-0000-4000-8000-000000000000' }];
    assert.equal((await one.source.info()).idKind, 'string');
  });

  test('is not asked for again when the server has too much to do or the search took too long', async () => {
    const failures: [Kind, unknown, string][] = [
      ['REST', { status: 429, message: 'slow down' }, 'RATE_LIMITED'],
      ['REST', { status: 500, message: 'oh' }, 'REFUSED'],
      ['REST', { status: 503, message: 'busy' }, 'UNREACHABLE'],
      ['REST', Object.assign(new Error('slow'), { name: 'QdrantClientResourceExhaustedError' }), 'RATE_LIMITED'],
      ['gRPC', { code: 8, rawMessage: 'too many' }, 'RATE_LIMITED'],
      ['gRPC', { code: 14, rawMessage: 'unavailable' }, 'UNREACHABLE'],
      ['Milvus', { code: 8, details: 'too many' }, 'RATE_LIMITED'],
      ['Milvus', { code: 14, details: 'unavailable' }, 'UNREACHABLE'],
    ];
    for (const [kind, failure, code] of failures) {
      const one = fake(kind);
      one.points = [{ id: 1 }];
      one.source.info();
      await one.source.info();
      const before = one.reads();
      one.searching = thrower(failure);
      for (let i = 0; i < 3; i++) await rejects(one.source.head({ vector, candidates: 3 }), code, /films/);
      // An empty collection over gRPC is read for every search.
      assert.equal(one.reads(), kind === 'gRPC' ? before + 3 : before, `${kind} ${JSON.stringify(failure)}`);
    }
    const { server, source } = await serve({ search: 'silent' });
    const films = source();
    await rejects(films.head({ vector, candidates: 3, timeout: 50 }), 'TIMEOUT', /50 ms/);
    server.how.search = 'answer';
    await films.head({ vector, candidates: 3 });
    assert.equal(server.seen.info, 1);
  });

  test('is read once more for all searches that were refused at once; failing at that hides no reason', async () => {
    const one = fake('REST');
    one.points = [{ id: 1 }];
    await one.source.info();
    one.searching = async () => {
      await sleep(5 * one.searches());
      throw { status: 400, data: { status: { error: 'bad filter' } } };
    };
    const search = () => rejects(one.source.head({ vector, candidates: 3 }), 'REFUSED', /bad filter/);
    one.reading = () => sleep(30);
    await Promise.all([search(), search(), search()]);
    assert.equal(one.reads(), 2);
    one.reading = thrower(new TypeError('fetch failed'));
    await search();
  });
});

describe('a caller who gives up', () => {
  test('while the collection is read sends no search', async () => {
    for (const kind of KINDS) {
      const one = fake(kind);
      one.reading = () => sleep(40);
      const other = one.source.info();
      const controller = new AbortController();
      const aborted = one.source.head({ vector, candidates: 3, signal: controller.signal });
      const late = one.source.full({ vector, limit: 3, timeout: 20 });
      controller.abort();
      await rejects(aborted, 'ABORTED', /films/);
      await rejects(late, 'TIMEOUT', /20 ms/);
      await other.catch(() => {});
      await sleep(50);
      assert.equal(one.searches(), 0, kind);
    }
  });

  test('ends a request over REST, however much of its answer came, so that no connection stays behind', async () => {
    for (const search of ['silent', 'stalled', 'stalled error'] as Behaviour[]) {
      const { server, source } = await serve({ search });
      for (const decode of ['fast', 'client'] as const) {
        const films = source(decode);
        await films.info();
        const before = server.seen.search;
        const controller = new AbortController();
        const aborted = films.head({ vector, candidates: 3, signal: controller.signal });
        const late = films.full({ vector, limit: 3, timeout: 500 });
        const isAborted = rejects(aborted, 'ABORTED', /films/);
        const isLate = rejects(late, 'TIMEOUT', /500 ms/);
        for (let i = 0; i < 40 && server.seen.search < before + 2; i++) await sleep(10);
        controller.abort();
        await Promise.all([isAborted, isLate]);
        for (let i = 0; i < 1000 && server.hanging() > 0; i++) await sleep(10);
        assert.equal(server.hanging(), 0, `${search}, ${decode}`);
      }
      assert.equal(server.seen.search, 4);
    }
  });

  test("the client's own timeout still ends a stalled error over REST", async () => {
    const { server } = await serve({ search: 'stalled error' });
    const client = new QdrantClient({ url: server.url, checkCompatibility: false, timeout: 150 });
    await rejects(qdrantSource(client, names).head({ vector, candidates: 3 }), 'TIMEOUT', /client's own/);
  });

  test('lets the process end', async () => {
    const { server } = await serve({ info: 'silent' });
    const script = `
      import { QdrantClient } from '@qdrant/js-client-rest';
      import { qdrantSource } from 'funnelvec/qdrant';
      const client = new QdrantClient({ url: '${server.url}', checkCompatibility: false });
      const source = qdrantSource(client, ${JSON.stringify(names)});
      await source.info({ timeout: 100 }).catch((error) => console.log(error.code));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (data) => (said += data));
    const killer = setTimeout(() => child.kill(), 60_000);
    const [status] = await once(child, 'close');
    clearTimeout(killer);
    assert.deepEqual([status, said.trim()], [0, 'TIMEOUT']);
  });

  test('may give many calls one signal without a warning of leaks', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const one = fake('Milvus');
    one.searching = () => sleep(10);
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 30 }, () => one.source.head({ vector, candidates: 3, signal })));
    process.off('warning', listen);
    assert.deepEqual(warnings, []);
  });
});

describe('errors name their cause', () => {
  test('arguments are refused before any request', async () => {
    for (const kind of KINDS) {
      const one = fake(kind);
      const head = (more: object) => one.source.head({ vector, candidates: 3, ...more });
      for (const signal of [{}, 5, { aborted: true }]) await rejects(head({ signal }), 'BAD_ARGUMENT', /AbortSignal/);
      for (const withPayload of ['title', 5, { includes: ['a'] }, [1], null]) {
        await rejects(head({ withPayload }), 'BAD_ARGUMENT', /withPayload/);
      }
      await rejects(head({ candidates: 0 }), 'BAD_ARGUMENT', /candidates/);
      await rejects(one.source.full({ vector, limit: 0 }), 'BAD_ARGUMENT', /limit/);
      assert.equal(one.reads(), 0);
    }
  });

  test('a timeout of more than a timer can hold does not fire at once', async () => {
    const one = fake('REST');
    one.searching = () => sleep(20);
    await one.source.head({ vector, candidates: 3, timeout: 2 ** 31 });
    await one.source.head({ vector, candidates: 3, timeout: Number.MAX_VALUE });
  });

  test('HTTP and gRPC statuses mean what they say', async () => {
    const http = (status: number, error: string) => ({ status, message: error, data: { status: { error } } });
    const tls = new TypeError('fetch failed', { cause: new Error('self-signed certificate') });
    const failures: [Kind, unknown, string, RegExp][] = [
      ['REST', http(404, "Not found: Collection `films` doesn't exist!"), 'NO_COLLECTION', /404/],
      ['REST', http(404, 'no such route'), 'REFUSED', /404: no such route/],
      ['REST', http(502, 'bad gateway'), 'UNREACHABLE', /502/],
      ['REST', http(504, 'gateway timeout'), 'UNREACHABLE', /504/],
      ['REST', http(500, 'oh'), 'REFUSED', /500/],
      ['REST', tls, 'UNREACHABLE', /self-signed certificate/],
      ['gRPC', { code: 13, cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } }, 'UNREACHABLE', /SELF_SIGNED/],
      ['gRPC', { code: 5, rawMessage: "Collection `films` doesn't exist!" }, 'NO_COLLECTION', /films/],
      ['gRPC', { code: 5, rawMessage: 'no such route' }, 'REFUSED', /no such route/],
      ['gRPC', { code: 1, rawMessage: 'This operation was aborted' }, 'TIMEOUT', /client's own/],
      ['gRPC', { code: 1, rawMessage: 'stream reset by proxy' }, 'REFUSED', /by proxy/],
    ];
    for (const [kind, failure, code, said] of failures) {
      const one = fake(kind);
      one.searching = thrower(failure);
      await rejects(one.source.head({ vector, candidates: 3 }), code, said);
    }
  });

  test('an index that may not be described is not one that is absent', async () => {
    const fields = [
      { name: 'id', dataType: 5, is_primary_key: true },
      ...['head', 'full'].map((name) => ({ name, dataType: 101, dim: 2 })),
    ];
    const info = (status: object) =>
      milvusSource(
        {
          describeCollection: async () => ({ schema: { fields } }),
          describeIndex: async () => ({ status, index_descriptions: [] }),
          search: async () => ({}),
        },
        names,
      ).info();
    const denied = { error_code: 'PermissionDenied', code: 65535, reason: 'privilege DescribeIndex is missing' };
    await rejects(info(denied), 'REFUSED', /privilege DescribeIndex/);
    await rejects(info({ error_code: 'IndexNotExist', code: 700, reason: 'index not found' }), 'BAD_ARGUMENT', /none/);
    await rejects(info({ error_code: 'Success', code: 0 }), 'BAD_ARGUMENT', /none/);
  });

  test('an answer to an earlier attempt of the SDK does not hide how the last one failed', async () => {
    // SearchResults { status { code: 65535, reason: "x" } }
    const refused = Buffer.from([10, 7, 18, 1, 120, 24, 255, 255, 3]);
    type Read = (bytes: Buffer) => unknown;
    const channel = {
      Search: { path: '/', requestSerialize: () => {}, responseDeserialize: () => ({}) },
      attempts: 0,
      makeUnaryRequest(_path: string, _serialize: unknown, read: Read) {
        if (channel.attempts++ === 0) read(refused);
      },
    };
    const one = fake('Milvus');
    const client = one.client as { channelPool: unknown; search: unknown };
    client.channelPool = { acquire: async () => channel, release: async () => {} };
    client.search = async function (this: { channelPool: { acquire(): Promise<{ Search(): void }> } }) {
      const { Search } = await this.channelPool.acquire();
      Search();
      Search();
      throw { code: 14, details: 'unavailable' };
    };
    await rejects(one.source.head({ vector, candidates: 3 }), 'UNREACHABLE', /films/);
    assert.equal(channel.attempts, 2);
  });
});
