/**
 * The linear adapter: a basis (the closed form, or the cut), moved by Adam until the shortlists of held-out queries no longer get
 * better. Every step takes a batch of anchors (queries, and rows as queries), each with its nearest rows and some that are
 * nearly as near, and asks of the heads what the full vectors say:
 *
 *     L = L_pair / pairs + L_rank / triples [+ CoSENT or InfoNCE over labelled pairs], at every prefix of dims
 *
 * with L_rank over cosines times 20, the nearest rows (grade 1) above the others (0). It stands where the published
 * adaptor has L_topk: on MiniLM, head of 64, the shortlists of queries that training did not see hold .929 of the ten true
 * neighbours by the closed form, .942 after L_topk + L_pair, .955 after L_rank + L_pair.
 *
 * Forward and backward are products of the kernels: 2 · anchors · (1 + listed) · dim · head multiplications a step, 0.3 G
 * for 128 anchors with 50 rows each, 384 dims and a head of 64. Neighbours come before: anchors · rows · dim.
 */
import { cosOfPi } from '../core/exact-math.js';
import { seeded } from '../core/random.js';
import { activeCodeKernels } from '../kernels/codes-load.js';
import { Adam } from './adam.js';
import { listLoss } from './adapter-loss.js';
import { product, transposed } from './embeddings.js';
import { cosentLoss, infoNceLoss, type Loss } from './loss.js';
import { matryoshkaLoss } from './matryoshka.js';
import { type Corpus, neighbours } from './shortlist.js';

const BATCH = 128;
const RATE = 1e-3;
/** True neighbours of an anchor in a step. */
const NEAREST = 10;
/** How often a query is an anchor at most, on average. */
const OFTEN = 8;
/** Rows that are nearly as near, in a step; drawn from the ranks up to REACH. */
const NEARLY = 40;
const REACH = 200;

/** Labelled pairs as rows of length 1. */
export interface LabelledPairs {
  readonly queries: Float32Array;
  readonly rows: Float32Array;
  readonly scores: Float64Array;
}

export interface AdapterTask {
  /** `dim × head`: where to start. */
  readonly basis: Float32Array;
  readonly head: number;
  /** Prefixes of the head that are trained, `head` among them. */
  readonly dims: readonly number[];
  readonly corpus: Corpus;
  /** Anchors of length 1, `anchors × dim`. */
  readonly anchors: Float32Array;
  /** Row of each anchor that is one itself, −1 for the others: nobody is his own neighbour. */
  readonly self: Int32Array;
  readonly pairs: LabelledPairs | undefined;
  /** The first so many anchors are queries. */
  readonly queries: number;
  /** The rate goes down to 0 over them, along a cosine. */
  readonly steps: number;
  readonly seed: number;
  readonly between: () => Promise<void>;
}

/** Steps of training, one at a time; `basis` is what they have made. */
export class Adapter {
  readonly #task: AdapterTask;
  readonly #lists: Uint32Array;
  readonly #listed: number;
  readonly #parameters: Float64Array;
  readonly #adam: Adam;
  readonly #random: () => number;
  readonly #pairLoss: Loss | undefined;
  #done = 0;

  /** Finds the neighbours of all anchors. */
  static async prepare(task: AdapterTask): Promise<Adapter> {
    const { corpus, anchors, self, between } = task;
    const listed = Math.min(REACH, corpus.count - 1);
    const lists = await neighbours(anchors, self, corpus.columns, corpus.dim, listed, between);
    return new Adapter(task, lists, listed);
  }

  private constructor(task: AdapterTask, lists: Uint32Array, listed: number) {
    this.#task = task;
    this.#lists = lists;
    this.#listed = listed;
    this.#parameters = Float64Array.from(task.basis);
    this.#adam = new Adam(task.basis.length);
    this.#random = seeded(task.seed);
    this.#pairLoss = task.pairs && lossOf(task.pairs, task.dims);
  }

