/** Programs as people write them, with default options and everything at once, held against a model at every moment. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FunnelIndex, type IndexQuery } from 'funnelvec/store';
import { least } from '../patient.js';
import type { Random } from '../random.js';
import { boundOf, FULL, filed, Model, newPath, quiet, range, settled, turn } from './model.js';

/** The least share of the hits of mode 'exact' that mode 'funnel' finds, on rows like these. */
const RECALL = 0.95;
const LIMITS = [10, 100, 1000, 10_000];

/** Rows around topics, early dims larger. */
function aroundTopics(dim: number) {
  let topics: Float32Array[] | undefined;
  return (vectors: Float32Array, random: Random) => {
    topics ??= Array.from({ length: 300 }, () => random.vector(dim));
    for (let at = 0; at < vectors.length; at += dim) {
      const [a, b] = [random.pick(topics), random.pick(topics)];
      for (let j = 0; j < dim; j++) {
        const noise = 1.6 * (random.next() + random.next() - 1);
        vectors[at + j] = (a[j]! + 0.5 * b[j]! + noise) * Math.exp((-2 * j) / dim);
      }
    }
  };
}

/** Near a row: of the model, or of any. */
function someQuery(model: Model): Float32Array {
  const vector = new Float32Array(model.index.dim);
  model.fill(vector, model.random);
  return vector;
}

/** The share of mode 'exact' that mode 'funnel' finds, limit by limit. */
class Recall {
  readonly #sums = new Map<number, { wanted: number; found: number }>();

  /** One question at one moment: as many hits as there can be. */
  async ask(model: Model, limit: number, more: Partial<IndexQuery> = {}): Promise<void> {
    const query = { vector: someQuery(model), limit, ...more };
    const [funnel, exact] = await model.index.queryBatch([query, { ...query, mode: 'exact' }]);
    const { hits } = exact!;
    assert.equal(funnel!.hits.length, hits.length, `hits of limit ${limit}`);
    if (hits.length === 0) return;
    const last = hits.at(-1)!.score - 1e-9;
    const sum = this.#sums.get(limit) ?? { wanted: 0, found: 0 };
    sum.wanted += hits.length;
    sum.found += funnel!.hits.filter(({ score }) => score >= last).length;
    this.#sums.set(limit, sum);
  }

  check(when: string): void {
    for (const [limit, { wanted, found }] of this.#sums) {
      assert.ok(found >= RECALL * wanted, `${when}: ${found} of ${wanted} hits at limit ${limit}`);
    }
  }
}

function checkBytes(model: Model, when: string): void {
  const { resident } = model.index.stats();
  const bound = boundOf(model);
  assert.ok(filed(model) <= bound, `${when}: ${filed(model)} bytes in files, not ${bound}`);
  assert.ok(resident.rows + resident.codes <= bound, `${when}: ${JSON.stringify(resident)} in memory, not ${bound}`);
}

