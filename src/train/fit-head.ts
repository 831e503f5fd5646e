/** fitHead(): heads for vectors of a model that was not trained to be cut, or not to so few dims. */
import { expected, FunnelError } from '../core/errors.js';
import { seeded } from '../core/random.js';
import { activeCodeKernels } from '../kernels/codes-load.js';
import { principalBasis } from '../store/engine/basis.js';
import { Adapter, type LabelledPairs } from './adapter.js';
import { checkFitOptions, checkPairs, type FitHeadOptions, type FitSettings, type HeadPair } from './fit-options.js';
import { FittedHead } from './fitted-head.js';
import type { HeadFacts, ShortlistRecall } from './head-facts.js';
import { sample } from './random.js';
import { type CheckedRows, checkedRows, idKey, type Vectors } from './rows.js';
import { breathe } from './running.js';
import { type Corpus, corpusOf, type Probes, probesOf, shortlistRecall, unitRows } from './shortlist.js';

/** Most queries that choose, and that measure. */
const MOST_PROBES = 500;
/** With fewer queries, a fifth of them says nothing. */
const LEAST_QUERIES = 20;
/** Rows that serve as anchors. */
const MOST_ANCHORS = 8192;
/** Most dims: the second moment of more takes gigabytes. */
const MOST_DIMS = 8192;
/** Steps between two looks at the validation queries, and looks without a better head until the end. */
const LOOK = 20;
const PATIENCE = 5;

/**
 * Fits a head: a linear map to `dim` dims whose shortlists, by cosine, hold the neighbours that the full vectors have.
 * The full vectors are not touched: put `fitted.apply(vectors)` into the head field, search it by
 * `fitted.applyQuery(query)` (`headOf` of a source), and let the funnel end on the vectors as they were.
 *
 * A closed form takes a second or so; the adapter some tens of seconds on one core, on this thread, in pieces of some
 * tens of milliseconds. The head is measured on queries that nothing was fitted to (`facts.recall`). The adapter starts
 * from the better of closed form and plain cut, and keeps the best of all by the validation queries: it is never worse
 * on these.
 *
 * @example
 * const fitted = await fitHead({ vectors, dim: 384 }, { method: 'adapter', dim: 64, queries: { vectors: asked, dim: 384 } });
 * await fitted.save('films.head.json');
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, BAD_PLAN, BAD_ID, NOT_FINITE, ZERO_QUERY, DETACHED_BUFFER, ABORTED
 */
export async function fitHead(vectors: Vectors, options: FitHeadOptions): Promise<FittedHead> {
  const settings = checkFitOptions(options);
  const { method, dim: head, seed, onProgress, signal } = settings;
  const all = checkedRows(vectors, 'vectors');
  const { dim } = all;
  if (dim > MOST_DIMS) throw expected('BAD_DIMS', `vectors of at most ${MOST_DIMS} dims`, 'fitHead()', dim);
  if (head > dim) throw expected('BAD_DIMS', `a head of at most ${dim} dims`, 'dim', head);
  const queries = settings.queries === undefined ? undefined : ownQueries(settings.queries, dim);
  const pairs = settings.pairs && checkPairs(settings.pairs, queries!.count, all.count);
  const between = () => breathe('fitHead()', signal);
  await between();

  const random = seeded(seed);
  const drawn = sample(all.count, settings.sample, random);
  const corpus = corpusOf(rowsAt(all.vectors, dim, drawn), dim);
  const split =
    queries === undefined ? splitRows(corpus, random) : splitQueries(queries, selfOf(queries, all, drawn), random);
  const measured = await measurements(settings, corpus, split, between);
  onProgress?.({ stage: 'measure', done: 1, total: 2 });

  const fitQueries = method === 'pca' || queries === undefined ? undefined : split.fit;
  const closed = closedForm(corpus, fitQueries, head);
  const cut = cutBasis(dim, head);
  const first = {
    cut: await measured.recall(cut, 'validation'),
    closedForm: await measured.recall(closed, 'validation'),
  };
  onProgress?.({ stage: 'measure', done: 2, total: 2 });
  const best: Best = { basis: closed, start: 'closed form', steps: 0, recall: first.closedForm };
  if (method === 'adapter') {
    // The prefixes of a Matryoshka model may be the better heads already.
    if (first.cut > first.closedForm) Object.assign(best, { basis: cut, start: 'cut', recall: first.cut });
    const labelled = pairs && queries && labelledOf(pairs, queries, all, split);
    await train(best, settings, corpus, split, queries !== undefined, labelled, measured, between);
  }
  const recall: ShortlistRecall = {
    ...measured.facts,
    cut: await measured.recall(cut, 'test'),
    closedForm: await measured.recall(closed, 'test'),
    fitted: await measured.recall(best.basis, 'test'),
    validation: { ...first, fitted: best.recall },
  };
  const { model } = settings;
  const facts = { method, dim, headDim: head, rows: corpus.count, seed, start: best.start, steps: best.steps, recall };
  return new FittedHead(model === undefined ? facts : { ...facts, model }, best.basis);
}

