/** Heads: what they bring on held-out queries, that they are kept whole, and what is refused. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { listKernels, useKernels } from 'funnelvec';
import {
  cosentLoss,
  type FitHeadOptions,
  type FittedHead,
  fitHead,
  headFromJson,
  infoNceLoss,
  loadHead,
} from 'funnelvec/train';
import { Adapter } from '#dist/train/adapter.js';
import { product } from '#dist/train/embeddings.js';
import { corpusOf, unitRows } from '#dist/train/shortlist.js';
import { Random, SEED } from '../random.js';
import { glosses, minilmGlosses } from './data.js';

const DIM = 48;

/**
 * Rows whose variance lies in hidden directions, scattered by a rotation: a cut says little, a fitted head much. Queries have
 * theirs partly elsewhere.
 */
function scattered(count: number, asked: number, from: Random) {
  const mixing = Array.from({ length: DIM }, () => from.vector(DIM));
  const make = (n: number, weight: (i: number) => number) => {
    const vectors = new Float32Array(n * DIM);
    for (let r = 0; r < n; r++) {
      for (let i = 0; i < DIM; i++) {
        const amount = from.gaussian() * weight(i);
        for (let j = 0; j < DIM; j++) vectors[r * DIM + j]! += amount * mixing[i]![j]!;
      }
    }
    return { vectors, dim: DIM };
  };
  return {
    rows: make(count, (i) => 0.85 ** i),
    queries: make(asked, (i) => (i < 6 ? 0.1 : 0.85 ** (i - 6))),
  };
}

/** Clusters far apart, which take the largest variances; what is near is told by dims of small variance. */
function clustered(from: Random) {
  const middles = Array.from({ length: 12 }, () => from.vector(DIM));
  const mixing = Array.from({ length: 6 }, () => from.vector(DIM));
  const make = (count: number) => {
    const vectors = new Float32Array(count * DIM);
    for (let r = 0; r < count; r++) {
      const middle = from.pick(middles);
      for (const direction of [...mixing.map((one) => [one, 0.2 * from.gaussian()] as const), [middle, 2] as const]) {
        for (let j = 0; j < DIM; j++) vectors[r * DIM + j]! += direction[1] * direction[0][j]!;
      }
    }
    return { vectors, dim: DIM };
  };
  return { rows: make(1500), queries: make(300) };
}

const { rows, queries } = scattered(1500, 300, new Random(SEED));
const options = { dim: 8, candidates: 40 } satisfies FitHeadOptions;

const folder = await mkdtemp(join(tmpdir(), 'funnelvec-head-'));
after(() => rm(folder, { recursive: true }));

