/** A mirror: the vectors of a collection in this process, so that the database is asked for ids only. */
import { describe, expected, FunnelError } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';
import { idAs } from '../core/ids.js';
import { ownView } from '../core/realm.js';
import type { Id, IdKind, Metric, MirrorStats, PackedCandidates, SyncMark } from '../core/types.js';
import type { PayloadSelector } from './payload.js';
import type { FetchRequest, HeadAnswer, PackedRows, Source, SourceInfo } from './source/source.js';

/** The part of a FunnelIndex that a search reads vectors from; anything that has it may be a mirror. */
export interface Mirror {
  /** Dims of its vectors. */
  readonly dim: number;
  /** The metric of the collection. */
  readonly metric: Metric;
  /** Undefined while it is empty. */
  readonly idKind: IdKind | undefined;
  /** Vectors by id into `out`, `ids.length × dim`; the places of ids that it does not have, ascending. */
  gather(ids: ArrayLike<Id>, out: Float32Array): number[];
  /** A few of its ids. */
  someIds(count: number): Id[];
}

/** The last completed sync of a mirror, as far as a search needs it. */
export interface MirrorMark extends SyncMark {
  /** The scope of the source. */
  scope?: string | undefined;
  /** The part of payloads that all rows have. */
  withPayload: PayloadSelector;
  /** The kinds of ids that the source hands out. */
  idKinds: readonly IdKind[];
}

/** The parts of a mirror that can be searched. */
export interface SearchableMirror {
  /** Its rows as a source. */
  readonly source: Source;
  /** Undefined before a sync was completed. */
  mark(): MirrorMark | undefined;
  /** Whether it has some rows of a collection: a sync was begun, and none was completed since. */
  cut(): boolean;
}

const searchable = new WeakMap<object, SearchableMirror>();

export function offerSearch(mirror: object, offered: SearchableMirror): void {
  searchable.set(mirror, offered);
}

/** @throws FunnelError BAD_ARGUMENT: vectors alone, or an index of another copy (ESM, CommonJS) of this package */
export function searchableMirror(mirror: object | undefined): SearchableMirror {
  const offered = mirror && searchable.get(mirror);
  if (offered !== undefined) return offered;
  throw expected('BAD_ARGUMENT', "a FunnelIndex of this copy of the package beside search: 'mirror'", 'mirror', mirror);
}

/** Candidates whose vectors came from a mirror, and from the database where it lacks them. */
export interface Mirrored {
  candidates: PackedCandidates;
  stats: MirrorStats;
  /** Milliseconds. */
  mirrorMs: number;
  fetchMs: number;
  /** Points that neither the mirror nor the database has a vector of. */
  lacking?: readonly Id[];
  /** Memory of the vectors, to be given back. */
  memory: Float32Array;
}

/** Values of a pool of 128 × 2048. */
const KEPT_VALUES = 1 << 18;
const KEPT = 4;

/** Memory for pools, used again: new memory is page faults, which take as long as filling it. */
export class Matrices {
  readonly #free: Float32Array[] = [];

  /** At least `values` long, of unknown content. */
  take(values: number): Float32Array {
    const free = this.#free.pop();
    return free !== undefined && free.length >= values ? free : new Float32Array(values);
  }