for (const where of ['disk', ':memory:']) {
  describe(`a server that takes rows and answers at the same time (${where})`, () => {
    it('answers as long and as well as promised while it writes, deletes and builds', async () => {
      const dim = 64;
      const [calls, rows] = FULL ? [100, 2500] : [16, 600];
      const index = await FunnelIndex.create(where === 'disk' ? newPath() : where, { dim });
      const model = new Model(index, 40, aroundTopics(dim));
      const recall = new Recall();
      let written = 0;
      let call = 0;
      let isOver = false;
      const questions = new Map<number, number>();

      /** A row that is written meanwhile may be in an answer, or not. */
      const client = async (i: number) => {
        for (let at = i; !isOver; at++) {
          const limit = LIMITS[at % LIMITS.length]!;
          const [before, first] = [model.rows.size, call];
          const { hits } = await index.query({ vector: someQuery(model), limit, withPayload: true });
          // Each call meanwhile may have taken 60 rows away.
          const least = Math.min(limit, before - 60 * (call - first + 1));
          assert.ok(hits.length >= least, `${hits.length} hits, not ${least}`);
          assert.equal(new Set(hits.map(({ id }) => id)).size, hits.length);
          assert.ok(hits.every(({ payload }) => payload !== undefined));
          questions.set(limit, (questions.get(limit) ?? 0) + 1);
          await turn(1);
        }
      };
      const clients = range(0, 3).map(client);
      for (; call < calls; call++) {
        await model.write([...range(written, written + rows), ...range(0, Math.min(written, 40))]);
        written += rows;
        const from = model.random.int(100, written - 20);
        await model.delete(range(from, from + 20));
        // Builds go on beside.
        for (const limit of LIMITS) await recall.ask(model, limit);
        if (call % 5 === 0) await model.check(1);
      }
      isOver = true;
      await Promise.all(clients);
      recall.check('beside writes and builds');
      assert.ok(index.stats().coded > 0, 'no build came by itself');
      for (const limit of LIMITS) assert.ok(questions.get(limit)! > 0, `no client asked for ${limit}`);

      await model.delete([...model.rows.keys()].filter((id) => id % 3 > 0));
      const after = new Recall();
      for (let i = 0; i < 8; i++) for (const limit of LIMITS) await after.ask(model, limit);
      after.check('after most were deleted');
      await settled(model);
      checkBytes(model, 'in the end');
      await model.check();
      await index.close();
    });
  });
}

describe("a cache in ':memory:'", () => {
  it('forgets what has expired, by a filter, while it is asked', async () => {
    const dim = 64;
    const [rounds, rows] = FULL ? [120, 5000] : [16, 1000];
    const index = await FunnelIndex.create(':memory:', { dim });
    await index.createPayloadIndex('expires', 'integer');
    const model = new Model(index, 0, aroundTopics(dim));
    const LIFE = 3;
    const living = new Map<number, { vector: Float32Array; expires: number }>();
    for (let now = 0; now < rounds; now++) {
      const ids = range(now * rows, (now + 1) * rows);
      const vectors = new Float32Array(rows * dim);
      model.fill(vectors, model.random);
      const payloads = ids.map((id) => ({ expires: now + LIFE, answer: `the answer ${id}` }));
      const [first] = await Promise.all([
        index.query({ vector: someQuery(model), filter: { must: [{ key: 'expires', range: { gt: now } }] } }),
        index.upsert({ ids, vectors, payloads }),
        index.delete({ filter: { must: [{ key: 'expires', range: { lte: now } }] } }),
      ]);
      for (const { id } of first.hits) assert.ok((id as number) >= (now - LIFE) * rows, `${id} had expired by ${now}`);
      for (const [i, id] of ids.entries()) {
        living.set(id, { vector: vectors.subarray(i * dim, (i + 1) * dim), expires: now + LIFE });
      }
      for (const [id, { expires }] of living) if (expires <= now) living.delete(id);
      assert.equal(index.count, living.size);
      const [id, { vector }] = model.random.pick([...living]);
      const { hits } = await index.query({ vector, limit: 1, withPayload: true });
      assert.equal(hits[0]!.id, id);
      assert.equal((hits[0]!.payload as { answer: string }).answer, `the answer ${id}`);
      await turn(2);
    }
    await quiet(index);
    const bytes = living.size * (4 * dim + 50);
    const { resident, files } = index.stats();
    const bound = 2 * bytes + (4 << 20);
    assert.ok(files.rows + files.store <= bound, `${JSON.stringify(files)}, not ${bound}`);
    assert.ok(resident.rows + resident.codes <= bound, `${JSON.stringify(resident)}, not ${bound}`);
    await index.close();
  });
});