describe('fitHead', () => {
  it('knows queries that are rows by their ids: nobody is his own neighbour', async () => {
    const count = 400;
    const ids = Array.from({ length: count }, (_, i) => `row ${i}`);
    const vectors = { vectors: rows.vectors.slice(0, count * DIM), dim: DIM, ids };
    const k1 = { ...options, k: 1, candidates: 1, method: 'pca' } as const;
    // A shortlist of one row holds the query itself, whatever the head; another row it does not.
    const strangers = await fitHead(vectors, { ...k1, queries: { ...vectors, ids: ids.map((id) => `asked ${id}`) } });
    assert.equal(strangers.facts.recall.cut, 1);
    const own = await fitHead(vectors, { ...k1, queries: vectors });
    assert.ok(own.facts.recall.cut < 0.7, String(own.facts.recall.cut));
    assert.ok(own.facts.recall.fitted > own.facts.recall.cut);
    // Those that were not drawn into the sample have no row there; as many queries as that have one.
    const part = await fitHead(vectors, { ...k1, queries: vectors, sample: 200 });
    assert.ok(part.facts.recall.cut < 0.8, String(part.facts.recall.cut));
    const adapted = { ...k1, method: 'adapter' as const, steps: 2, queries: vectors };
    assert.ok((await fitHead(vectors, adapted)).facts.recall.cut < 0.7);
  });

  it('finds directions that a cut does not have, and better ones with queries, on queries it did not see', async () => {
    const pca = await fitHead(rows, { ...options, method: 'pca', queries });
    const balanced = await fitHead(rows, { ...options, queries });
    assert.equal(balanced.facts.method, 'balanced');
    const [a, b] = [pca.facts.recall, balanced.facts.recall];
    assert.deepEqual([a.queries, a.documents, a.k], [{ fit: 180, validation: 60, test: 60 }, 1500, 10]);
    assert.equal(a.cut, b.cut);
    assert.equal(a.fitted, a.closedForm);
    assert.ok(a.fitted > a.cut + 0.1, `${a.fitted} against ${a.cut} of a cut`);
    assert.ok(b.fitted > a.fitted + 0.05, `${b.fitted} against ${a.fitted} without queries`);
  });

  it('trains an adapter that is better where neighbours are not told by the largest variances', async () => {
    const { rows: near, queries: asked } = clustered(new Random(SEED + 3));
    const seen: string[] = [];
    const { facts } = await fitHead(near, {
      dim: 8,
      candidates: 15,
      method: 'adapter',
      queries: asked,
      steps: 60,
      onProgress: ({ stage, done, total, recall }) => {
        seen.push(`${stage} ${done}/${total}`);
        if (stage === 'train') assert.ok(recall! >= 0 && recall! <= 1);
      },
    });
    const { validation, fitted, closedForm } = facts.recall;
    assert.ok(validation.fitted >= Math.max(validation.closedForm, validation.cut));
    assert.ok(facts.steps > 0 && facts.steps % 20 === 0);
    assert.ok(fitted > closedForm + 0.02, `${fitted} against ${closedForm} of the closed form`);
    assert.deepEqual(seen.slice(0, 3), ['measure 1/2', 'measure 2/2', 'train 1/60']);
    assert.equal(seen.at(-1), 'train 60/60');
  });

  it('keeps the start of its training where no step was better', async () => {
    // For normal rows, no linear head keeps more than the principal directions.
    const [closed, trained] = await Promise.all([
      fitHead(rows, { ...options, method: 'balanced', queries }),
      fitHead(rows, { ...options, method: 'adapter', queries, steps: 40 }),
    ]);
    const { validation } = trained.facts.recall;
    assert.ok(validation.fitted >= validation.closedForm);
    if (trained.facts.steps === 0) assert.equal(trained.toJSON().matrix, closed.toJSON().matrix);
    else assert.ok(validation.fitted > validation.closedForm);
  });

  it('takes rows for queries where none are given, none its own neighbour', async () => {
    const { facts } = await fitHead(rows, options);
    assert.deepEqual([facts.method, facts.start, facts.steps], ['pca', 'closed form', 0]);
    assert.deepEqual(facts.recall.queries, { fit: 1200, validation: 150, test: 150 });
    // As many dims as the vectors have: nothing is lost, whatever the directions.
    const whole = await fitHead(rows, { dim: DIM, candidates: 10 });
    assert.ok(whole.facts.recall.fitted > 0.999 && whole.facts.recall.cut > 0.999);
  });

  it('learns from labelled pairs, graded or equal, of the queries that it may see', async () => {
    const random = new Random(SEED + 1);
    const pairs = Array.from({ length: 400 }, () => {
      const [query, row] = [random.int(0, 299), random.int(0, 1499)];
      return { query, row, score: random.next() };
    });
    for (const some of [pairs, pairs.map((pair) => ({ ...pair, score: 1 })), []]) {
      const head = { ...options, method: 'adapter' as const, queries, steps: 20, pairs: some };
      const { validation } = (await fitHead(rows, head)).facts.recall;
      assert.ok(validation.fitted >= validation.closedForm);
    }
  });

  it('moves towards the labels of pairs while it trains', async () => {
    const random = new Random(SEED + 1);
    const [corpus, asked] = [corpusOf(rows.vectors, DIM), unitRows(queries.vectors, DIM)];
    const drawn = (all: Float32Array, count: number) => {
      const at = Array.from({ length: 400 }, () => random.int(0, count - 1) * DIM);
      return Float32Array.from(at.flatMap((from) => Array.from(all.subarray(from, from + DIM))));
    };
    const sides = [drawn(asked, 300), drawn(corpus.rows, 1500)] as const;
    const scores = Float64Array.from({ length: 400 }, () => random.next());
    const trained = async (labels: Float64Array | undefined) => {
      const adapter = await Adapter.prepare({
        basis: new Float32Array(DIM * 8).map((_, i) => (i % 8 === Math.floor(i / 8) ? 1 : 0)),
        head: 8,
        dims: [8],
        corpus,
        anchors: asked,
        self: new Int32Array(300).fill(-1),
        queries: 300,
        pairs: labels && { queries: sides[0], rows: sides[1], scores: labels },
        steps: 100,
        seed: 1,
        between: async () => {},
      });
      for (let step = 0; step < 60; step++) adapter.step();
      const { basis } = adapter;
      return sides.map((side) => ({ vectors: product(side, basis, 400, DIM, 8), dim: 8 }));
    };
    const plain = await trained(undefined);
    const graded = await trained(scores);
    const equal = await trained(new Float64Array(400).fill(1));
    const byGrade = [plain, graded].map((heads) => cosentLoss()(heads, scores).value);
    assert.ok(byGrade[1]! < byGrade[0]! - 0.1, `CoSENT ${byGrade[1]} against ${byGrade[0]} without labels`);
    const byBatch = [plain, equal].map((heads) => infoNceLoss()(heads).value);
    assert.ok(byBatch[1]! < byBatch[0]! - 0.1, `InfoNCE ${byBatch[1]} against ${byBatch[0]} without pairs`);
  });

  it('lifts the shortlists of a real model, where a cut of so few dims loses most', async (t) => {
    const data = await glosses(3000);
    if (typeof data === 'string') return t.skip(data);
    const { dim } = data;
    const given = { vectors: data.queryRows, dim };
    const head = { dim: 16, queries: given, candidates: 50 };
    const { recall: closed } = (await fitHead({ vectors: data.rows, dim }, { ...head, method: 'balanced' })).facts;
    const { recall: trained } = (await fitHead({ vectors: data.rows, dim }, { ...head, method: 'adapter', steps: 40 }))
      .facts;
    t.diagnostic(`cut ${closed.cut}, closed form ${closed.fitted}, adapter ${trained.fitted}`);
    assert.ok(trained.fitted >= closed.cut + 0.05, `${trained.fitted} against ${closed.cut} of a cut`);
    assert.ok(trained.fitted >= closed.fitted, `${trained.fitted} against ${closed.fitted} of the closed form`);
  });

  it('makes a head of 64 dims usable for a model that was not trained to be cut', async (t) => {
    const data = await minilmGlosses(3000, 1000);
    if (typeof data === 'string') return t.skip(data);
    const { rows: vectors, queryRows, dim } = data;
    const asked = { vectors: queryRows, dim };
    const { recall } = (await fitHead({ vectors, dim }, { method: 'adapter', dim: 64, queries: asked, steps: 40 }))
      .facts;
    t.diagnostic(`cut ${recall.cut}, closed form ${recall.closedForm}, adapter ${recall.fitted}`);
    assert.ok(recall.queries.test >= 100);
    assert.ok(recall.cut < 0.75, `${recall.cut} by the first dims`);
    assert.ok(recall.fitted > 0.94, `${recall.fitted} of the ten nearest are among the 100 best by head`);
    assert.ok(recall.fitted >= recall.closedForm - 0.005);
  });

  it('is the same on every backend, and for a seed', async () => {
    const small = { vectors: rows.vectors.subarray(0, 300 * DIM), dim: DIM };
    const asked = { vectors: queries.vectors.subarray(0, 60 * DIM), dim: DIM };
    const fit = (seed = 7) =>
      fitHead(small, { dim: 5, method: 'adapter', queries: asked, steps: 6, seed, candidates: 20 });
    const first = JSON.stringify(await fit());
    assert.notEqual(JSON.stringify(await fit(8)), first);
    const active = listKernels().find((kernels) => kernels.active)!.name;
    try {
      for (const name of ['wasm', 'js', 'scalar'] as const) {
        if (!listKernels().find((kernels) => kernels.name === name)!.supported) continue;
        useKernels(name);
        assert.equal(JSON.stringify(await fit()), first, name);
      }
    } finally {
      useKernels(active);
    }
  });

  it('gives the event loop its turn, and stops when it is told to', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const abort = new AbortController();
    const run = fitHead(rows, {
      ...options,
      method: 'adapter',
      queries,
      onProgress: ({ stage, done }) => {
        if (stage === 'train' && done === 3) abort.abort(new Error('enough'));
      },
      signal: abort.signal,
    });
    await assert.rejects(run, { name: 'FunnelError', code: 'ABORTED' });
    clearInterval(timer);
    assert.ok(ticks > 3, `${ticks} turns`);
  });

  it('works on what is small or odd: few rows, equal rows, rows of zeros, more dims than rows', async () => {
    const some = (n: number) => ({ vectors: rows.vectors.subarray(0, n * DIM), dim: DIM });
    for (const n of [2, 3, 11]) {
      const { recall } = (await fitHead(some(n), { dim: 3, method: 'adapter', steps: 2 })).facts;
      assert.ok(recall.fitted >= 0 && recall.fitted <= 1);
    }
    const equal = { vectors: new Float32Array(40 * 4).fill(0.5), dim: 4 };
    const flat = await fitHead(equal, { dim: 2, method: 'adapter', steps: 2 });
    assert.ok(flat.apply(equal).every(Number.isFinite));
    const zeros = some(50);
    const holes = { vectors: zeros.vectors.map((value, i) => (i % (2 * DIM) < DIM ? 0 : value)), dim: DIM };
    assert.ok((await fitHead(holes, { dim: 4, method: 'adapter', steps: 2 })).apply(holes).every(Number.isFinite));
    await assert.rejects(fitHead({ vectors: new Float32Array(8), dim: 2 }, { dim: 1 }), { code: 'BAD_ARGUMENT' });
  });

  it('refuses options and vectors that make no sense, before any work', async () => {
    const bad = (code: string, given: unknown, some: object) =>
      assert.rejects(fitHead(given as never, { ...options, ...some } as never), { name: 'FunnelError', code });
    await bad('BAD_ARGUMENT', undefined, {});
    await bad('BAD_ARGUMENT', [], {});
    await bad('BAD_DIMS', { vectors: new Float32Array(7), dim: 2 }, {});
    await bad('BAD_DIMS', rows, { dim: DIM + 1 });
    await bad('BAD_ARGUMENT', rows, { dim: 0 });
    await bad('BAD_ARGUMENT', rows, { dim: undefined });
    await bad('BAD_ARGUMENT', rows, { method: 'umap' });
    await bad('BAD_ARGUMENT', rows, { method: 'balanced' });
    await bad('BAD_ARGUMENT', rows, { heads: 3 });
    await bad('BAD_ARGUMENT', rows, { k: 0 });
    await bad('BAD_ARGUMENT', rows, { candidates: 5 });
    await bad('BAD_ARGUMENT', rows, { seed: -1 });
    await bad('BAD_ARGUMENT', rows, { steps: 0.5 });
    await bad('BAD_ARGUMENT', rows, { ...options, method: 'pca', steps: 5 });
    await bad('BAD_ARGUMENT', rows, { ...options, queries, steps: 5 });
    await bad('BAD_ARGUMENT', rows, { sample: 1 });
    await bad('BAD_ARGUMENT', rows, { onProgress: 1 });
    await bad('BAD_ARGUMENT', rows, { signal: 1 });
    await bad('BAD_ARGUMENT', rows, { model: 1 });
    await bad('BAD_ARGUMENT', rows, { dims: [4] });
    await bad('BAD_DIMS', rows, { method: 'adapter', dims: [9] });
    await bad('BAD_PLAN', rows, { method: 'adapter', dims: [0] });
    await bad('BAD_DIMS', rows, { queries: [[1, 2]] });
    await bad('BAD_ARGUMENT', rows, { queries: { vectors: queries.vectors.subarray(0, 19 * DIM), dim: DIM } });
    await bad('ZERO_QUERY', rows, { queries: { vectors: new Float32Array(20 * DIM), dim: DIM } });
    await bad('BAD_ARGUMENT', rows, { method: 'adapter', pairs: [] });
    await bad('BAD_ARGUMENT', rows, { queries, pairs: [] });
    for (const pair of [{}, null, { query: 300, row: 0 }, { query: 0, row: 1500 }, { query: 0, row: 0, grade: 1 }]) {
      await bad('BAD_ARGUMENT', rows, { method: 'adapter', queries, pairs: [pair] });
    }
    await bad('NOT_FINITE', rows, { method: 'adapter', queries, pairs: [{ query: 0, row: 0, score: Number.NaN }] });
    await bad('ABORTED', rows, { signal: AbortSignal.abort() });
    const odd = { vectors: rows.vectors.slice(), dim: DIM };
    odd.vectors[DIM * 3 + 5] = Number.NaN;
    await assert.rejects(fitHead(odd, options), { code: 'NOT_FINITE', message: /row 3, dim 5/ });
  });
});

