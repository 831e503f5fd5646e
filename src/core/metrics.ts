/** Metrics, and the rows that they compare. */

/** How rows are compared with a query: 'cosine' and 'dot', larger is better; 'euclid', a distance, smaller is better. */
export type Metric = 'cosine' | 'dot' | 'euclid';

/** Every metric, in the order of their codes in native and WASM code. */
export const METRICS: readonly Metric[] = ['cosine', 'dot', 'euclid'];

/** Most dims of a vector. */
export const MAX_DIM = 65_536;

/** float32 values, or the bits of float16 values. */
export type Rows = Float32Array | Uint16Array;
