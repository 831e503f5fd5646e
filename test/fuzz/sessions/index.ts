/**
 * An index, in memory or on disk, beside a model of it: what was acknowledged is there, what was refused is not, answers are
 * those of a look at every row. Calls overlap, and close() may come in the middle.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { FunnelSearch, type Id, type Metric } from 'funnelvec';
import {
  embeddedSource,
  FunnelIndex,
  type FunnelIndexOptions,
  type IndexAnswer,
  type IndexQuery,
  importJsonl,
  importMatrix,
} from 'funnelvec/store';
import { oracleScore } from '#dist/conformance/funnel-oracle.js';
import { type Json, randomFilter, randomPayload } from '../../query/generate.js';
import { oracleMatches } from '../../query/oracle.js';
import type { Hostile } from '../hostile.js';
import { assertRanked, type Session } from '../session.js';

interface Row {
  vector: Float32Array;
  payload: Json;
}

interface State {
  session: Session;
  random: Hostile;
  index: FunnelIndex;
  path: string;
  dim: number;
  metric: Metric;
  rows: Map<Id, Row>;
  idAt(n: number): Id;
  closed: boolean;
  open: { threads: number; autoOptimize: boolean };
}

const IDS = 60;

export async function memorySession(session: Session): Promise<void> {
  await run(session, ':memory:', 60);
}

export async function diskSession(session: Session): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-fuzz-'));
  try {
    await run(session, join(folder, 'index'), 50);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function run(session: Session, path: string, steps: number): Promise<void> {
  const { random } = session;
  const [dim, metric] = [random.pick([1, 3, 8, 24, 40]), random.pick(['cosine', 'dot', 'euclid'] as const)];
  const open = { threads: random.int(1, 2), autoOptimize: random.chance(0.5) };
  const options: FunnelIndexOptions = {
    dim,
    metric,
    ...open,
    head: random.pick<never>([dim, random.int(1, dim), 'int8', 'binary', { prefix: random.int(1, dim) }] as never[]),
    rotation: random.pick(['pca', 'none', 'balanced']),
    durability: random.chance(0.8) ? 'relaxed' : 'full',
    lists: random.pick(['auto', 'off', 2]),
  };
  await refusedOptions(session, options);
  const index = await session.call('FunnelIndex.create', { path, options }, () => FunnelIndex.create(path, options), {
    valid: true,
  });
  const kind = random.pick(['number', 'string', 'bigint'] as const);
  // An odd id that was taken may have been the first one.
  const idAt = (n: number): Id => {
    const own = index!.idKind ?? kind;
    return own === 'number' ? n - 5 : own === 'string' ? `id ${n}` : BigInt(n) * 10n ** 15n;
  };
  const state: State = {
    session,
    random,
    index: index!,
    path,
    dim,
    metric,
    rows: new Map(),
    idAt,
    closed: false,
    open,
  };
  try {
    for (let step = 0; step < steps && !state.closed; step++) await random.pick(STEPS)(state);
    if (!state.closed) await verify(state);
    if (path !== ':memory:') await reopened(state);
  } finally {
    await state.index.close();
  }
  await afterClose(state);
}

/** Some calls, with something odd in their options: nothing is made. */
async function refusedOptions(session: Session, options: FunnelIndexOptions): Promise<void> {
  const { random } = session;
  for (let i = 0; i < 3; i++) {
    const odd = random.mutated(options) as FunnelIndexOptions;
    const made = await session.call('FunnelIndex.create', odd, () => FunnelIndex.create(':memory:', odd));
    await made?.close();
  }
  const missing = join(tmpdir(), 'funnelvec-fuzz-none', String(random.int(0, 1e9)));
  const given = random.chance(0.5) ? random.any() : missing;
  const path = typeof given === 'string' ? missing : given;
  const found = await session.call('FunnelIndex.open', path, () =>
    FunnelIndex.open(path as string, random.any() as never),
  );
  await found?.close();
}

type Step = (state: State) => Promise<void>;