function ownQueries(given: Vectors, dim: number): CheckedRows {
  const queries = checkedRows(given, 'queries', { dim });
  if (queries.count < LEAST_QUERIES) {
    throw expected('BAD_ARGUMENT', `at least ${LEAST_QUERIES}, since parts are held out,`, 'queries', queries.count);
  }
  for (let q = 0; q < queries.count; q++) {
    if (queries.vectors.subarray(q * dim, (q + 1) * dim).every((value) => value === 0)) {
      throw new FunnelError('ZERO_QUERY', `Expected a direction for query ${q} but received zeros`);
    }
  }
  return queries;
}

interface Part {
  /** Queries of length 1. */
  readonly queries: Float32Array;
  /** Row of the corpus that it is, or −1. */
  readonly self: Int32Array;
  /** Number of the query as it was given; of rows, as in the corpus. */
  readonly numbers: Uint32Array;
}

interface Split {
  readonly fit: Part;
  readonly validation: Part;
  readonly test: Part;
}

/** By query: the row of the corpus that has its id, or −1. @param drawn rows of the corpus, by their numbers in `all` */
function selfOf(queries: CheckedRows, all: CheckedRows, drawn: Uint32Array): Int32Array {
  const self = new Int32Array(queries.count).fill(-1);
  if (!queries.named) return self;
  const rows = new Map(Array.from(drawn, (number, row) => [idKey(all.id(number)), row]));
  return self.map((_, q) => rows.get(idKey(queries.id(q))) ?? -1);
}

/** By query: what one part has seen, no other has. */
function splitQueries({ vectors, dim, count }: CheckedRows, self: Int32Array, random: () => number): Split {
  const units = unitRows(vectors, dim);
  return partsOf(sample(count, count, random), Math.min(MOST_PROBES, Math.floor(count / 5)), (numbers) => ({
    queries: rowsAt(units, dim, numbers),
    self: Int32Array.from(numbers, (q) => self[q]!),
    numbers,
  }));
}

/** Rows as queries; they stay among the rows that are searched. */
function splitRows({ rows, dim, count }: Corpus, random: () => number): Split {
  const order = sample(count, count, random).filter((r) =>
    rows.subarray(r * dim, (r + 1) * dim).some((value) => value !== 0),
  );
  if (order.length < 2)
    throw expected('BAD_ARGUMENT', 'at least two vectors that are not zeros', 'vectors', order.length);
  const probes = Math.min(MOST_PROBES, Math.max(1, Math.floor(order.length / 10)));
  return partsOf(order, probes, (numbers) => ({
    queries: rowsAt(rows, dim, numbers),
    self: Int32Array.from(numbers),
    numbers,
  }));
}

function partsOf(order: Uint32Array, probes: number, part: (numbers: Uint32Array) => Part): Split {
  return {
    validation: part(order.subarray(0, probes)),
    test: part(order.subarray(probes, 2 * probes)),
    fit: part(order.subarray(2 * probes)),
  };
}

function rowsAt(rows: Float32Array, dim: number, numbers: Uint32Array): Float32Array {
  const out = new Float32Array(numbers.length * dim);
  numbers.forEach((from, to) => {
    out.set(rows.subarray(from * dim, (from + 1) * dim), to * dim);
  });
  return out;
}

interface Measurements {
  readonly facts: Pick<ShortlistRecall, 'k' | 'candidates' | 'documents' | 'queries'>;
  recall(basis: Float32Array, part: 'validation' | 'test'): Promise<number>;
}

