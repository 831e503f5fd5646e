/** funnelvec/train: losses over prefixes, where to cut, and heads for models that were not trained to be cut. */

export { pairLoss, rank, rankLoss, reconstructionLoss, topkLoss } from './adaptor.js';
export type { Embeddings } from './embeddings.js';
export {
  type EvaluateOptions,
  type Evaluation,
  type EvaluationRow,
  evaluate,
  evaluationTable,
  type Relevant,
} from './evaluate.js';
export { fitHead } from './fit-head.js';
export type { FitHeadOptions, FitProgress, HeadMethod, HeadPair } from './fit-options.js';
export { FittedHead, headFromJson, loadHead } from './fitted-head.js';
export type { HeadFacts, ShortlistRecall } from './head-facts.js';
export type { HeadFile } from './head-file.js';
export { cosent, cosentLoss, infoNceLoss, type Labels, type Loss, type LossResult, type ScaleOptions } from './loss.js';
export { type MatryoshkaOptions, matryoshkaLoss } from './matryoshka.js';
export { type Grades, ndcgAt, recallAt, reciprocalRankAt } from './ranking-metrics.js';
export type { Vectors } from './rows.js';
