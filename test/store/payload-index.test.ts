/** Payload indexes: that they are kept, found again, followed, resumed, and that damage to them is said. */
// Runs alone: it measures how long the event loop stands still.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelError } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { decodeState, encodeState, newState, type State } from '#dist/store/files/state.js';
import { PayloadIndexes } from '#dist/store/payload/indexes.js';
import { longestStretch } from '../applications/stretch.js';
import { Random, SEED } from '../random.js';

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-payload-'));
  folders.push(folder);
  return join(folder, 'index');
}

const DIM = 4;
const random = new Random(SEED);

interface Payload {
  n?: number;
  tag?: string;
  flag?: boolean;
  when?: string;
  list?: { x: number }[];
}

/** Half a lone surrogate, and what is longer than a page. */
const WORDS = ['red', 'green', '', '\ud800', '日本', 'x'.repeat(5000)];

function points(from: number, count: number) {
  return Array.from({ length: count }, (_, i) => {
    const at = from + i;
    const payload: Payload = { n: at % 10, tag: WORDS[at % WORDS.length]!, flag: at % 2 === 0 };
    if (at % 3 === 0) payload.when = new Date(Date.UTC(2020, 0, 1 + (at % 365))).toISOString();
    if (at % 4 === 0) payload.list = [{ x: at / 4 }, { x: 0.5 }];
    return { id: at, vector: random.vector(DIM), payload };
  });
}

const INDEXES = [
  ['n', 'integer'],
  ['tag', 'keyword'],
  ['flag', 'bool'],
  ['when', 'datetime'],
  ['list[].x', 'float'],
] as const;

const FILTERS = [
  { must: { key: 'n', range: { gte: 3, lt: 5 } } },
  { must: { key: 'tag', match: { any: ['日本', 'red'] } } },
  { must: { key: 'tag', match: { except: ['日本', 'red'] } } },
  { must: { key: 'tag', match: { text: 'xx' } } },
  { must: { key: 'flag', match: { value: true } } },
  { must: { key: 'when', range: { gte: '2020-02-01', lt: '2020-03-01T00:00:00+01:00' } } },
  { must: { key: 'list[].x', range: { gt: 20 } } },
  { must_not: { key: 'list[].x', values_count: { gte: 1 } } },
  { must: { is_empty: { key: 'when' } } },
  { must: { is_null: { key: 'when' } } },
] as const;

async function makeIndexes(index: FunnelIndex<Payload>): Promise<void> {
  for (const [key, type] of INDEXES) await index.createPayloadIndex(key, type);
}

/** The answers to each filter, which must come from indexes alone; then the counts of values. */
function answers(index: FunnelIndex<Payload>, indexed = true): unknown[] {
  const facets = ['n', 'tag', 'flag', 'list[].x'].map((key) => index.facetSync({ key, limit: 1000 }));
  const found = FILTERS.map((filter) => {
    const vector = new Float32Array(DIM).fill(1);
    const { stats } = index.querySync({ vector, filter });
    assert.equal(stats.filter!.indexed, indexed, JSON.stringify(filter));
    return index.scrollSync({ filter, limit: 10_000, withPayload: false }).points.map(({ id }) => id);
  });
  return [...found, ...facets];
}

/** The files of payload indexes. */
function filesOf(path: string): string[] {
  return readdirSync(path).filter((name) => name.startsWith('seg-'));
}

const isError = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FunnelError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, pattern);
  return true;
};