const upsert: Step = async (state) => {
  const { session, random, dim, idAt, index } = state;
  const count = random.pick([1, 1, 2, 5, 20]);
  const points = Array.from({ length: count }, () => ({
    id: idAt(random.int(0, IDS)),
    vector: random.chance(0.03) ? new Float32Array(dim) : random.vector(dim),
    payload: random.chance(0.8) ? randomPayload(random) : undefined,
  }));
  const batch = random.chance(0.4);
  const packed = () => {
    const vectors = new Float32Array(count * dim);
    points.forEach(({ vector }, r) => {
      vectors.set(vector, r * dim);
    });
    return { ids: points.map(({ id }) => id), vectors, payloads: points.map(({ payload }) => payload) };
  };
  const { args, valid } = session.perhaps<unknown>(
    batch ? packed() : points.map((one) => ({ ...one, vector: random.vectorOf(one.vector) })),
    0.3,
  );
  const sync = random.chance(0.4);
  const before = index.count;
  const answer = await session.call(
    sync ? 'upsertSync' : 'upsert',
    args,
    () => (sync ? index.upsertSync(args as never) : index.upsert(args as never)),
    // A build that goes on bars synchronous writes, which say so.
    { valid: valid && !sync ? true : valid ? ['NOT_WRITABLE'] : false },
  );
  if (answer === undefined) return void assert.equal(index.count, before, 'a refused write changed the count');
  if (valid) {
    for (const { id, vector, payload } of points) state.rows.set(id, { vector, payload });
    return;
  }
  // Odd, and yet it was taken: what it was taken for is what is there now.
  await adopt(state);
};

/** Reads everything back into the model. */
async function adopt(state: State): Promise<void> {
  const { index } = state;
  state.rows.clear();
  for (const id of index.someIds(1e6)) {
    const [row] = index.getSync([id]);
    assert.ok(row, `row ${String(id)} is listed but not there`);
    state.rows.set(id, { vector: row.vector as Float32Array, payload: row.payload });
  }
  assert.equal(index.count, state.rows.size);
}

const remove: Step = async (state) => {
  const { session, random, idAt, index, rows } = state;
  const ids = Array.from({ length: random.int(0, 4) }, () => idAt(random.int(0, IDS)));
  const { args, valid } = session.perhaps<unknown>(random.chance(0.3) && ids.length > 0 ? ids[0] : ids, 0.3);
  const sync = random.chance(0.4);
  const answer = await session.call(
    sync ? 'deleteSync' : 'delete',
    args,
    () => (sync ? index.deleteSync(args as never) : index.delete(args as never)),
    { valid: valid && !sync ? true : valid ? ['NOT_WRITABLE'] : false },
  );
  if (answer === undefined) return;
  if (!valid) return adopt(state);
  let died = 0;
  for (const id of new Set(Array.isArray(args) ? args : [args])) if (rows.delete(id as Id)) died++;
  assert.deepEqual(answer, { count: died });
};

const removeMatching: Step = async (state) => {
  const { session, random, index, rows } = state;
  if (!random.chance(0.3)) return;
  const { args, valid } = session.perhaps({ filter: filterFor(state) }, 0.3);
  const before = new Map(rows);
  const answer = await session.call('delete by filter', args, () => index.delete(args as never), {
    valid: valid ? ['BAD_ARGUMENT'] : false,
  });
  if (answer === undefined) return;
  if (!valid) return adopt(state);
  for (const [id, { payload }] of before) if (oracleMatches(args.filter, id, payload ?? {})) rows.delete(id);
  assert.equal(answer.count, before.size - rows.size, `deleted ${answer.count} of ${before.size - rows.size}`);
};

function filterFor({ random, rows }: State): Json {
  const ids = [...rows.keys()].filter((id) => typeof id !== 'bigint').slice(0, 8) as (string | number)[];
  return randomFilter(random, { ids: ids.length > 0 ? ids : [1] });
}

