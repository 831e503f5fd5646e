/** What is known of a head that was fitted. */
import type { HeadMethod } from './fit-options.js';

/** Mean shares of the k true neighbours (cosine, full vectors) among the `candidates` best by head. */
export interface ShortlistRecall {
  k: number;
  candidates: number;
  /** Rows searched among. */
  documents: number;
  /** How many queries fitted, chose the best step, and measured. Rows serve as queries where none were given. */
  queries: { fit: number; validation: number; test: number };
  /** By the first dims of the vectors as they are. Of the test queries, which nothing was fitted to or chosen by. */
  cut: number;
  /** By the closed form; of the test queries. */
  closedForm: number;
  /** By this head; of the test queries. */
  fitted: number;
  /** Of the validation queries, by which the best step was chosen: optimistic. */
  validation: { cut: number; closedForm: number; fitted: number };
}

export interface HeadFacts {
  method: HeadMethod;
  /** Dims of full vectors. */
  dim: number;
  /** Dims of heads. */
  headDim: number;
  /** Vectors that it was fitted to. */
  rows: number;
  seed: number;
  /** What it is, or what training started from. */
  start: 'closed form' | 'cut';
  /** Steps of training until this head; 0 for a closed form, and where no step was better. */
  steps: number;
  recall: ShortlistRecall;
  /** The model that made the vectors, where it was named. */
  model?: string;
}
