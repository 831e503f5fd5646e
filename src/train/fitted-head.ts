/** A head that was fitted: a linear map from full vectors to heads, with what is known of it. */
import { expected, FunnelError } from '../core/errors.js';
import { arrayKind, ownFloats } from '../core/realm.js';
import type { Vector } from '../core/types.js';
import { checkAttached, checkQuery } from '../core/validate.js';
import { activeCodeKernels } from '../kernels/codes-load.js';
import type { HeadFacts } from './head-facts.js';
import { fromHeadFile, type HeadFile, readHeadFile, toHeadFile, writeHeadFile } from './head-file.js';
import { checkedRows, type Vectors } from './rows.js';

/** Rows to a product: bounds its float64 answer. */
const AT_ONCE = 4096;

/** A linear map from full vectors to heads, by fitHead() or loadHead(). */
export class FittedHead {
  /** Facts of its making, and its recall. */
  readonly facts: Readonly<HeadFacts>;
  /** Row-major, `dim × headDim`. */
  readonly #basis: Float32Array;

  /** @internal fitHead() and loadHead() make them */
  constructor(facts: HeadFacts, basis: Float32Array) {
    this.facts = facts;
    this.#basis = basis;
  }

  /** Dims of full vectors. */
  get dim(): number {
    return this.facts.dim;
  }

  /** Dims of heads. */
  get headDim(): number {
    return this.facts.headDim;
  }

  /**
   * Heads of vectors, `n × headDim`: what goes into the head field, beside the vectors as they are. Not normalised; a cosine
   * does not mind.
   *
   * @param of as fitHead() takes them, or a Float32Array of `n × dim`
   * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, DETACHED_BUFFER
   */
  apply(of: Vectors | Float32Array): Float32Array {
    const { dim, headDim } = this;
    const vectors = ownFloats(of, 'vectors');
    const given = vectors instanceof Float32Array ? { vectors, dim } : vectors;
    if (vectors instanceof Float32Array) checkAttached(vectors, 'vectors');
    if (isEmpty(given)) return new Float32Array(0);
    return mapped(checkedRows(given, 'vectors', { dim }).vectors, this.#basis, dim, headDim);
  }

  /**
   * The head of a query, to search the head field by. May be handed on as it is: `headOf: fitted.applyQuery`.
   *
   * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, DETACHED_BUFFER
   */
  readonly applyQuery = (query: Vector): Float32Array => {
    const { dim, headDim } = this;
    return mapped(checkQuery(query, dim), this.#basis, dim, headDim);
  };

  /** The head as plain data, for JSON.stringify(); {@link headFromJson} reads it. */
  toJSON(): HeadFile {
    return toHeadFile(this.facts, this.#basis);
  }

  /**
   * Writes it to a file, beside an index say; what was there is replaced when the new one is whole and synced.
   *
   * @throws FunnelError BAD_ARGUMENT, DISK
   */
  async save(path: string): Promise<void> {
    await writeHeadFile(path, this.toJSON());
  }
}

/**
 * The head that {@link FittedHead.save} wrote.
 *
 * @throws FunnelError BAD_ARGUMENT (no such file, or no head), UNSUPPORTED_FORMAT, CORRUPT
 */
export async function loadHead(path: string): Promise<FittedHead> {
  const { facts, basis } = await readHeadFile(path);
  return new FittedHead(facts, basis);
}

/**
 * The head that {@link FittedHead.toJSON} gave, as an object.
 *
 * @throws FunnelError as loadHead
 */
export function headFromJson(json: unknown): FittedHead {
  const { facts, basis } = fromHeadFile(json, 'the object');
  return new FittedHead(facts, basis);
}

function isEmpty(given: Vectors): boolean {
  if (Array.isArray(given)) return given.length === 0;
  const vectors = (given as { vectors?: unknown } | null)?.vectors;
  return arrayKind(vectors) === 'Float32Array' && (vectors as Float32Array).length === 0;
}

function mapped(rows: Float32Array, basis: Float32Array, dim: number, headDim: number): Float32Array {
  const count = rows.length / dim;
  if (!Number.isInteger(count)) throw expected('BAD_DIMS', `a multiple of ${dim} numbers`, 'vectors', rows);
  const heads = new Float32Array(count * headDim);
  const out = new Float64Array(Math.min(AT_ONCE, count) * headDim);
  for (let from = 0; from < count; from += AT_ONCE) {
    const n = Math.min(AT_ONCE, count - from);
    const part = rows.subarray(from * dim, (from + n) * dim);
    activeCodeKernels().project({ rows: part, count: n, dim, basis, width: headDim, out });
    heads.set(out.subarray(0, n * headDim), from * headDim);
  }
  const bad = heads.findIndex((value) => !Number.isFinite(value));
  if (bad !== -1) {
    const row = Math.floor(bad / headDim);
    throw new FunnelError('NOT_FINITE', `Expected a head within float32 for row ${row} but its vector is too long`);
  }
  return heads;
}