const query: Step = async (state) => {
  const { session, random, dim, index } = state;
  const request = (): IndexQuery => {
    const made: IndexQuery = { vector: random.vectorOf(random.direction(dim)), limit: random.pick([1, 3, 10, 90]) };
    if (random.chance(0.6)) made.mode = random.pick(['exact', 'funnel']);
    if (random.chance(0.2)) made.scoreThreshold = random.gaussian() / 2;
    if (random.chance(0.4)) made.filter = random.chance(0.7) ? filterFor(state) : rowFilter(state);
    if (random.chance(0.3))
      made.withPayload = random.pick<never>([true, false, ['n'], { exclude: ['tag'] }] as never[]);
    if (random.chance(0.3)) made.withVector = true;
    if (random.chance(0.15) && made.mode === 'exact') made.offset = random.int(0, 5);
    return made;
  };
  const many = random.chance(0.25);
  const requests = Array.from({ length: many ? random.int(0, 4) : 1 }, request);
  const { args, valid } = session.perhaps(requests, 0.4);
  const expected = requests.map((one) => ranked(state, one));
  const judge = (answers: readonly IndexAnswer[]) => {
    for (const [i, answer] of answers.entries()) {
      assertRanked(answer.hits, state.metric === 'euclid');
      if (valid) assertFound(answer, requests[i]!, expected[i]!, state.metric);
    }
  };
  const way = many
    ? random.pick(['queryBatch', 'queryBatchSync'] as const)
    : random.pick(['query', 'querySync'] as const);
  const run = async () =>
    way === 'query'
      ? [await index.query(args?.[0] as IndexQuery)]
      : way === 'querySync'
        ? [index.querySync(args?.[0] as IndexQuery)]
        : index[way](args);
  await session.call(way, args, run, { valid, judge });
};

function rowFilter({ random, idAt }: State): Json {
  if (random.chance(0.6)) return { ids: Array.from({ length: random.int(0, 6) }, () => idAt(random.int(0, IDS + 5))) };
  return { rows: Uint8Array.from({ length: random.int(0, 20) }, () => random.int(0, 255)) };
}

interface Expected {
  /** Undefined where only the index knows which rows pass. */
  scores: Map<Id, number> | undefined;
}

/** The answer of a look at every row. */
function ranked({ rows, metric }: State, { vector, filter, scoreThreshold }: IndexQuery): Expected {
  if (filter && 'rows' in filter) return { scores: undefined };
  const q = Float32Array.from(vector);
  const ids = filter && 'ids' in filter ? new Set(filter.ids as Iterable<Id>) : undefined;
  const scores = new Map<Id, number>();
  for (const [id, row] of rows) {
    if (ids ? !ids.has(id) : !oracleMatches(filter as Json, id, row.payload ?? {})) continue;
    const score = oracleScore(metric, q, row.vector, q.length);
    const better = metric === 'euclid' ? score < (scoreThreshold ?? Infinity) : score > (scoreThreshold ?? -Infinity);
    if (better) scores.set(id, score);
  }
  return { scores };
}

const near = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));

function assertFound(answer: IndexAnswer, request: IndexQuery, { scores }: Expected, metric: Metric): void {
  if (scores === undefined) return;
  const { hits } = answer;
  const { limit = 10, offset = 0, mode, scoreThreshold } = request;
  const wanted = Math.max(0, Math.min(limit, scores.size - offset));
  // Rounding may decide at a threshold; the pool of a funnel may be short of rows that pass one.
  if (scoreThreshold === undefined) assert.equal(hits.length, wanted, `${hits.length} hits of ${wanted}`);
  assert.equal(new Set(hits.map(({ id }) => id)).size, hits.length, 'an id came twice');
  for (const { id, score } of hits) {
    const right = scores.get(id);
    if (right === undefined) {
      assert.ok(scoreThreshold !== undefined, `${String(id)} does not pass`);
      continue;
    }
    assert.ok(near(score, right), `${String(id)} has ${score}, by the model ${right}`);
  }
  if (mode !== 'exact' || scoreThreshold !== undefined) return;
  assert.equal(answer.stats.certified, true);
  const order = metric === 'euclid' ? 1 : -1;
  const ordered = [...scores.values()].sort((a, b) => order * (a - b));
  hits.forEach(({ score }, i) => {
    const right = ordered[offset + i]!;
    assert.ok(near(score, right), `hit ${i} has ${score}, the model's has ${right}`);
  });
}

