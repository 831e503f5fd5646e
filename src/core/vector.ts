/** Query vectors: a caller's is copied, checked and measured in one pass, and everything behind that takes it as it is. */
import { expected } from './errors.js';
import { checkAttached, checkDim, isNumbers, packNumbers } from './validate.js';

/** Key of requests to sources: their vector as a search has checked it, so that sources of ours need not look at it again. */
const CHECKED = Symbol('checked');

/** A request to a source, of a search or of anybody. */
interface Asked {
  readonly vector: Float32Array;
  [CHECKED]?: QueryVector;
}

/** Finite values, which nobody writes to any more. */
export class QueryVector {
  readonly dim: number;

  private constructor(
    readonly values: Float32Array,
    /** The euclidean length. */
    readonly norm: number,
  ) {
    this.dim = values.length;
  }

  /**
   * A caller's vector, copied: the caller may use its own again.
   *
   * @param dim undefined where the collection is not known yet
   * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE (with the dim), DETACHED_BUFFER
   */
  static of(given: unknown, dim: number | undefined, where: string): QueryVector {
    if (!isNumbers(given)) throw expected('BAD_ARGUMENT', 'a Float32Array or an array of numbers', where, given);
    if (ArrayBuffer.isView(given)) checkAttached(given, where);
    if (dim === undefined) checkDim(given.length, where);
    else if (given.length !== dim) throw expected('BAD_DIMS', `${dim} dims`, where, given);
    const values = given instanceof Float32Array ? new Float32Array(given) : packNumbers(given, where);
    // Another thread may have made a shared buffer longer between the two looks at it.
    if (dim !== undefined && values.length !== dim) throw expected('BAD_DIMS', `${dim} dims`, where, values);
    return new QueryVector(values, measure(values, where, given));
  }

  /**
   * Values of our own making, or that a source gave away: they are not copied.
   *
   * @throws FunnelError NOT_FINITE
   */
  static over(values: Float32Array, where: string): QueryVector {
    return new QueryVector(values, measure(values, where, values));
  }

  /** A copy of the vector of a request to a source: checked, unless a search has done so. */
  static received(request: Asked, dim: number, where: string): QueryVector {
    const { vector } = request;
    if (!QueryVector.isChecked(request, dim)) return QueryVector.of(vector, dim, where);
    return new QueryVector(new Float32Array(vector), request[CHECKED]!.norm);
  }

  /**
   * Whether a search has checked the vector of a request to a source. Whoever stands between the two may have put another
   * one in its place, or taken its memory away.
   */
  static isChecked({ vector, [CHECKED]: checked }: Asked, dim: number): boolean {
    return checked !== undefined && checked.values === vector && checked.dim === dim && vector.length === dim;
  }

  get isZero(): boolean {
    return this.norm === 0;
  }

  /** A copy of a request keeps the mark of what a search has checked. */
  static passedOn<Request extends { vector: Float32Array }>(request: Asked, copy: Request): Request {
    const checked = request[CHECKED];
    if (checked !== undefined) (copy as Asked)[CHECKED] = checked;
    return copy;
  }

  /** A request to a source with these values. It is written to: to spread an object with a symbol takes microseconds. */
  handOut<Request extends { vector: Float32Array }>(request: Request): Request {
    request.vector = this.values;
    (request as Asked)[CHECKED] = this;
    return request;
  }

  /** @throws FunnelError BAD_DIMS */
  checkDims(dim: number, where: string): this {
    if (this.dim !== dim) throw expected('BAD_DIMS', `${dim} dims`, where, this.values);
    return this;
  }
}

/**
 * The length. Squares of finite float32 values neither overflow a float64 sum nor vanish, so it is finite exactly where all
 * values are, and 0 exactly where all are. Four sums, since one waits for itself.
 */
function measure(values: Float32Array, where: string, given: ArrayLike<number>): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 4 <= values.length; i += 4) {
    s0 += values[i]! * values[i]!;
    s1 += values[i + 1]! * values[i + 1]!;
    s2 += values[i + 2]! * values[i + 2]!;
    s3 += values[i + 3]! * values[i + 3]!;
  }
  for (; i < values.length; i++) s0 += values[i]! * values[i]!;
  const norm = Math.sqrt(s0 + s1 + (s2 + s3));
  if (Number.isFinite(norm)) return norm;
  const at = values.findIndex((value) => !Number.isFinite(value));
  throw expected('NOT_FINITE', 'a finite float32', `dim ${at} of ${where}`, given[at]);
}