  get basis(): Float32Array {
    return Float32Array.from(this.#parameters);
  }

  /** One batch. Returns the loss. */
  step(): number {
    const { corpus, head, anchors, dims } = this.#task;
    const { dim } = corpus;
    const count = Math.min(BATCH, this.#task.self.length);
    const [k, listed] = this.#shape();
    const rows = new Float32Array(count * (1 + listed) * dim);
    for (let b = 0; b < count; b++) {
      const a = this.#anchor();
      rows.set(anchors.subarray(a * dim, (a + 1) * dim), b * dim);
      for (let n = 0; n < listed; n++) {
        const from = n < k ? n : k + Math.floor(this.#random() * (this.#listed - k));
        const row = this.#lists[a * this.#listed + from]!;
        rows.set(corpus.rows.subarray(row * dim, (row + 1) * dim), (count + b * listed + n) * dim);
      }
    }
    const basis = this.basis;
    const heads = projected(rows, basis, dim, head);
    const { value, gradient } = listLoss(rows, dim, heads, head, { count, k, listed, dims });
    const byBasis = throughBasis(rows, dim, gradient, head);
    const more = this.#pairStep(basis, byBasis);
    const rate = (RATE / 2) * (1 + cosOfPi(this.#done++ / this.#task.steps));
    this.#adam.step(this.#parameters, byBasis, rate);
    return value + more;
  }

  /** A query half of the time; less often where there are so few that training would know them by heart. */
  #anchor(): number {
    const { queries, self, steps } = this.#task;
    const others = self.length - queries;
    const share = others === 0 ? 1 : Math.min(0.5, (queries * OFTEN) / (BATCH * steps));
    return this.#random() < share
      ? Math.floor(this.#random() * queries)
      : queries + Math.floor(this.#random() * others);
  }

  /** How many rows stand beside an anchor: the nearest, and all of them. */
  #shape(): [number, number] {
    const k = Math.max(1, Math.min(NEAREST, this.#listed >> 1));
    return [k, Math.min(k + NEARLY, this.#listed)];
  }

  /** Adds the gradient of labelled pairs to that by the basis. */
  #pairStep(basis: Float32Array, byBasis: Float64Array): number {
    const { pairs, head, corpus } = this.#task;
    if (pairs === undefined) return 0;
    const { dim } = corpus;
    const total = pairs.scores.length;
    const chosen = Array.from({ length: Math.min(BATCH, total) }, () => Math.floor(this.#random() * total));
    const sides = [pairs.queries, pairs.rows].map((all) => gathered(all, dim, chosen));
    const heads = sides.map((rows) => ({ vectors: projected(rows, basis, dim, head), dim: head }));
    const labels = isGraded(pairs.scores) ? chosen.map((pair) => pairs.scores[pair]!) : undefined;
    const { value, gradients } = this.#pairLoss!(heads, labels);
    sides.forEach((rows, side) => {
      const own = throughBasis(rows, dim, gradients[side]!, head);
      for (let i = 0; i < own.length; i++) byBasis[i]! += own[i]!;
    });
    return value;
  }
}

/** Equal scores rank nothing: such pairs say only that their rows belong together. */
function isGraded(scores: Float64Array): boolean {
  return scores.some((score) => score !== scores[0]);
}

function lossOf({ scores }: LabelledPairs, dims: readonly number[]): Loss {
  return matryoshkaLoss(isGraded(scores) ? cosentLoss() : infoNceLoss(), { dims });
}

function gathered(all: Float32Array, dim: number, chosen: readonly number[]): Float32Array {
  const rows = new Float32Array(chosen.length * dim);
  chosen.forEach((from, to) => {
    rows.set(all.subarray(from * dim, (from + 1) * dim), to * dim);
  });
  return rows;
}

/** rows · basis, `count × head`. */
function projected(rows: Float32Array, basis: Float32Array, dim: number, head: number): Float64Array {
  const count = rows.length / dim;
  const out = new Float64Array(count * head);
  activeCodeKernels().project({ rows, count, dim, basis, width: head, out });
  return out;
}

/** From the gradient by rows · basis to that by the basis, `dim × head`. Gradients are rounded to float32. */
function throughBasis(rows: Float32Array, dim: number, gradient: Float64Array, head: number): Float64Array {
  const count = rows.length / dim;
  return product(transposed(rows, count, dim), Float32Array.from(gradient), dim, count, head);
}