const read: Step = async (state) => {
  const { session, random, index, idAt, rows } = state;
  const ids = Array.from({ length: random.int(0, 5) }, () => idAt(random.int(0, IDS + 3)));
  const { args, valid } = session.perhaps({ ids, options: random.chance(0.5) ? {} : { withVector: true } }, 0.4);
  await session.call('get', args, () => index.get(args?.ids, args?.options), {
    valid,
    judge(found) {
      if (!valid) return;
      ids.forEach((id, i) => {
        assertRow(found[i], rows.get(id), id);
      });
    },
  });
  const id = random.chance(0.7) ? idAt(random.int(0, IDS)) : (random.any() as Id);
  await session.call('has', id, () => index.has(id), {
    judge: (has) => assert.equal(has, rows.has(id)),
  });
  const filter = filterFor(state);
  const odd = session.perhaps({ filter }, 0.4);
  await session.call('countMatching', odd.args, () => index.countMatching(odd.args as never), {
    valid: odd.valid,
    judge(count) {
      const passing = [...rows].filter(([one, { payload }]) => oracleMatches(filter, one, payload ?? {})).length;
      if (odd.valid) assert.equal(count, passing);
    },
  });
  const scroll = session.perhaps({ filter, limit: random.int(1, 30), withPayload: true }, 0.4);
  await session.call('scroll', scroll.args, () => index.scroll(scroll.args as never), { valid: scroll.valid });
  const facet = session.perhaps({ key: random.pick(['n', 'tag', 'list', 'deep.n']), limit: random.int(1, 5) }, 0.4);
  await session.call('facet', facet.args, () => index.facet(facet.args as never), { valid: facet.valid });
};

function assertRow(
  found: { vector: ArrayLike<number>; payload?: unknown } | undefined,
  row: Row | undefined,
  id: Id,
): void {
  assert.equal(found === undefined, row === undefined, `row ${String(id)} is ${found ? '' : 'not '}there`);
  if (!found || !row) return;
  assert.deepEqual(Array.from(found.vector), Array.from(row.vector), `the vector of ${String(id)}`);
  // Not deepEqual, to which a date that is none is not what it is itself.
  assert.equal(shown(found.payload), shown(row.payload), `the payload of ${String(id)}`);
}

function shown(payload: unknown): string {
  return inspect(payload, { depth: Infinity, maxArrayLength: null, maxStringLength: null, sorted: true });
}

const payloadIndexes: Step = async ({ session, random, index }) => {
  const key = random.pick(['n', 'tag', 'flag', 'list', 'deep.n', 'rows[].n']);
  const type = random.pick(['keyword', 'integer', 'float', 'bool', 'datetime'] as const);
  const { args, valid } = session.perhaps({ key, type }, 0.4);
  const run = () => index.createPayloadIndex(args?.key, args?.type as never);
  await session.call('createPayloadIndex', args, run, { valid: valid ? ['BAD_ARGUMENT', 'ABORTED'] : false });
  if (random.chance(0.3))
    await session.call('deletePayloadIndex', key, () => index.deletePayloadIndex(key), { valid: true });
};

const optimize: Step = async ({ session, random, index, dim }) => {
  if (!random.chance(0.3)) return;
  const queries = random.vector(dim * random.int(1, 12));
  const { args, valid } = session.perhaps(random.chance(0.5) ? {} : { queries }, 0.3);
  const sync = random.chance(0.4);
  const run = () => (sync ? index.optimizeSync(args as never) : index.optimize(args as never));
  await session.call(sync ? 'optimizeSync' : 'optimize', args, run as () => void, {
    valid: valid ? ['NOT_WRITABLE', 'BAD_ARGUMENT'] : false,
  });
};