  /** Takes back a matrix that nobody reads any more. */
  give(matrix: Float32Array): void {
    if (matrix.length <= KEPT_VALUES && this.#free.length < KEPT) this.#free.push(matrix);
  }
}

export function isMirror(value: unknown): value is Mirror {
  const one = value as Partial<Mirror> | null;
  return typeof one === 'object' && typeof one?.gather === 'function' && typeof one.dim === 'number';
}

/** @throws FunnelError BAD_DIMS, BAD_ARGUMENT */
export function checkMirror(
  { dim, metric }: Pick<Mirror, 'dim' | 'metric'>,
  info: SourceInfo,
  source: string,
  what = 'the mirror',
): void {
  if (dim !== info.dim) throw expected('BAD_DIMS', `${info.dim} dims, as ${source} has,`, what, dim);
  if (metric !== info.metric) {
    throw expected('BAD_ARGUMENT', `metric '${info.metric}', as ${source} has,`, what, metric);
  }
}

/**
 * Puts vectors to the candidates of a head search without vectors. Vectors that the mirror lacks are fetched;
 * candidates that the database itself does not have any more are left out, and counted.
 *
 * @throws FunnelError BAD_ID where the ids of the two can never be the same; what the source throws
 */
export async function withMirrorVectors(
  mirror: Mirror,
  source: Source,
  answer: HeadAnswer,
  matrices: Matrices,
  options: Pick<FetchRequest, 'params'> & { timeout?: number | undefined; signal?: AbortSignal | undefined },
): Promise<Mirrored> {
  const { dim, idKind } = mirror;
  const began = performance.now();
  const { ids, payloads, headScores } = answer.candidates;
  if (!ids) throw expected('BAD_RESPONSE', 'candidates with ids', `the answer of ${source.name}`, ids);
  const count = ids.length;
  const memory = matrices.take(count * dim);
  const vectors = memory.subarray(0, count * dim);
  const missing = mirror.gather(idKind === undefined ? ids : inKind(idKind, ids), vectors);
  if (idKind !== undefined && count > 0 && missing.length === count) checkKinds(mirror, idKind, ids, source.name);
  const mirrorMs = performance.now() - began;
  const stats: MirrorStats = { found: count - missing.length, fetched: 0, gone: 0 };
  const all: PackedCandidates = { vectors, dim, ids, payloads, headScores };
  if (missing.length === 0) {
    all.finite = searchable.has(mirror); // an index takes no other rows
    return { candidates: all, stats, mirrorMs, fetchMs: 0, memory };
  }

  const fetching = performance.now();
  const { rows: fetched, lacking } = await source.fetch({ ids: missing.map((place) => ids[place]!), ...options });
  const gone = place(fetched, missing, ids, dim, vectors, source.name);
  stats.fetched = missing.length - gone.length;
  stats.gone = gone.length - (lacking?.length ?? 0);
  const candidates = gone.length === 0 ? all : without(all, gone, count);
  const fetchMs = performance.now() - fetching;
  return { candidates, stats, mirrorMs, fetchMs, memory, ...(lacking && { lacking }) };
}

/** Ids that have no form in the kind stay as they are: the mirror has none like them. */
export function inKind(kind: IdKind, ids: ArrayLike<Id>): ArrayLike<Id> {
  for (let i = 0; i < ids.length; i++) {
    if (typeof ids[i] !== kind) return Array.from(ids, (id) => idAs(kind, id) ?? id);
  }
  return ids;
}

function checkKinds(mirror: Mirror, kind: IdKind, ids: ArrayLike<Id>, source: string): void {
  const theirs = [...new Set(Array.from(ids, (id) => typeof id as IdKind))];
  const fits = (to: IdKind, from: ArrayLike<Id>) => Array.from(from).some((id) => idAs(to, id) !== undefined);
  const sample = mirror.someIds(16);
  const possible = fits(kind, ids) && theirs.some((one) => fits(one, sample));
  if (theirs.includes(kind) || sample.length === 0 || possible) return;
  throw new FunnelError(
    'BAD_ID',
    `Expected ids that the mirror may have, such as ${describe(sample[0])}, but ${source} has ids such as ${describe(ids[0])}: ` +
      'no id of the one can be an id of the other',
  );
}

/** Writes fetched rows into their places; the places that stay without. */
function place(
  fetched: PackedRows,
  missing: readonly number[],
  ids: ArrayLike<Id>,
  dim: number,
  into: Float32Array,
  source: string,
): number[] {
  const given = ownView(fetched.vectors as Float32Array | Uint16Array, `the vectors of ${source}`);
  if (fetched.dim !== dim || given.length !== fetched.ids.length * dim) {
    throw expected('BAD_RESPONSE', `vectors of ${dim} dims`, `the rows that ${source} was asked for`, fetched.dim);
  }
  const rowOf = new Map(fetched.ids.map((id, row) => [String(id), row]));
  return missing.filter((at) => {
    const row = rowOf.get(String(ids[at]));
    if (row === undefined) return true;
    const vector = given.subarray(row * dim, (row + 1) * dim);
    into.set(vector instanceof Uint16Array ? Float32Array.from(vector, halfToFloat) : vector, at * dim);
    return false;
  });
}

function without(
  { vectors, dim, ids, payloads, headScores }: PackedCandidates,
  gone: readonly number[],
  count: number,
): PackedCandidates {
  const leaves = new Set(gone);
  const kept = Array.from({ length: count }, (_, i) => i).filter((i) => !leaves.has(i));
  const all = vectors as Float32Array;
  kept.forEach((from, to) => void all.copyWithin(to * dim, from * dim, (from + 1) * dim));
  return {
    vectors: all.subarray(0, kept.length * dim),
    dim,
    ids: kept.map((i) => ids![i]!),
    payloads: payloads && kept.map((i) => payloads[i]),
    headScores: headScores && kept.map((i) => headScores[i]!),
  };
}
