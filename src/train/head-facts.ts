/** The facts of a head that was fitted. */
import type { HeadMethod } from './fit-options.js';

/** Mean shares of the k true neighbours (cosine, full vectors) among the `candidates` best by head. */
export interface ShortlistRecall {
  /** True neighbours of a query that are looked for. */
  k: number;
  /** Rows of a shortlist. */
  candidates: number;
  /** Rows searched among. */
  documents: number;
  /** How many queries fitted, chose the best step, and measured. Rows serve as queries where none were given. */
  queries: {
    /** Fitted to. */
    fit: number;
    /** Chose the best step. */
    validation: number;
    /** Measured the result. */
    test: number;
  };
  /** By the first dims of the vectors as they are. Measured on the test queries, which nothing was fitted to or chosen by. */
  cut: number;
  /** By the closed form; measured on the test queries. */
  closedForm: number;
  /** By this head; measured on the test queries. */
  fitted: number;
  /** On the validation queries, by which the best step was chosen: optimistic. */
  validation: {
    /** By the first dims. */
    cut: number;
    /** By the closed form. */
    closedForm: number;
    /** By this head. */
    fitted: number;
  };
}

/** How a head was made, and how good it is. */
export interface HeadFacts {
  /** The method that fitHead() was asked for. */
  method: HeadMethod;
  /** Dims of full vectors. */
  dim: number;
  /** Dims of heads. */
  headDim: number;
  /** Vectors that it was fitted to. */
  rows: number;
  /** The seed of the draws of vectors, queries and steps. */
  seed: number;
  /** The start of training, which is the head itself where no step was better. */
  start: 'closed form' | 'cut';
  /** Steps of training until this head; 0 for a closed form, and where no step was better. */
  steps: number;
  /** Measured on queries that nothing was fitted to. */
  recall: ShortlistRecall;
  /** The model that made the vectors, where it was named. */
  model?: string;
}