describe('a payload index', () => {
  it('changes no answer: 1.0 is 1 and 1.5 is at least 1, with an index of integers, of floats, and without one', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 1 });
    const values = [1, JSON.parse('1.0'), 1.5, [1.5, 0], 0, 'x'];
    await index.upsert(values.map((n, id) => ({ id, vector: [1], payload: { n } })));
    const conditions = [
      { match: { value: 1 } },
      { range: { gte: 1 } },
      { range: { gte: 1, lte: 1 } },
      { range: { gt: 1 } },
    ];
    const answers = async () => {
      const found: unknown[] = [];
      for (const condition of conditions) {
        const { points } = await index.scroll({ filter: { must: { key: 'n', ...condition } } as never });
        found.push(points.map(({ id }) => id));
      }
      return found;
    };
    const want = [
      [0, 1],
      [0, 1, 2, 3],
      [0, 1],
      [2, 3],
    ];
    assert.deepEqual(await answers(), want);
    for (const type of ['integer', 'float'] as const) {
      await index.createPayloadIndex('n', type);
      assert.deepEqual(await answers(), want, type);
      await index.deletePayloadIndex('n');
    }
    await index.close();
  });

  it('answers as payloads do: while rows come, after they are packed, and when it is opened again', async () => {
    const path = newPath();
    let index = await FunnelIndex.create<Payload>(path, { dim: DIM, autoOptimize: false });
    const plain = await FunnelIndex.create<Payload>(':memory:', { dim: DIM, autoOptimize: false });
    const both = async (run: (one: FunnelIndex<Payload>) => Promise<unknown>) => {
      const [seen, wanted] = [await run(index), await run(plain)];
      assert.deepEqual(seen, wanted);
      assert.deepEqual(answers(index), answers(plain, false));
    };
    const put = async (from: number, count: number) => {
      const rows = points(from, count);
      await both((one) => one.upsert(rows));
    };
    await makeIndexes(index);
    await put(0, 100);
    await index.optimize();
    await put(100, 50);
    await both((one) => one.delete(Array.from({ length: 30 }, (_, i) => 3 * i)));
    await put(60, 70);
    const reopen = async () => {
      await index.close();
      index = await FunnelIndex.open<Payload>(path, { autoOptimize: false });
      assert.deepEqual(answers(index), answers(plain, false));
    };
    await reopen();
    await index.optimize(); // drops dead rows from the files, too
    await reopen();
    await put(0, 20);
    await reopen();
    index.optimizeSync();
    assert.deepEqual(
      index.stats().payloadIndexes.map(({ key, type, packed }) => ({ key, type, packed })),
      INDEXES.map(([key, type]) => ({ key, type, packed: index.stats().positions })),
    );
    await reopen();
    await index.close();
    await plain.close();
  });

  it('is made in one call over rows that are there, with progress, and is gone when it is deleted', async () => {
    for (const path of [':memory:', newPath()]) {
      const index = await FunnelIndex.create<Payload>(path, { dim: DIM, autoOptimize: false });
      await index.upsert(points(0, 10_000));
      const seen: { phase: string; done: number; total: number }[] = [];
      await index.createPayloadIndex('n', 'integer', { onProgress: (progress) => seen.push(progress) });
      assert.deepEqual(seen.at(-1), { phase: 'write', done: 1, total: 1 });
      const reads = seen.filter(({ phase }) => phase === 'read').map(({ done }) => done);
      assert.ok(
        reads.length > 2 && reads.at(-1) === 10_000 && reads.every((done, i) => i === 0 || done >= reads[i - 1]!),
      );
      assert.deepEqual(index.stats().payloadIndexes, [{ key: 'n', type: 'integer', packed: 10_000, values: 10_000 }]);
      // The same again changes nothing; another type is a mistake.
      await index.createPayloadIndex('n', 'integer');
      await assert.rejects(index.createPayloadIndex('n', 'keyword'), isError('BAD_ARGUMENT', /'integer'/));
      await assert.rejects(index.createPayloadIndex('"n"', 'integer'), isError('BAD_ARGUMENT', /integer/));
      index.createPayloadIndexSync('tag', 'keyword');
      assert.equal(index.stats().payloadIndexes.length, 2);
      assert.equal(await index.deletePayloadIndex('n'), true);
      assert.equal(index.deletePayloadIndexSync('tag'), true);
      assert.equal(await index.deletePayloadIndex('n'), false);
      assert.deepEqual(index.stats().payloadIndexes, []);
      if (path !== ':memory:') assert.deepEqual(filesOf(path), []);
      const { stats } = index.querySync({ vector: random.vector(DIM), filter: FILTERS[0] });
      assert.deepEqual(stats.filter!.unindexed, ['n']);
      await index.close();
    }
  });

  it('refuses keys and types that are none, and an index that is readOnly', async () => {
    const path = newPath();
    const index = await FunnelIndex.create(path, { dim: DIM });
    // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
    const any = index as any;
    for (const [key, type, pattern] of [
      ['', 'keyword', /key/],
      ['a..b', 'keyword', /key/],
      [7, 'keyword', /key/],
      ['a', 'text', /keyword, integer/],
      ['a', 'toString', /keyword, integer/],
    ]) {
      await assert.rejects(any.createPayloadIndex(key, type), isError('BAD_ARGUMENT', pattern as RegExp));
      assert.throws(() => any.createPayloadIndexSync(key, type), isError('BAD_ARGUMENT', pattern as RegExp));
    }
    await assert.rejects(any.createPayloadIndex('a', 'bool', { onProgress: 1 }), isError('BAD_ARGUMENT', /onProgress/));
    const reader = await FunnelIndex.open(path, { readOnly: true });
    await assert.rejects(reader.createPayloadIndex('a', 'bool'), isError('NOT_WRITABLE', /readOnly/));
    await assert.rejects(reader.deletePayloadIndex('a'), isError('NOT_WRITABLE', /readOnly/));
    await assert.rejects(
      reader.delete({ filter: { must: { key: 'a', match: { value: 1 } } } }),
      isError('NOT_WRITABLE', /readOnly/),
    );
    await reader.close();
    await index.close();
  });

  it('takes keys that objects have by nature, or with dots, for what they are', async () => {
    const path = newPath();
    let index = await FunnelIndex.create<unknown>(path, { dim: DIM, autoOptimize: false });
    const keys = ['__proto__', 'constructor', 'toString', '"a.b"', '"__proto__.x"', '__proto__.x', 'hasOwnProperty'];
    for (const key of keys) await index.createPayloadIndex(key, 'keyword');
    const texts = [
      '{"__proto__":"v"}',
      '{"constructor":"v"}',
      '{"toString":"v"}',
      '{"a.b":"v"}',
      '{"__proto__.x":"v"}',
      '{"__proto__":{"x":"v"}}',
      '{"hasOwnProperty":["v","v"]}',
      '{"a":{"b":"v"}}',
    ];
    await index.upsert(texts.map((text, id) => ({ id, vector: random.vector(DIM), payload: JSON.parse(text) })));
    for (let round = 0; round < 2; round++) {
      for (const [i, key] of keys.entries()) {
        const filter = { must: { key, match: { value: 'v' } } };
        assert.deepEqual(
          index.scrollSync({ filter, withPayload: false }).points.map(({ id }) => id),
          [i],
          key,
        );
        assert.deepEqual(index.facetSync({ key }), [{ value: 'v', count: 1 }], key);
        assert.ok(index.querySync({ vector: random.vector(DIM), filter }).stats.filter!.indexed, key);
      }
      await index.optimize();
      await index.close();
      index = await FunnelIndex.open(path);
    }
    assert.equal(({} as Record<string, unknown>)['x'], undefined);
    await index.close();
  });

  it('is followed by readers, as it is made, grows, is written anew and goes', async () => {
    const path = newPath();
    const index = await FunnelIndex.create<Payload>(path, { dim: DIM, autoOptimize: false });
    await index.upsert(points(0, 50));
    const reader = await FunnelIndex.open<Payload>(path, { readOnly: true });
    const same = () => assert.deepEqual(answers(reader), answers(index));
    assert.deepEqual(reader.stats().payloadIndexes, []);
    await makeIndexes(index);
    same();
    await index.upsert(points(40, 50));
    same();
    await index.delete([1, 2, 3, 80]);
    same();
    await index.optimize();
    same();
    assert.deepEqual(reader.stats().payloadIndexes, index.stats().payloadIndexes);
    await index.upsert(points(100, 20));
    await index.deletePayloadIndex('n');
    assert.deepEqual(
      reader.stats().payloadIndexes.map(({ key }) => key),
      INDEXES.map(([key]) => key).filter((key) => key !== 'n'),
    );
    assert.equal(reader.countMatchingSync({ filter: FILTERS[0] }), index.countMatchingSync({ filter: FILTERS[0] }));
    await reader.close();
    await index.close();
  });

  it('that stops half-way is gone on with, and what was read is not read again', async () => {
    const path = newPath();
    const index = await FunnelIndex.create<Payload>(path, { dim: DIM, autoOptimize: false });
    await index.upsert(points(0, 2000));
    await index.close();
    let files = IndexFiles.openSync(path);
    const alive = (ordinal: number) => ((files.alive[ordinal >> 3]! >> (ordinal & 7)) & 1) === 1;
    const stopped = new Error('stopped');
    let made = new PayloadIndexes(files, alive, 100);
    await assert.rejects(
      made.create('n', 'integer', ({ done }) => {
        if (done > 500) throw stopped;
      }),
      stopped,
    );
    const [entry] = files.payloadIndexes;
    assert.ok(entry!.rows >= 400 && entry!.rows < 2000 && entry!.file !== null, JSON.stringify(entry));
    files.closeSync(); // as after a kill: nothing is done any more
    files = IndexFiles.openSync(path);
    const read: number[] = [];
    const { payloadOf } = files;
    files.payloadOf = (ordinal) => {
      read.push(ordinal);
      return payloadOf.call(files, ordinal);
    };
    made = new PayloadIndexes(files, alive, 100);
    await made.create('n', 'integer', () => {});
    assert.equal(read[0], entry!.rows);
    assert.equal(files.payloadIndexes[0]!.rows, 2000);
    await made.close();
    files.closeSync();
    assert.equal(filesOf(path).length, 1);
    const again = await FunnelIndex.open<Payload>(path);
    assert.deepEqual(again.stats().payloadIndexes, [{ key: 'n', type: 'integer', packed: 2000, values: 2000 }]);
    assert.equal(again.countMatchingSync({ filter: FILTERS[0] }), 400);
    await again.close();
  });

  it('is written anew when many rows came, and not for a few', async () => {
    const path = newPath();
    const index = await FunnelIndex.create<Payload>(path, { dim: DIM, autoOptimize: false });
    await index.upsert(points(0, 30));
    await index.createPayloadIndex('n', 'integer');
    await index.createPayloadIndex('tag', 'keyword');
    await index.upsert(points(30, 100));
    await index.close();
    const files = IndexFiles.openSync(path);
    const alive = (ordinal: number) => ((files.alive[ordinal >> 3]! >> (ordinal & 7)) & 1) === 1;
    const few = new PayloadIndexes(files, alive, 101);
    assert.equal(few.isWorthWriting, false);
    await few.write(true);
    assert.deepEqual(
      files.payloadIndexes.map(({ rows }) => rows),
      [30, 30],
    );
    const many = new PayloadIndexes(files, alive, 100);
    assert.equal(many.isWorthWriting, true);
    await many.write(true);
    assert.deepEqual(
      files.payloadIndexes.map(({ rows }) => rows),
      [130, 130],
    );
    files.closeSync();
    assert.equal(filesOf(path).length, 2);
  });

  it('that nobody finished does not stand in the way of a script that waits for nothing', async () => {
    const path = newPath();
    const made = await FunnelIndex.create<Payload>(path, { dim: 1 });
    const count = 140_000;
    const ids = Array.from({ length: count }, (_, i) => i);
    await made.upsert({ ids, vectors: new Float32Array(count).fill(1), payloads: ids.map((n) => ({ n: n % 10 })) });
    await made.close();
    const files = IndexFiles.openSync(path);
    await files.commitSegments({ indexes: () => [{ key: 'n', type: 'integer', file: null, rows: 0 }] });
    files.closeSync();
    const script = FunnelIndex.openSync<Payload>(path);
    script.closeSync();
    // And one that waits finds it made.
    const index = await FunnelIndex.open<Payload>(path);
    while (index.stats().payloadIndexes[0]!.packed < count) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(index.countMatchingSync({ filter: FILTERS[0] }), count / 5);
    await index.close();
  });

  it('does not keep others waiting while it is made, nor does a filter that reads payloads', async () => {
    const index = await FunnelIndex.create<Payload>(':memory:', { dim: DIM, autoOptimize: false });
    const payloads = Array.from({ length: 60_000 }, (_, i) => ({ n: i / 7, tag: `tag ${i}` }));
    await index.upsert({ ids: payloads.map((_, i) => i), vectors: random.vector(DIM * payloads.length), payloads });
    const calls = {
      'createPayloadIndex of numbers': async () => {
        await index.deletePayloadIndex('n');
        await index.createPayloadIndex('n', 'float');
      },
      'createPayloadIndex of strings': async () => {
        await index.deletePayloadIndex('tag');
        await index.createPayloadIndex('tag', 'keyword');
      },
      countMatching: () => index.countMatching({ filter: { must: { key: 'flag', match: { value: true } } } }),
    };
    for (const [name, call] of Object.entries(calls)) {
      const stretches: number[] = [];
      for (let round = 0; round < 4 && Math.min(...stretches) > 20; round++) stretches.push(await longestStretch(call));
      assert.ok(Math.min(...stretches) <= 20, `${name}: ${stretches.map((ms) => ms.toFixed(1)).join(', ')} ms`);
    }
    await index.close();
  });

  it('is given up when the index is closed or it is deleted meanwhile', async () => {
    const path = newPath();
    let index = await FunnelIndex.create<Payload>(path, { dim: DIM, autoOptimize: false });
    await index.upsert(points(0, 12_000));
    /** Begun, and not nearly done. */
    const begin = (key: 'n' | 'tag', type: 'integer' | 'keyword') =>
      new Promise<Promise<void>[]>((resolve) => {
        const making = index.createPayloadIndex(key, type, { onProgress: () => resolve([making]) });
        making.catch(() => {});
      });
    const [first] = await begin('n', 'integer');
    assert.throws(() => index.closeSync(), isError('NOT_WRITABLE', /under way/));
    assert.equal(await index.deletePayloadIndex('n'), true);
    await assert.rejects(first!, isError('ABORTED', /deleted/));
    assert.deepEqual(index.stats().payloadIndexes, []);
    const [second] = await begin('tag', 'keyword');
    await index.close();
    await assert.rejects(second!, isError('CLOSED', /open/));
    index = await FunnelIndex.open<Payload>(path, { autoOptimize: false });
    assert.equal(index.stats().payloadIndexes.length, 1);
    assert.equal(index.countMatchingSync({ filter: FILTERS[1] }), 4000);
    assert.ok(index.querySync({ vector: random.vector(DIM), filter: FILTERS[1] }).stats.filter!.indexed);
    await index.close();
  });
});

