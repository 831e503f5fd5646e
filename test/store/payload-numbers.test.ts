/** Numbers of payloads are compared as the values that they are, bigints and doubles alike: held against exact fractions. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelSearch } from 'funnelvec';
import { embeddedSource, type Facet, FunnelIndex } from 'funnelvec/store';
import { atOnce } from '#dist/core/slices.js';
import { compileFilter } from '#dist/query/filter/evaluate.js';
import { parseFilter } from '#dist/query/filter/parse.js';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { Column } from '#dist/store/payload/column.js';
import { readColumn } from '#dist/store/payload/column-file.js';
import { columnSections } from '#dist/store/payload/column-sections.js';
import { emptyPostings, Growing, merged } from '#dist/store/payload/postings.js';
import { Random, SEED } from '../random.js';

type Num = number | bigint;

const ROWS = 10_000;
const DIM = 2;

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-numbers-'));
  folders.push(folder);
  return join(folder, 'index');
}

/** A finite value as `integer × 2^-1074`, which every double is. */
function units(value: Num): bigint {
  if (typeof value === 'bigint') return value << 1074n;
  const bits = new BigUint64Array(Float64Array.of(Math.abs(value)).buffer)[0]!;
  const exponent = bits >> 52n;
  const fraction = bits & (2n ** 52n - 1n);
  const size = exponent === 0n ? fraction : (fraction + 2n ** 52n) << (exponent - 1n);
  return value < 0 ? -size : size;
}

