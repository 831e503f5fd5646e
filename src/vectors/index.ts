/** funnelvec/vectors: vectors as APIs and files hold them, made float32; the right way to cut them. */

export type { ElementType } from '../core/elements.js';
export { type DecodeOptions, decodeVector, decodeVectors, type EncodedVector, type VectorMatrix } from './decode.js';
export { type TruncateOptions, truncate } from './truncate.js';