describe('a fitted head', () => {
  let kept: FittedHead | undefined;
  const head = async () => (kept ??= await fitHead(rows, { ...options, queries, model: 'films-1' }));

  it('is one linear map for rows in any form and for queries', async () => {
    const fitted = await head();
    assert.deepEqual([fitted.dim, fitted.headDim], [DIM, 8]);
    const heads = fitted.apply(rows);
    assert.equal(heads.length, 1500 * 8);
    assert.deepEqual(fitted.apply(rows.vectors), heads);
    const list = Array.from({ length: 3 }, (_, r) => rows.vectors.slice(r * DIM, (r + 1) * DIM));
    assert.deepEqual(fitted.apply(list), heads.slice(0, 24));
    const { applyQuery } = fitted;
    assert.deepEqual(applyQuery(Array.from(list[2]!)), heads.slice(16, 24));
    const matrix = Buffer.from(fitted.toJSON().matrix, 'base64');
    let sum = 0;
    for (let j = 0; j < DIM; j++) sum += list[1]![j]! * matrix.readFloatLE(4 * (j * 8 + 3));
    assert.ok(Math.abs(sum - heads[8 + 3]!) < 1e-5 * Math.abs(sum));
    assert.deepEqual(fitted.apply([]), new Float32Array(0));
    assert.deepEqual(fitted.apply(new Float32Array(0)), new Float32Array(0));
  });

  it('refuses vectors that it was not fitted to', async () => {
    const fitted = await head();
    const bad = (code: string, run: () => unknown) => assert.throws(run, { name: 'FunnelError', code });
    bad('BAD_DIMS', () => fitted.apply({ vectors: new Float32Array(10), dim: 10 }));
    bad('BAD_DIMS', () => fitted.apply(new Float32Array(DIM + 1)));
    bad('BAD_DIMS', () => fitted.applyQuery([1, 2]));
    bad('BAD_ARGUMENT', () => fitted.apply(null as never));
    bad('NOT_FINITE', () => fitted.applyQuery(new Float32Array(DIM).fill(Number.NaN)));
    bad('NOT_FINITE', () => fitted.apply(new Float32Array(DIM).fill(3.4e38)));
    const gone = new Float32Array(DIM);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    bad('DETACHED_BUFFER', () => fitted.apply(gone));
    bad('DETACHED_BUFFER', () => fitted.applyQuery(gone));
  });

  it('comes back from a file, and from JSON, as it was', async () => {
    const fitted = await head();
    const path = join(folder, 'films.head.json');
    await fitted.save(path);
    await fitted.save(path);
    assert.deepEqual(await readdir(folder), ['films.head.json']);
    for (const again of [await loadHead(path), headFromJson(JSON.parse(JSON.stringify(fitted)))]) {
      assert.deepEqual(again.facts, fitted.facts);
      assert.equal(again.facts.model, 'films-1');
      assert.deepEqual(again.apply(rows), fitted.apply(rows));
    }
  });

  it('is refused when a byte of its file is another, or missing', async () => {
    const path = join(folder, 'odd.json');
    const bytes = Buffer.from(JSON.stringify(await head()));
    const random = new Random(SEED + 2);
    for (let round = 0; round < 300; round++) {
      const odd = Buffer.from(bytes);
      // The facts stand in front, so they get their share.
      const at = random.chance(0.5) ? random.int(0, 600) : random.int(0, odd.length - 1);
      odd[at]! ^= 1 << random.int(0, 7);
      await writeFile(path, odd);
      await assert.rejects(loadHead(path), ({ code }: { code: string }) => {
        assert.ok(['CORRUPT', 'BAD_ARGUMENT', 'UNSUPPORTED_FORMAT'].includes(code), `${code} for byte ${at}`);
        if (at > 30) assert.notEqual(code, 'BAD_ARGUMENT', `byte ${at}`);
        return true;
      });
    }
    await writeFile(path, bytes.subarray(0, bytes.length - 20));
    await assert.rejects(loadHead(path), { code: 'CORRUPT' });
  });

  it('says what is wrong with other files', async () => {
    const path = join(folder, 'other.json');
    await assert.rejects(loadHead(join(folder, 'missing')), { code: 'BAD_ARGUMENT', message: /ENOENT/ });
    for (const text of ['', 'hello', '{}', 'null', '[1]', '{"format":"gguf"}']) {
      await writeFile(path, text);
      await assert.rejects(loadHead(path), { code: 'BAD_ARGUMENT' }, text);
    }
    const newer = { ...JSON.parse(JSON.stringify(await head())), version: 2 };
    await writeFile(path, JSON.stringify(newer));
    await assert.rejects(loadHead(path), { code: 'UNSUPPORTED_FORMAT' });
    assert.throws(() => headFromJson(undefined), { code: 'BAD_ARGUMENT' });
    await assert.rejects(loadHead(''), { code: 'BAD_ARGUMENT' });
    await assert.rejects((await head()).save(join(folder, 'no', 'such', 'folder')), { code: 'DISK' });
    assert.ok(!(await readFile(path, 'utf8')).includes('undefined'));
  });
});