/** Compares values other than NaN. */
function compared(a: Num, b: Num): number {
  const [ends, end] = [a, b].map((v) => (v === Number.POSITIVE_INFINITY ? 1 : v === Number.NEGATIVE_INFINITY ? -1 : 0));
  if (ends !== 0 || end !== 0) return ends! - end!;
  const [x, y] = [units(a), units(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

const isNaNumber = (value: unknown) => typeof value === 'number' && Number.isNaN(value);

/** The integer that a value is. */
function integerOf(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && Number.isInteger(value) ? units(value) >> 1074n : undefined;
}

const asFacet = (integer: bigint): Num =>
  integer >= -(2n ** 53n) + 1n && integer <= 2n ** 53n - 1n ? Number(integer) : integer;

/** Integers to 2^64 and far beyond, neighbours of 2^53 in both types, decimals, doubles of any bits. */
function randomNumber(random: Random): Num {
  const sign = random.chance(0.5) ? 1n : -1n;
  switch (random.int(0, 12)) {
    case 0:
    case 1:
      return sign * (BigInt(random.int(0, 2 ** 32 - 1)) * 2n ** 32n + BigInt(random.int(0, 2 ** 32 - 1)));
    case 2:
      return sign * (2n ** BigInt(random.int(50, 66)) + BigInt(random.int(-3, 3)));
    case 3:
      return Number(sign) * (2 ** random.int(50, 66) + random.int(-3, 3));
    case 4:
      return sign * (2n ** 53n + BigInt(random.int(-4, 4)));
    case 5:
      return Number(sign) * (2 ** 53 + random.int(-4, 4));
    case 6:
      return random.int(-20, 20) / 100;
    case 7:
      return BigInt(random.int(-20, 20));
    case 8:
      return random.int(-20, 20);
    case 9: {
      const bits = Float64Array.of(0);
      new Uint32Array(bits.buffer).set([random.int(0, 2 ** 32 - 1), random.int(0, 2 ** 32 - 1)]);
      return bits[0]!;
    }
    case 10:
      return Number(sign) * random.int(0, 5) * Number.MIN_VALUE;
    case 11:
      return random.pick([0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MAX_VALUE]);
    default:
      return sign * 2n ** BigInt(random.pick([200, 1023, 1024, 1100]));
  }
}

type Value = Num | string | null | boolean;
type Payload = { n?: Value | Value[] };

/** Mostly one number of a pool, so that values repeat; sometimes several, or something else, or nothing. */
function randomPayload(random: Random, pool: readonly Num[]): Payload {
  if (random.chance(0.02)) return {};
  if (random.chance(0.04)) return { n: random.pick(['7', null, true, []]) };
  if (random.chance(0.06)) return { n: [random.pick(pool), random.pick([...pool.slice(0, 9), 'x', null])] };
  return { n: random.pick(pool) };
}

const valuesOf = ({ n }: Payload): Value[] => (n === undefined ? [] : Array.isArray(n) ? n : [n]);
const numbersOf = (payload: Payload) =>
  valuesOf(payload).filter((v): v is Num => typeof v === 'bigint' || (typeof v === 'number' && !isNaNumber(v)));

/** A filter with its plain meaning; places are those of exactly sorted values. */
interface Asked {
  filter: object;
  passes(payload: Payload): boolean;
}

class Oracle {
  readonly #place = new Map<string, number>();

  constructor(values: readonly Num[]) {
    const known = values.filter((value) => !isNaNumber(value)).sort(compared);
    known.forEach((value, i) => {
      const before = known[i - 1];
      const same = i > 0 && compared(before!, value) === 0;
      this.#place.set(nameOf(value), same ? this.#place.get(nameOf(before!))! : i);
    });
  }

  place(value: Num): number {
    return this.#place.get(nameOf(value))!;
  }

  range(range: { [bound: string]: Num }): Asked {
    const bounds = Object.entries(range).map(([bound, value]) => [bound, this.place(value)] as const);
    const inside = (place: number) =>
      bounds.every(([bound, limit]) =>
        bound === 'gt'
          ? place > limit
          : bound === 'gte'
            ? place >= limit
            : bound === 'lt'
              ? place < limit
              : place <= limit,
      );
    const filter = { must: { key: 'n', range } };
    if (bounds.length > 0) return { filter, passes: (row) => numbersOf(row).some((v) => inside(this.place(v))) };
    // No bounds: all numbers, and NaN is one.
    return { filter, passes: (row) => valuesOf(row).some((v) => typeof v === 'number' || typeof v === 'bigint') };
  }

  match(values: readonly Num[], kind: 'value' | 'any' | 'except'): Asked {
    const places = new Set(values.map((value) => this.place(value)));
    const listed = (v: Value) =>
      (typeof v === 'number' && !Number.isNaN(v)) || typeof v === 'bigint' ? places.has(this.place(v)) : false;
    const filter = { must: { key: 'n', match: { [kind]: kind === 'value' ? values[0] : values } } };
    if (kind !== 'except') return { filter, passes: (row) => valuesOf(row).some(listed) };
    return { filter, passes: (row) => valuesOf(row).some((v) => v !== null && !listed(v)) };
  }
}

const nameOf = (value: Num) => `${typeof value}${Object.is(value, -0) ? '-0' : value}`;

function randomAsked(random: Random, oracle: Oracle, pool: readonly Num[]): Asked {
  if (random.chance(0.6)) {
    const range: { [bound: string]: Num } = {};
    const finite = pool.filter((value) => typeof value === 'bigint' || Number.isFinite(value));
    for (const bound of ['gt', 'gte', 'lt', 'lte']) if (random.chance(0.4)) range[bound] = random.pick(finite);
    return oracle.range(range);
  }
  const fit = pool.filter((value) => typeof value === 'bigint' || Number.isSafeInteger(value));
  const kind = random.pick(['value', 'any', 'except'] as const);
  return oracle.match(
    Array.from({ length: kind === 'value' ? 1 : random.int(0, 30) }, () => random.pick(fit)),
    kind,
  );
}

function facetOf(rows: Iterable<Payload>): Facet[] {
  const counts = new Map<unknown, number>();
  for (const row of rows) {
    const known = valuesOf(row).map((v) => (typeof v === 'string' || typeof v === 'boolean' ? v : integerOf(v)));
    for (const value of new Set(known)) if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const rank = (value: unknown) => ['boolean', 'bigint', 'string'].indexOf(typeof value);
  const sorted = [...counts].sort(
    ([a, m], [b, n]) => n - m || rank(a) - rank(b) || ((a as bigint) < (b as bigint) ? -1 : 1),
  );
  return sorted.map(([value, count]) => ({
    value: typeof value === 'bigint' ? asFacet(value) : (value as string | boolean),
    count,
  }));
}

const point = (random: Random, id: number, payload: Payload) => ({ id, vector: random.vector(DIM), payload });

describe('numbers of payloads', () => {
  it('are compared exactly: 2^60 − 1, 2^60, 2^60 + 1 and 3 are four values, with an index and without', async () => {
    const big = 2n ** 60n;
    for (const type of [undefined, 'integer', 'float'] as const) {
      const index = await FunnelIndex.create<{ n: bigint }>(':memory:', { dim: 1 });
      if (type) await index.createPayloadIndex('n', type);
      const values = [big - 1n, big, big + 1n, 3n];
      await index.upsert(values.map((n, id) => ({ id, vector: [1], payload: { n } })));
      const found = (test: object) =>
        index.scrollSync({ filter: { must: { key: 'n', ...test } } as never }).points.map(({ id }) => id);
      for (let packed = 0; packed < 2; packed++) {
        assert.deepEqual(found({ range: { gte: big } }), [1, 2]);
        assert.deepEqual(found({ range: { gt: big } }), [2]);
        assert.deepEqual(found({ range: { gt: 2 ** 60 } }), [2]);
        assert.deepEqual(found({ range: { lt: big } }), [0, 3]);
        assert.deepEqual(found({ range: { lte: big, gt: 3 } }), [0, 1]);
        assert.deepEqual(found({ match: { value: big + 1n } }), [2]);
        assert.deepEqual(found({ match: { value: 3 } }), [3]);
        assert.deepEqual(found({ match: { any: [3, big - 1n] } }), [0, 3]);
        assert.deepEqual(found({ match: { except: [3n, big] } }), [0, 2]);
        assert.deepEqual(index.facetSync({ key: 'n' }), [
          { value: 3, count: 1 },
          { value: big - 1n, count: 1 },
          { value: big, count: 1 },
          { value: big + 1n, count: 1 },
        ]);
        const { groups, stats } = await index.queryGroups({ vector: [1], groupBy: 'n' });
        assert.deepEqual(
          groups.map(({ id }) => id),
          [3, big - 1n, big, big + 1n],
        );
        assert.ok(stats.groups.complete);
        await index.optimize();
      }
      await index.close();
    }
  });

  it(`${ROWS} of them are found, counted and ordered as exact fractions are, whatever is indexed, after updates, and from disk`, async () => {
    const random = new Random(SEED);
    const pool = Array.from({ length: 2500 }, () => randomNumber(random));
    const oracle = new Oracle(pool);
    const path = newPath();
    const options = { dim: DIM, autoOptimize: false };
    let index = await FunnelIndex.create<Payload>(path, options);
    const plain = await FunnelIndex.create<Payload>(':memory:', options);
    const rows = new Map<number, Payload>();
    const put = async (from: number, count: number) => {
      const news = Array.from({ length: count }, (_, i) => point(random, from + i, randomPayload(random, pool)));
      for (const { id, payload } of news) {
        rows.delete(id); // it goes to the end
        rows.set(id, payload);
      }
      await index.upsert(news);
      await plain.upsert(news);
    };
    const remove = async (ids: readonly number[]) => {
      for (const id of ids) rows.delete(id);
      await index.delete(ids);
      await plain.delete(ids);
    };
    const check = async (filters: number, unindexed: number) => {
      for (let f = 0; f < filters; f++) {
        const { filter, passes } = randomAsked(random, oracle, pool);
        const wanted = [...rows].filter(([, payload]) => passes(payload)).map(([id]) => id);
        const why = () => JSON.stringify(filter, (_, v) => (typeof v === 'bigint' ? `${v}n` : v));
        for (const [i, one] of (f < unindexed ? [index, plain] : [index]).entries()) {
          const { points } = one.scrollSync({ filter, limit: 2 * ROWS, withPayload: false } as never);
          assert.deepEqual(
            points.map(({ id }) => id),
            wanted,
            `${i === 0 ? 'indexed' : 'plain'}: ${why()}`,
          );
        }
        assert.equal(index.countMatchingSync({ filter } as never), wanted.length, why());
        const test = compileFilter(parseFilter(filter));
        assert.deepEqual(
          [...rows].filter(([id, payload]) => test(id, payload)).map(([id]) => id),
          wanted,
          why(),
        );
      }
      const facet = facetOf(rows.values());
      assert.deepEqual(index.facetSync({ key: 'n', limit: 2 * ROWS }), facet);
      assert.deepEqual(plain.facetSync({ key: 'n', limit: 2 * ROWS }), facet);
    };
    await index.createPayloadIndex('n', 'integer');
    await put(0, ROWS / 2);
    await index.optimize();
    await put(ROWS / 2, ROWS / 2);
    await check(40, 10);
    await index.optimize();
    await check(60, 10);
    await index.close();
    index = await FunnelIndex.open<Payload>(path, { autoOptimize: false });
    await check(20, 0);
    await put(100, 500);
    const { filter, passes } = oracle.range({ gte: 2n ** 53n + 1n });
    const gone = [...rows].filter(([, payload]) => passes(payload)).map(([id]) => id);
    assert.equal((await index.delete({ filter } as never)).count, gone.length);
    await remove(gone);
    await remove(Array.from({ length: 300 }, (_, i) => 7 * i));
    await check(20, 5);
    await index.optimize(); // drops what died, from the files, too
    await index.close();
    index = await FunnelIndex.open<Payload>(path, { autoOptimize: false });
    await check(20, 5);
    await index.close();
    await plain.close();
  });

  it('are groups as exact integers, and fractions group no point', async () => {
    const random = new Random(SEED + 1);
    const pool = Array.from({ length: 300 }, () => randomNumber(random));
    const payloads = Array.from({ length: 3000 }, () => randomPayload(random, pool));
    for (const indexed of [false, true]) {
      const index = await FunnelIndex.create<Payload>(':memory:', { dim: 8, metric: 'dot' });
      if (indexed) await index.createPayloadIndex('n', 'float');
      await index.upsert(payloads.map((payload, id) => ({ id, vector: random.vector(8), payload })));
      const search = new FunnelSearch({ source: embeddedSource(index) });
      const vector = random.vector(8);
      const { hits } = await search.query({ vector, mode: 'exact', limit: payloads.length });
      const wanted = new Map<unknown, unknown[]>();
      for (const { id } of hits) {
        const values = valuesOf(payloads[id as number]!);
        const keys = values.map((v) => (typeof v === 'string' ? v : integerOf(v)));
        if (keys.includes(undefined)) continue;
        for (const key of new Set(keys)) wanted.set(key, [...(wanted.get(key) ?? []), id]);
      }
      // By the best hit; those that share it by key, integers before text.
      const place = new Map(hits.map(({ id }, i) => [id, i]));
      const inOrder = [...wanted].sort(
        ([a, [x]], [b, [y]]) =>
          place.get(x as number)! - place.get(y as number)! ||
          (typeof a === typeof b ? ((a as bigint) < (b as bigint) ? -1 : 1) : typeof a === 'bigint' ? -1 : 1),
      );
      const { groups, stats } = await search.queryGroups({ vector, groupBy: 'n', limit: 1000, groupSize: 4 });
      assert.ok(stats.groups.complete);
      assert.deepEqual(
        groups.map(({ id, hits: some }) => [id, some.map((hit) => hit.id)]),
        inOrder.map(([key, ids]) => [typeof key === 'bigint' ? asFacet(key) : key, ids.slice(0, 4)]),
      );
      assert.ok(groups.filter(({ id }) => typeof id === 'bigint').length > 50);
      await index.close();
    }
  });

  it('lie in a payload index in exact order, each value once, as numbers alone where all of them are', () => {
    const random = new Random(SEED + 2);
    const known = Array.from({ length: 20_000 }, () => randomNumber(random)).filter((value) => !isNaNumber(value));
    for (const wide of [true, false]) {
      const values = wide ? known : known.filter((value) => typeof value === 'number');
      const column = new Column('n', 'integer');
      values.forEach((n, i) => {
        column.take({ n }, true);
        if (i === 12_000) atOnce(column.pack(() => true));
      });
      atOnce(column.pack(() => true));
      const entries = [...column.entries()];
      entries.forEach(([value], i) => {
        assert.ok(i === 0 || compared(entries[i - 1]![0] as Num, value as Num) < 0, `${entries[i - 1]?.[0]}, ${value}`);
      });
      assert.equal(
        entries.reduce((sum, [, ordinals]) => sum + ordinals.length, 0),
        values.length,
      );
      for (const [value, ordinals] of entries) {
        for (const ordinal of Array.from(ordinals)) assert.equal(compared(values[ordinal]!, value as Num), 0);
      }
      assert.equal(column.packed.values.values instanceof Float64Array, !wide);
      // The rows with bigints died: the list is one of numbers again.
      column.take({}, true);
      atOnce(column.pack((ordinal) => ordinal < values.length && typeof values[ordinal] === 'number'));
      assert.ok(column.packed.values.values instanceof Float64Array);
    }
  });
});

describe('the file of a payload index over numbers', () => {
  const big = 2n ** 60n;
  const versionOf = (path: string, name: string) => readFileSync(join(path, name)).readUInt32LE(8);

  it('is of a new format where it has integers that no double is, so that older versions refuse it', async () => {
    const path = newPath();
    const index = await FunnelIndex.create<{ n: unknown }>(path, { dim: 1, autoOptimize: false });
    await index.createPayloadIndex('n', 'integer');
    const fileOf = () => {
      const files = IndexFiles.openSync(path, { readOnly: true });
      const [entry] = files.payloadIndexes;
      files.closeSync();
      return entry!.file!;
    };
    for (const [n, version] of [
      [1.5, 2],
      [big, 2],
      [big + 1n, 3],
    ] as const) {
      await index.upsert([{ id: 1, vector: [1], payload: { n } }]);
      await index.optimize();
      assert.equal(versionOf(path, fileOf()), version);
    }
    await index.close();
  });

  it('that an older version wrote is read where it is right, and made anew where bigints may be rounded in it', async () => {
    for (const values of [
      [5n, 6, 2 ** 53 - 1, 1.5],
      [big - 1n, big, big + 1n, 3n],
      [-(2n ** 53n) - 1n, -(2 ** 53), 4, 4],
    ] as Num[][]) {
      const rounded = values.some((value) => Math.abs(Number(value)) >= 2 ** 53);
      const path = newPath();
      let index = await FunnelIndex.create<{ n: Num }>(path, { dim: 1, autoOptimize: false });
      await index.upsert(values.map((n, id) => ({ id, vector: [1], payload: { n } })));
      await index.close();
      // As it was written before there was anything but doubles.
      const old = { values: new Growing(), counts: new Growing(), flags: new Growing() };
      values.forEach((value, ordinal) => {
        old.values.add(Number(value), ordinal);
        old.counts.add(1, ordinal);
      });
      const pack = (later: Growing) => atOnce(merged(emptyPostings(false), later, false, () => true));
      const packed = { values: pack(old.values), counts: pack(old.counts), flags: pack(old.flags) };
      const meta = { key: 'n', type: 'integer', rows: values.length } as const;
      const sections = atOnce(columnSections(meta, packed));
      sections[0] = { name: 'meta', bytes: Buffer.from(JSON.stringify(meta)) };
      const files = IndexFiles.openSync(path);
      const ref = files.writeSegmentSync(sections);
      const { key, type, rows } = meta;
      files.commitSegmentsSync({ add: [ref], indexes: () => [{ key, type, rows, file: ref.name }] });
      files.closeSync();

      const check = (one: FunnelIndex<{ n: Num }>) => {
        for (const value of values) {
          const filter = { must: { key: 'n', range: { gte: value } } } as never;
          const wanted = values.flatMap((n, id) => (compared(n, value) >= 0 ? [id] : []));
          const { points } = one.scrollSync({ filter });
          assert.deepEqual(
            points.map(({ id }) => id),
            wanted,
          );
          assert.ok(one.querySync({ vector: [1], filter }).stats.filter!.indexed);
        }
      };
      index = await FunnelIndex.open<{ n: Num }>(path, { autoOptimize: false });
      const reader = await FunnelIndex.open<{ n: Num }>(path, { readOnly: true });
      assert.equal(reader.stats().payloadIndexes[0]!.packed, rounded ? 0 : values.length);
      check(reader);
      check(index);
      await index.upsert([{ id: 100, vector: [1], payload: { n: -1 } }]);
      await index.delete([100]);
      check(reader);
      await index.optimize();
      check(index);
      check(reader);
      await reader.close();
      await index.close();
      index = await FunnelIndex.open<{ n: Num }>(path, { autoOptimize: false });
      assert.ok(index.stats().payloadIndexes[0]!.packed >= values.length);
      check(index);
      await index.close();
    }
  });

  it('with integers that are none, or too few of them, is corrupt', () => {
    const column = new Column('n', 'float');
    for (const n of [big + 1n, 1, -big - 1n]) column.take({ n }, true);
    atOnce(column.pack(() => true));
    const meta = { key: 'n', type: 'float', rows: 3 } as const;
    const sections = new Map(atOnce(columnSections(meta, column.packed)).map(({ name, bytes }) => [name, bytes]));
    const read = (name: string, text?: string) =>
      readColumn({ ...meta, file: 'seg-000001.bin' }, (section) =>
        section === name ? Buffer.from(text!, 'latin1') : sections.get(section)!,
      );
    assert.deepEqual([...read('')!.values.values], [-big - 1n, 1, big + 1n]);
    for (const text of ['', `${big + 1n}\n`, `x\n${big + 1n}\n`, `1\n2\n`, `${big + 1n}\n${-big - 1n}\n`]) {
      assert.throws(() => read('values.wide', text), { code: 'CORRUPT' });
    }
    assert.throws(() => read('values.places', '\0\0\0\0\x09\0\0\0'), { code: 'CORRUPT' });
  });
});