async function measurements(
  { k, candidates, dim: head }: FitSettings,
  corpus: Corpus,
  split: Split,
  between: () => Promise<void>,
): Promise<Measurements> {
  const probes: Record<'validation' | 'test', Probes> = {
    validation: await probesOf(split.validation, corpus, k, between),
    test: await probesOf(split.test, corpus, k, between),
  };
  const { fit, validation, test } = split;
  return {
    facts: {
      k: probes.test.k,
      candidates,
      documents: corpus.count,
      queries: { fit: fit.self.length, validation: validation.self.length, test: test.self.length },
    },
    recall: (basis, part) => shortlistRecall(basis, head, corpus, probes[part], candidates, between),
  };
}

/** The leading directions, `dim × head`. */
function closedForm({ rows, dim }: Corpus, queries: Part | undefined, head: number): Float32Array {
  const width = Math.ceil(head / 8) * 8;
  const { columns } = principalBasis(activeCodeKernels(), queries ? [rows, queries.queries] : [rows], dim, width);
  const basis = new Float32Array(dim * head);
  for (let j = 0; j < dim; j++) basis.set(columns.subarray(j * width, j * width + head), j * head);
  return basis;
}

/** The basis that cuts: the first dims, unchanged. */
function cutBasis(dim: number, head: number): Float32Array {
  const basis = new Float32Array(dim * head);
  for (let i = 0; i < head; i++) basis[i * head + i] = 1;
  return basis;
}

/** The labels of the queries that training uses. */
function labelledOf(
  pairs: readonly Required<HeadPair>[],
  queries: CheckedRows,
  all: CheckedRows,
  { fit }: Split,
): LabelledPairs | undefined {
  const seen = new Set(fit.numbers);
  const own = pairs.filter(({ query }) => seen.has(query));
  if (own.length === 0) return undefined;
  const unitsOf = (rows: CheckedRows, numbers: number[]) =>
    unitRows(rowsAt(rows.vectors, rows.dim, Uint32Array.from(numbers)), rows.dim);
  return {
    queries: unitsOf(
      queries,
      own.map(({ query }) => query),
    ),
    rows: unitsOf(
      all,
      own.map(({ row }) => row),
    ),
    scores: Float64Array.from(own, ({ score }) => score),
  };
}

interface Best {
  basis: Float32Array;
  start: HeadFacts['start'];
  steps: number;
  /** Recall on the validation queries. */
  recall: number;
}

/** Moves `best` to the best step. */
async function train(
  best: Best,
  { dim: head, dims = [], steps, seed, onProgress }: FitSettings,
  corpus: Corpus,
  { fit }: Split,
  isQuery: boolean,
  pairs: LabelledPairs | undefined,
  measured: Measurements,
  between: () => Promise<void>,
): Promise<void> {
  const { dim, rows } = corpus;
  const own = isQuery ? fit.self.length : 0;
  // Rows as anchors, beside the queries where there are some; none of those that choose or measure.
  const others = isQuery ? sample(corpus.count, MOST_ANCHORS, seeded(seed + 1)) : fit.numbers.subarray(0, MOST_ANCHORS);
  const anchors = new Float32Array((own + others.length) * dim);
  if (isQuery) anchors.set(fit.queries);
  anchors.set(rowsAt(rows, dim, others), own * dim);
  const self = Int32Array.from({ length: own + others.length }, (_, a) => (a < own ? fit.self[a]! : others[a - own]!));
  const lengths = [...new Set([head, ...dims])].sort((a, b) => b - a);
  const task = {
    basis: best.basis,
    head,
    dims: lengths,
    corpus,
    anchors,
    self,
    queries: own,
    pairs,
    steps,
    seed,
    between,
  };
  const adapter = await Adapter.prepare(task);

  let waited = 0;
  for (let step = 1; step <= steps && waited < PATIENCE; step++) {
    await between();
    adapter.step();
    if (step % LOOK === 0 || step === steps) {
      const { basis } = adapter;
      const recall = await measured.recall(basis, 'validation');
      waited = recall > best.recall ? 0 : waited + 1;
      if (recall > best.recall) Object.assign(best, { basis, steps: step, recall });
    }
    onProgress?.({ stage: 'train', done: step, total: steps, recall: best.recall });
  }
}