describe('the files of an index', () => {
  it('are of the first format without payload indexes, as before there were any, and of the second with them', async () => {
    const path = newPath();
    const files = await IndexFiles.create(path, {
      dim: DIM,
      metric: 'dot',
      precision: 'float32',
      options: { head: 8 },
    });
    await files.append({ ids: [1], rows: new Float32Array(DIM).fill(1) });
    const formatOf = () => {
      const bytes = readFileSync(join(path, 'data.mdb')).toString('latin1');
      return new Set([...bytes.matchAll(/\{"format":(\d+)/g)].map(([, format]) => Number(format)));
    };
    assert.deepEqual([...formatOf()], [1]);
    await files.commitSegments({ indexes: () => [{ key: 'a', type: 'bool', file: null, rows: 0 }] });
    assert.ok(formatOf().has(2));
    await files.commitSegments({ indexes: () => [] });
    await files.close();
    const again = await IndexFiles.open(path);
    assert.deepEqual(again.payloadIndexes, []);
    await again.close();
    // A state that knows nothing of them, as older versions wrote it.
    const { payloadIndexes: _, ...old } = newState({ dim: 3, metric: 'dot', precision: 'float32', options: null });
    assert.equal(old.format, 1);
    const read = decodeState(encodeState(old as State), 'data.mdb');
    assert.deepEqual(read, { ...old, payloadIndexes: [] });
    const newer = encodeState({ ...read, format: 5 });
    assert.throws(() => decodeState(newer, 'data.mdb'), isError('UNSUPPORTED_FORMAT', /newer funnelvec/));
  });
});

describe('a damaged payload index', () => {
  it('says which file and section is wrong, or answers right', async () => {
    const path = newPath();
    const index = await FunnelIndex.create<Payload>(path, { dim: DIM, autoOptimize: false });
    await index.upsert(points(0, 40));
    await makeIndexes(index);
    const wanted = answers(index);
    await index.close();
    const broken = join(path, '..', 'broken');
    cpSync(path, broken, { recursive: true });
    let errors = 0;
    let right = 0;
    const tryIt = (file: string, damage: (target: string) => void) => {
      cpSync(join(path, file), join(broken, file));
      damage(join(broken, file));
      let opened: FunnelIndex<Payload>;
      try {
        opened = FunnelIndex.openSync<Payload>(broken, { readOnly: true });
      } catch (error) {
        assert.ok(error instanceof FunnelError && error.code === 'CORRUPT', String(error));
        assert.ok(error.message.includes(file), error.message);
        errors++;
        return;
      }
      assert.deepEqual(answers(opened), wanted);
      right++;
      opened.closeSync();
    };
    for (const file of filesOf(path)) {
      const bytes = readFileSync(join(path, file));
      for (let at = 0; at < bytes.length; at++) {
        const says = bytes[at] !== 0;
        if (!(says ? random.chance(0.04) : random.chance(0.0005))) continue;
        tryIt(file, (target) => {
          const copy = Buffer.from(bytes);
          copy[at]! ^= 1 << random.int(0, 7);
          writeFileSync(target, copy);
        });
      }
      const { size } = statSync(join(path, file));
      for (const length of [0, size - 1, random.int(1, size - 2)])
        tryIt(file, (target) => truncateSync(target, length));
      tryIt(file, (target) => rmSync(target));
      cpSync(join(path, file), join(broken, file));
    }
    assert.ok(errors > 50 && right > 0, `${errors} errors, ${right} right answers`);
  });
});