const byExample: Step = async (state) => {
  const { session, random, index, dim, idAt, rows } = state;
  const example = () => (random.chance(0.5) ? random.direction(dim) : idAt(random.int(0, IDS)));
  const recommend = {
    positive: Array.from({ length: random.int(1, 3) }, example),
    negative: Array.from({ length: random.int(0, 2) }, example),
    strategy: random.pick(['average_vector', 'best_score', 'sum_scores'] as const),
    limit: random.int(1, 8),
  };
  const one = session.perhaps(recommend, 0.4);
  // An id that is not there, or a mean of zeros.
  const judge = ({ hits }: { hits: readonly { id: Id; score: number }[] }) => {
    for (const { id } of hits) assert.ok(rows.has(id), `${String(id)} is not there`);
  };
  const codes = ['NOT_FOUND', 'ZERO_QUERY', 'BAD_ID', 'BAD_ARGUMENT'] as const;
  await session.call('recommend', one.args, () => index.recommend(one.args as never), {
    valid: one.valid ? codes : false,
    judge: one.valid ? judge : undefined,
  } as never);
  const groups = {
    vector: random.direction(dim),
    groupBy: random.pick(['n', 'tag', 'list', 'deep.tag']),
    groupSize: random.int(1, 4),
    limit: random.int(1, 5),
  };
  const grouped = session.perhaps(groups, 0.4);
  await session.call('queryGroups', grouped.args, () => index.queryGroups(grouped.args as never), {
    valid: grouped.valid,
  });
};

const throughSearch: Step = async (state) => {
  const { session, random, index, dim, metric, rows } = state;
  const head = random.int(1, dim);
  const options = session.perhaps(random.chance(0.5) ? { head } : {}, 0.2);
  const source = await session.call(
    'embeddedSource',
    options.args,
    () => embeddedSource(index, options.args as never),
    {
      valid: options.valid,
    },
  );
  if (source === undefined) return;
  const made = session.perhaps({ source }, 0.1);
  const search = await session.call('new FunnelSearch', made.args, () => new FunnelSearch(made.args as never), {
    valid: made.valid,
  });
  if (search === undefined) return;
  const request = {
    vector: random.direction(dim),
    limit: random.int(1, 12),
    ...(random.chance(0.4) && { filter: filterFor(state) }),
    ...(random.chance(0.4) && { mode: 'exact' as const }),
    ...(random.chance(0.3) && { withPayload: true }),
    ...(random.chance(0.3) && { explain: true }),
    ...(random.chance(0.2) && { offset: random.int(0, 4) }),
  };
  const { args, valid } = session.perhaps([request, { vector: random.direction(dim) }], 0.5);
  const judge = (answers: readonly { hits: readonly { id: Id; score: number }[] }[]) => {
    for (const { hits } of answers) assertRanked(hits, metric === 'euclid');
    for (const { id, score } of valid ? answers[0]!.hits : []) {
      const row = rows.get(id);
      assert.ok(row && near(score, oracleScore(metric, request.vector, row.vector, dim)), `hit ${String(id)}`);
    }
  };
  const sound = valid && options.valid && made.valid;
  if (random.chance(0.5))
    await session.call('FunnelSearch.queryBatch', args, () => search.queryBatch(args as never), {
      valid: sound,
      judge: sound ? judge : undefined,
    });
  else {
    await session.call('FunnelSearch.query', args, async () => [await search.query(args?.[0] as never)], {
      valid: sound,
      judge: sound ? judge : undefined,
    });
  }
};

