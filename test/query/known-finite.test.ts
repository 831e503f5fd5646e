/** Rows that are known to be finite are not looked at beyond the dims that a plan reads; all others are. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelSearch, funnel, listKernels, type Mirror, useKernels } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';

const DIM = 24;
const COUNT = 64;
const PLAN = { scales: [8], keep: 1, limit: 5 };
/** Row 40, in a dim that the plan does not read. */
const UNREAD = 40 * DIM + 20;
/** Row 40, in a dim that it reads. */
const READ = 40 * DIM + 3;

const random = new Random(SEED);
const vectors = random.vector(COUNT * DIM);
const query = random.vector(DIM);
const spoilt = (at: number) => {
  const copy = vectors.slice();
  copy[at] = Number.NaN;
  return copy;
};

describe('candidates', () => {
  for (const { name } of listKernels().filter(({ supported }) => supported)) {
    it(`of whatever values are looked at whole, finite ones where they are read (${name})`, () => {
      useKernels(name);
      const whole = { code: 'NOT_FINITE', message: /dim 20 of row 40/ };
      const read = { code: 'NOT_FINITE', message: /dim 3 of row 40/ };
      assert.throws(() => funnel({ vectors: spoilt(UNREAD), dim: DIM }, query, PLAN), whole);
      assert.throws(() => funnel({ vectors: spoilt(UNREAD), dim: DIM, finite: false }, query, PLAN), whole);
      assert.throws(() => funnel({ vectors: spoilt(READ), dim: DIM, finite: true }, query, PLAN), read);
      const hits = funnel({ vectors, dim: DIM }, query, PLAN);
      assert.deepEqual(funnel({ vectors, dim: DIM, finite: true }, query, PLAN), hits);
      // These two look at nothing less, since they copy all of a matrix.
      if (name === 'wasm' || name === 'js') return;
      assert.deepEqual(funnel({ vectors: spoilt(UNREAD), dim: DIM, finite: true }, query, PLAN), hits);
    });
  }

  it('that are rows may have a field of that name, which is theirs', () => {
    const rows = (from: Float32Array) =>
      Array.from({ length: COUNT }, (_, id) => ({ id, finite: true, vector: from.slice(id * DIM, (id + 1) * DIM) }));
    const given = rows(vectors);
    const [first] = funnel(given, query, PLAN);
    assert.equal(first!.row, given[first!.index]);
    assert.throws(() => funnel(rows(spoilt(UNREAD)), query, PLAN), { code: 'NOT_FINITE', message: /dim 20 of row 40/ });
  });

  it('say so with a boolean', () => {
    const given = { vectors, dim: DIM, finite: 1 as unknown as boolean };
    assert.throws(() => funnel(given, query, PLAN), {
      code: 'BAD_ARGUMENT',
      message: /a boolean for candidates\.finite/,
    });
  });
});

describe('vectors beside a database', () => {
  const ids = Array.from({ length: COUNT }, (_, i) => i);
  const filled = async (some = ids) => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await index.upsert({ ids: some, vectors: vectors.slice(0, some.length * DIM) });
    return index;
  };
  const plan = { ...PLAN, candidates: COUNT };

  it("are looked at whole where the mirror is anybody's", async () => {
    await using index = await filled();
    let at = UNREAD;
    const mirror: Mirror = {
      dim: DIM,
      metric: 'cosine',
      idKind: 'number',
      someIds: (count) => ids.slice(0, count),
      gather(wanted, out) {
        index.gather(wanted, out);
        out[at] = Number.NaN;
        return [];
      },
    };
    const search = new FunnelSearch({ source: embeddedSource(index), mirror });
    await assert.rejects(search.query({ vector: query, plan }), { code: 'NOT_FINITE', message: /dim 20 of row 40/ });
    at = READ;
    await assert.rejects(search.query({ vector: query, plan }), { code: 'NOT_FINITE', message: /dim 3 of row 40/ });
  });

  it('are looked at whole where some were fetched, since a mirror lacks them', async () => {
    await using index = await filled();
    await using mirror = await filled(ids.slice(0, COUNT - 1));
    const source = embeddedSource(index);
    const wrapped = Object.create(source, {
      fetch: {
        async value(...args: Parameters<typeof source.fetch>) {
          const answer = await source.fetch(...args);
          (answer.rows.vectors as Float32Array)[20] = Number.NaN;
          return answer;
        },
      },
    }) as typeof source;
    const search = new FunnelSearch({ source: wrapped, mirror });
    await assert.rejects(search.query({ vector: query, plan }), {
      code: 'NOT_FINITE',
      message: /dim 20 of row \d+ \(id 63\)/,
    });
    const whole = await new FunnelSearch({ source, mirror }).query({ vector: query, plan });
    const without = await new FunnelSearch({ source }).query({ vector: query, plan });
    assert.deepEqual(whole.hits, without.hits);
  });
});