describe('one index a tenant, on disk', () => {
  it('answers first questions at once, and is closed and opened again as tenants come', async () => {
    const dim = 32;
    const tenants = FULL ? 1000 : 30;
    const paths: string[] = [];
    const models: Model[] = [];
    const medianOfFirst = async () => {
      const come = range(0, tenants).map(newPath);
      const made: Model[] = [];
      for (const path of come) {
        const model = new Model(await FunnelIndex.create(path, { dim }));
        await model.write(range(0, 100));
        made.push(model);
      }
      const times: number[] = [];
      for (const { index, rows } of made) {
        const began = performance.now();
        const { hits } = await index.query({ vector: rows.get(7)!.vector });
        times.push(performance.now() - began);
        assert.equal(hits[0]!.id, 7);
      }
      paths.push(...come);
      models.push(...made);
      return times.sort((a, b) => a - b)[tenants >> 1]!;
    };
    const median = await least(2, medianOfFirst);
    assert.ok(median < 2, `half of the first queries took more than ${median} ms`);
    // All at once: writes, answers, ends.
    await Promise.all(
      models.map(async (model, i) => {
        await model.write(range(50, 150));
        if (i % 3 === 0) await model.delete(range(0, 10));
        await model.check(1);
        await model.index.close();
      }),
    );
    for (const [i, path] of paths.entries()) {
      const index = await FunnelIndex.open(path);
      assert.equal(index.count, models[i]!.rows.size);
      await index.close();
    }
  });
});

describe('a server that is told to end', () => {
  it('by a signal, beside process.exit() and a second close(), keeps every write that was under way', async () => {
    const child = fileURLToPath(new URL('./shutdown-child.js', import.meta.url));
    const path = newPath();
    await (await FunnelIndex.create(path, { dim: 16 })).close();
    for (let round = 0; round < (FULL ? 30 : 2); round++) {
      const { code, said } = await new Promise<{ code: number | null; said: string }>((resolve) => {
        const server = spawn(process.execPath, [child, path], { stdio: ['ignore', 'pipe', 'inherit'] });
        let said = '';
        server.stdout.once('data', () => setTimeout(() => server.kill('SIGTERM'), 80 + 40 * round));
        server.stdout.on('data', (part) => {
          said += part;
        });
        server.on('close', (code) => resolve({ code, said }));
      });
      assert.equal(code, 0, said);
      const acknowledged = (said.match(/wrote/g) ?? []).length;
      const before = Number(/closed (\d+)/.exec(said)?.[1] ?? 0);
      const index = await FunnelIndex.open(path); // at once, and nobody holds it
      const least = 500 * Math.max(acknowledged, before);
      assert.ok(acknowledged > 0 && index.count >= least, `${index.count} rows, not ${least}`);
      assert.equal(index.count % 500, 0);
      await index.close();
    }
  });
});

describe('an index that grows past 200,000 rows, where lists begin', () => {
  it('answers as long and as well on both sides, and back', async () => {
    const dim = 64;
    const index = await FunnelIndex.create(':memory:', { dim });
    const model = new Model(index, 0, aroundTopics(dim));
    const ask = async (when: string) => {
      const recall = new Recall();
      for (const limit of LIMITS) {
        const questions = (FULL ? 100 : 20) / Math.ceil(limit / 200);
        for (let i = 0; i < questions; i++) await recall.ask(model, limit);
      }
      await recall.ask(model, 1000, { filter: { ids: range(0, 9000).map((i) => 20 * i) } });
      await recall.ask(model, 50_000);
      recall.check(when);
    };
    for (let at = 0; at < 199_999; at += 20_000) {
      await model.write(range(at, Math.min(199_999, at + 20_000)));
      await turn();
    }
    await index.optimize();
    assert.equal(index.stats().lists, 0);
    await ask('at 199,999 rows');
    await model.write([199_999]);
    await model.write([200_000]);
    await ask('at 200,001 rows, two of them new');
    const build = index.optimize();
    await ask('while lists are made');
    await build;
    assert.ok(index.stats().lists > 0);
    await ask('at 200,001 rows');
    await model.delete(range(0, 100));
    await ask('after a hundred were deleted');
    await index.optimize();
    assert.equal(index.stats().lists, 0);
    await ask('at 199,901 rows again');
    await model.check(2);
    await index.close();
  });
});
