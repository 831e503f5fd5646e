/** One number of each vector of a collection, which its database computes: the score by a random query. */

import { FunnelError } from '../core/errors.js';
import { lengthOf } from '../core/exact-math.js';
import type { Id } from '../core/types.js';
import type { Source, SourceInfo } from '../query/source/source.js';

/** Between scores of the same row, in parts of the lengths of both vectors: rounding of float32 sums. */
const NOISE = 1e-6;
/** More is no rounding, not even of float16. */
const MOST_NOISE = 2e-4;
/** Rows that may be asked for at once: the most that Milvus answers. */
const MOST_ROWS = 16_384;
/**
 * Values of the query: int8, uint8, float16 and bfloat16 hold each of them. As powers of two they also round alike where a server
 * brings the query to length 1, so that its direction stays.
 */
const VALUES = [1, 2, 4, 8, 16, 32, 64];
/** Below it float16 rounds. */
const LEAST_SCALE = 2 ** -24;

/**
 * Rows whose vectors have changed, without their vectors. Another vector has another score by a random query, but for one in some ten
 * thousand; the next round's query is another one. No dim of it is zero, so that a change of one dim alone changes the score.
 */
export class Checksums {
  readonly #probe: Float32Array;
  readonly #length: number;
  readonly #rows: number;
  /** Rows that were read, turned out to be the same, and have another score than rounding explains. */
  wrong = 0;
  /** Whether the database can never search all dims among ids; another refusal may be of the moment. */
  impossible = false;

  /**
   * @param some rows of the collection, one after the other
   * @param noise errors up to here are rounding: grows where rows turned out to be the same
   */
  constructor(
    private readonly source: Source,
    private readonly info: SourceInfo,
    some: Float32Array,
    public noise = NOISE,
  ) {
    const probe = Float32Array.from({ length: info.dim }, () => VALUES[Math.floor(Math.random() * VALUES.length)]!);
    const length = lengthOf(probe);
    // A distance from a query that is far longer or shorter than the rows hardly tells them apart.
    const scale = info.metric === 'euclid' ? scaleFor(some, info.dim, length) : 1;
    this.#probe = probe.map((value) => value * scale);
    this.#length = length * scale;
    this.#rows = Math.min(MOST_ROWS, info.mostCandidates ?? MOST_ROWS);
  }

  /** By id, of those that have a vector; undefined where the database does not search all dims among ids: never, or not now. */
  async of(
    ids: readonly Id[],
    options: { timeout: number | undefined; signal: AbortSignal | undefined },
  ): Promise<Map<Id, number> | undefined> {
    const found = new Map<Id, number>();
    for (let at = 0; at < ids.length; at += this.#rows) {
      const some = ids.slice(at, at + this.#rows);
      const filter = { op: 'ids', ids: some } as const;
      const { timeout, signal } = options;
      try {
        const answer = await this.source.full({
          vector: this.#probe,
          limit: some.length,
          filter,
          ...(timeout !== undefined && { timeout }),
          ...(signal !== undefined && { signal }),
        });
        for (const [i, id] of answer.ids.entries()) found.set(id, answer.scores[i]!);
      } catch (error) {
        if (!(error instanceof FunnelError) || !(CANNOT.has(error.code) || error.code === 'REFUSED')) throw error;
        this.impossible = error.code !== 'REFUSED';
        return undefined;
      }
    }
    return found;
  }

  /** How far a score is from that of a vector, in parts of the lengths; NaN where it is none. */
  error(score: number | undefined, vector: Float32Array): number {
    if (score === undefined) return Number.NaN;
    const probe = this.#probe;
    let dot = 0;
    let square = 0;
    for (let i = 0; i < vector.length; i++) {
      const value = vector[i]!;
      dot += value * probe[i]!;
      square += value * value;
    }
    const length = Math.sqrt(square);
    const both = length * this.#length;
    if (this.info.metric === 'cosine') return both === 0 ? Math.abs(score) : Math.abs(score - dot / both);
    if (this.info.metric === 'dot') return both === 0 ? Math.abs(score) : Math.abs(score - dot) / both;
    const sum = length + this.#length;
    return Math.abs(score * score - (square + this.#length ** 2 - 2 * dot)) / (sum * sum);
  }

  isSame(error: number): boolean {
    return error <= this.noise;
  }

  /** An error of a row that was read and is the same. */
  learn(error: number): void {
    if (error <= MOST_NOISE) this.noise = Math.max(this.noise, Math.min(2 * error, MOST_NOISE));
    else this.wrong++;
  }
}

const CANNOT: ReadonlySet<string> = new Set(['UNSUPPORTED', 'BAD_ARGUMENT', 'BAD_DIMS']);

/** The power of two by which a query of this length becomes about as long as rows are; 1 where these may be stored as integers. */
function scaleFor(rows: Float32Array, dim: number, length: number): number {
  if (rows.every(Number.isInteger)) return 1;
  const own = lengthOf(rows) / Math.sqrt(rows.length / dim);
  let scale = 1;
  while (scale * length > own && scale > LEAST_SCALE) scale /= 2;
  while (scale * length * 2 <= own) scale *= 2;
  return scale;
}