/** The rest of the calls: small ones, and those of a search over the index. */
const others: Step = async (state) => {
  const { session, random, index, dim, idAt, rows } = state;
  const ids = Array.from({ length: random.int(0, 4) }, () => idAt(random.int(0, IDS)));
  const room = session.perhaps({ ids, out: new Float32Array(ids.length * dim) }, 0.5);
  await session.call('gather', room.args, () => index.gather(room.args?.ids, room.args?.out), {
    valid: room.valid,
    judge(missing) {
      if (!room.valid) return;
      ids.forEach((id, i) => {
        assert.equal(missing.includes(i), !rows.has(id));
        const found = room.args.out.subarray(i * dim, (i + 1) * dim);
        if (rows.has(id)) assert.deepEqual(Array.from(found), Array.from(rows.get(id)!.vector));
      });
    },
  });
  const count = random.chance(0.5) ? random.int(0, 100) : (random.any() as number);
  await session.call('someIds', count, () => index.someIds(count));
  await session.call('stats', undefined, () => index.stats(), {
    valid: true,
    judge: (stats) => assert.equal(stats.count, rows.size),
  });
  const search = new FunnelSearch({ source: embeddedSource(index), ...(random.chance(0.3) && { mirror: index }) });
  const examples = { positive: [random.direction(dim)], negative: [], limit: random.int(1, 5) };
  const one = session.perhaps(examples, 0.5);
  await session.call('FunnelSearch.recommend', one.args, () => search.recommend(one.args), { valid: one.valid });
  const many = session.perhaps([examples, examples], 0.5);
  const batch = random.chance(0.5) ? search : index;
  await session.call('recommendBatch', many.args, () => batch.recommendBatch(many.args as never) as Promise<unknown>, {
    valid: many.valid,
  });
  const groups = session.perhaps({ ...examples, groupBy: random.pick(['n', 'tag']), groupSize: 2 }, 0.5);
  const grouped = random.chance(0.5) ? search : index;
  await session.call(
    'recommendGroups',
    groups.args,
    () => grouped.recommendGroups(groups.args as never) as Promise<unknown>,
    {
      valid: groups.valid,
    },
  );
  const joined = session.perhaps({ vector: random.direction(dim), groupBy: 'n', withLookup: index }, 0.5);
  await session.call('queryGroups with lookup', joined.args, () => index.queryGroups(joined.args as never), {
    valid: joined.valid,
  });
  const explained = await session.call(
    'FunnelSearch.query explained',
    dim,
    () => search.query({ vector: random.direction(dim), explain: true }),
    { valid: true },
  );
  const sought = random.chance(0.5) ? idAt(random.int(0, IDS)) : (random.any() as Id);
  await session.call('explanation.find', sought, () => explained!.explanation!.find(sought) as unknown);
  if (random.chance(0.1)) {
    const copy = await FunnelIndex.create(':memory:', { dim, metric: state.metric });
    const given = session.perhaps({ source: embeddedSource(index), options: {} }, 0.4);
    const synced = await session.call(
      'syncFrom',
      given.args,
      () => copy.syncFrom(given.args?.source, given.args?.options),
      {
        valid: given.valid,
      },
    );
    if (synced !== undefined && given.valid) assert.equal(copy.count, rows.size);
    await copy.close();
  }
};

const imports: Step = async (state) => {
  const { session, random, index, dim, idAt } = state;
  if (!random.chance(0.4)) return;
  const count = random.int(0, 6);
  const ids = Array.from({ length: count }, () => idAt(random.int(0, IDS)));
  const vectors = random.vector(count * dim);
  if (random.chance(0.5)) {
    const { args } = session.perhaps({ vectors, options: { ids, batch: random.int(1, 4) } }, 0.5);
    await session.call('importMatrix', args, () => importMatrix(index, args?.vectors, args?.options as never));
  } else {
    const lines = ids.map((id, r) => {
      const vector = Array.from(vectors.subarray(r * dim, (r + 1) * dim));
      return `${JSON.stringify({ id: typeof id === 'bigint' ? String(id) : id, vector, n: r })}\n`;
    });
    const text = Buffer.from(lines.join(''));
    if (text.length > 0 && random.chance(0.5)) text[random.int(0, text.length - 1)]! ^= 1 << random.int(0, 7);
    const cut = random.int(0, text.length);
    const chunks = [text.subarray(0, cut), text.subarray(cut)];
    const { args } = session.perhaps({ chunks, options: {} }, 0.3);
    // A string is a path, and flat() would visit each of 2^32 holes.
    const input = () => (Array.isArray(args?.chunks) ? args.chunks : [args?.chunks]);
    const run = () => importJsonl(index, input() as never, args?.options as never);
    await session.call('importJsonl', args, run);
  }
  await adopt(state);
};

