/** The Matryoshka wrapper: one loss at several prefix lengths of the same embeddings. */
import { expected } from '../core/errors.js';
import { seeded } from '../core/random.js';
import { checkInteger, checkKeys } from '../core/validate.js';
import { checkAlike, checkDims, checkEmbeddings, type Embeddings, prefixes } from './embeddings.js';
import type { Labels, Loss } from './loss.js';
import { throughUnits, unitsOf } from './units.js';

/** Which prefixes a loss is taken over. */
export interface MatryoshkaOptions {
  /** Prefix lengths. Longest first is how they are visited, whatever their order here. */
  dims: readonly number[];
  /** As long as dims. @default 1 each */
  weights?: readonly number[];
  /** So many of the dims, drawn anew at each call; −1 for all of them. Nothing is divided by the share. @default -1 */
  dimsPerStep?: number;
  /** Seed of the draws. @default 1 */
  seed?: number;
}

/**
 * Σ_m weight_m · loss(normalised first m dims), over all dims or a draw of them. Sums, not means: nothing is divided by
 * weights or by the share drawn. Labels that are vectors as long as the embeddings are cut to m too, and not normalised.
 * A loss that is made for full vectors alone should have their length among dims; Node prints a warning where it has not.
 *
 * Source: Kusupati et al., arXiv 2205.13147; as sentence-transformers' MatryoshkaLoss.
 *
 * @example
 * const loss = matryoshkaLoss(infoNceLoss(), { dims: [768, 256, 64] });
 * const { value, gradients } = loss([{ vectors: anchors, dim: 768 }, { vectors: positives, dim: 768 }]);
 *
 * @throws FunnelError BAD_PLAN, BAD_ARGUMENT; at the call BAD_DIMS for a prefix longer than the embeddings
 */
export function matryoshkaLoss(loss: Loss, options: MatryoshkaOptions): Loss {
  if (typeof loss !== 'function') throw expected('BAD_ARGUMENT', 'a loss', 'matryoshkaLoss()', loss);
  checkKeys(options, ['dims', 'weights', 'dimsPerStep', 'seed'], 'the options of matryoshkaLoss()');
  const { dims, dimsPerStep = -1, seed = 1 } = options;
  checkDims(dims);
  const weights = checkWeights(options.weights ?? dims.map(() => 1), dims.length);
  checkInteger(dimsPerStep, -1, dims.length, 'dimsPerStep');
  checkInteger(seed, 0, 0xffff_ffff, 'seed');
  const steps = dims.map((m, i) => ({ m, weight: weights[i]! })).sort((a, b) => b.m - a.m);
  const random = seeded(seed);
  let warned = false;

  return (embeddings, labels) => {
    if (!Array.isArray(embeddings)) throw expected('BAD_ARGUMENT', 'an array of embeddings', 'the loss', embeddings);
    const all = Array.from(embeddings as readonly Embeddings[], (one, c) =>
      checkEmbeddings(one, `column ${c} of the loss`),
    );
    if (all.length === 0) throw expected('BAD_ARGUMENT', 'at least one column of embeddings', 'the loss', embeddings);
    const { count, dim } = checkAlike(all, 'the embeddings of the loss');
    checkDims(dims, dim);
    if (!warned && !dims.includes(dim)) {
      warned = true;
      process.emitWarning(`The full length ${dim} is not among the dims of matryoshkaLoss(): it is not trained.`);
    }
    const targets = longLabels(labels, count, dim);
    let value = 0;
    const gradients = all.map(() => new Float64Array(count * dim));
    for (const { m, weight } of drawn(steps, dimsPerStep, random)) {
      const units = all.map((one) => unitsOf(prefixes(one, m), count, m));
      const inner = loss(
        units.map(({ values }) => ({ vectors: values, dim: m })),
        targets === undefined ? labels : { vectors: prefixes(targets, m), dim: m },
      );
      value += weight * inner.value;
      units.forEach((one, c) => {
        throughUnits(one, inner.gradients[c]!, gradients[c]!, dim, weight);
      });
    }
    return { value, gradients };
  };
}

/** Labels that are as long as the embeddings. */
function longLabels(labels: Labels | undefined, count: number, dim: number) {
  if (typeof labels !== 'object' || labels === null || !('vectors' in labels)) return undefined;
  const checked = checkEmbeddings(labels as Embeddings, 'labels');
  if (checked.count !== count) throw expected('BAD_ARGUMENT', `${count} rows of labels`, 'the loss', checked.count);
  return checked.dim === dim ? checked : undefined;
}

/** In their order. */
function drawn<T>(steps: readonly T[], wanted: number, random: () => number): readonly T[] {
  if (wanted <= 0 || wanted >= steps.length) return steps;
  const kept = new Set<number>();
  while (kept.size < wanted) kept.add(Math.floor(random() * steps.length));
  return steps.filter((_, i) => kept.has(i));
}

function checkWeights(weights: readonly number[], count: number): readonly number[] {
  if (!Array.isArray(weights) || weights.length !== count) {
    throw expected('BAD_PLAN', `${count} weights, one for each of dims,`, 'weights', weights);
  }
  for (const weight of weights) {
    if (typeof weight !== 'number' || !Number.isFinite(weight) || weight < 0) {
      throw expected('BAD_PLAN', 'finite numbers of at least 0', 'weights', weight);
    }
  }
  return [...weights];
}