/** Calls that were not waited for, then all of them. */
const together: Step = async (state) => {
  const { session, random, index, dim, idAt, rows } = state;
  const running: Promise<unknown>[] = [];
  for (let i = 0; i < random.int(2, 8); i++) {
    const id = idAt(random.int(0, IDS));
    const kind = random.int(0, 5);
    if (kind <= 1) {
      const row = { vector: random.vector(dim), payload: { n: i } };
      const point = [{ id, ...row }];
      running.push(session.call('upsert beside others', point, () => index.upsert(point), { valid: true }));
      rows.set(id, row);
    } else if (kind === 2) {
      running.push(session.call('delete beside others', id, () => index.delete(id), { valid: true }));
      rows.delete(id);
    } else if (kind === 3) {
      running.push(
        session.call('optimize beside others', id, () => index.optimize(), {
          valid: ['NOT_WRITABLE', 'BAD_ARGUMENT'], // 'balanced' without queries
        }),
      );
    } else {
      const request = {
        vector: random.direction(dim),
        mode: random.pick(['exact', 'funnel'] as const),
        withPayload: true,
      };
      running.push(session.call('query beside others', request, () => index.query(request), { valid: true }));
    }
  }
  const done = await Promise.allSettled(running);
  for (const one of done) if (one.status === 'rejected') throw one.reason;
};

/** close() while calls are under way: each is answered, or says that the index was closed. */
const closing: Step = async (state) => {
  const { session, random, index, dim, idAt, rows } = state;
  if (!random.chance(0.04)) return;
  const running: Promise<unknown>[] = [];
  for (let i = 0; i < random.int(1, 5); i++) {
    const id = idAt(random.int(0, IDS));
    if (random.chance(0.4)) {
      const row = { vector: random.vector(dim), payload: { last: i } };
      const kept = session.call('upsert before close', id, () => index.upsert([{ id, ...row }]), { valid: ['CLOSED'] });
      running.push(kept.then((answer) => answer !== undefined && rows.set(id, row)));
    } else if (random.chance(0.2)) {
      running.push(
        session.call('optimize before close', id, () => index.optimize(), {
          valid: ['CLOSED', 'NOT_WRITABLE', 'BAD_ARGUMENT'],
        }),
      );
    } else {
      const vector = random.direction(dim);
      running.push(session.call('query before close', vector, () => index.query({ vector }), { valid: ['CLOSED'] }));
    }
  }
  const end = session.call('close', undefined, () => index.close(), { valid: true });
  const done = await Promise.allSettled([...running, end]);
  for (const one of done) if (one.status === 'rejected') throw one.reason;
  state.closed = true;
};

const STEPS: readonly Step[] = [
  ...[upsert, upsert, upsert, upsert, remove, removeMatching, query, query, query, query, query, read, read],
  ...[payloadIndexes, optimize, byExample, throughSearch, others, imports, together, closing],
];

/** Every row is there as it was written, and no other. */
async function verify(state: State): Promise<void> {
  const { session, index, rows } = state;
  await session.call('count', undefined, () => index.count, {
    judge: (count) => assert.equal(count, rows.size, `${count} rows of ${rows.size}`),
  });
  const ids = [...rows.keys()];
  await session.call('get of all', ids, () => index.get(ids), {
    valid: true,
    judge(found) {
      ids.forEach((id, i) => {
        assertRow(found[i], rows.get(id), id);
      });
    },
  });
}

async function reopened(state: State): Promise<void> {
  const { session, path, open } = state;
  if (!state.closed) await session.call('close', undefined, () => state.index.close(), { valid: true });
  const again = await session.call('FunnelIndex.open', path, () => FunnelIndex.open(path, open), { valid: true });
  state.index = again!;
  state.closed = false;
  await verify(state);
}

async function afterClose({ session, index, dim }: State): Promise<void> {
  await session.call('query after close', dim, () => index.query({ vector: new Float32Array(dim).fill(1) }));
  await session.call('upsert after close', dim, () => index.upsert([{ id: 1, vector: new Float32Array(dim).fill(1) }]));
  await session.call('close again', undefined, () => index.close(), { valid: true });
}
