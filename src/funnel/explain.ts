/**
 * Tells which candidates each stage of a funnel dropped. It runs the stages one by one, on the same kernels and with
 * the same bits.
 */
import { expected } from '../core/errors.js';
import { atOnce, type Sliced } from '../core/slices.js';
import type { FunnelStage, Hit, Id } from '../core/types.js';
import { areIntegersAndUuids } from '../core/validate.js';
import type { FunnelTask, Kernels } from '../kernels/kernels.js';
import { hitsInSlices, notFiniteValue, type Prepared, scoreOf } from './prepare.js';

/** A candidate as one stage saw it. */
export interface Standing {
  /** The candidate's. */
  id: Id;
  /** Position in the candidate set. */
  index: number;
  /** Zero-based place among the rows that entered the stage. */
  rank: number;
  /** Score at the stage's scale. */
  score: number;
}

/** A stage, and what it dropped. */
export interface ExplainedStage extends FunnelStage {
  /** Milliseconds that it took alone. */
  ms: number;
  /** The worst score that stayed; undefined when nothing did. */
  cutoff?: number;
  /** Best first. */
  dropped: Standing[];
}

/** The outcome for one candidate. */
export type Fate =
  /** It was never in the pool: only a larger or better head search could have found it. */
  | {
      /** It did not enter the funnel. */
      outcome: 'not a candidate';
    }
  | {
      /** A stage dropped it. */
      outcome: 'dropped';
      /** Number of the stage, from 0. */
      stage: number;
      /** Dims that the stage scored. */
      scale: number;
      /** Zero-based place among the rows that entered the stage. */
      rank: number;
      /** Score at the stage's scale. */
      score: number;
      /** The worst score that stayed; undefined when nothing did. */
      cutoff?: number;
    }
  | {
      /** It is in the answer. */
      outcome: 'hit';
      /** Zero-based place among the hits. */
      rank: number;
      /** Its score there. */
      score: number;
    };

/** The answer of a funnel, stage by stage. */
export interface Explanation<Row = unknown> {
  /** The answer, as without `explain`. */
  hits: Hit<Row>[];
  /** One for each scale. */
  stages: ExplainedStage[];
  /** Where an id was lost, or its place among the hits. */
  find(id: Id): Fate;
}

/** Keys of all rows over their first `to` dims. */
export type KeysAt = (to: number, keys: Float64Array) => Sliced<void>;

/** Values of rows that are scored between two turns of others: a millisecond or less. */
const VALUES_AT_ONCE = 1 << 20;

export function explain<Row>(kernels: Kernels, prepared: Prepared<Row>): Explanation<Row> {
  return atOnce(explaining(kernels, prepared));
}

/**
 * The same in slices.
 *
 * @param keysAt what the stages rank by. @default the task's query under its metric
 */
export function* explaining<Row>(
  kernels: Kernels,
  prepared: Prepared<Row>,
  keysAt: KeysAt = (to, keys) =>
    byParts(prepared, VALUES_AT_ONCE, (rows, at, count) => {
      kernels.scores({ ...prepared.task, rows, from: 0, to, keys: keys.subarray(at, at + count) });
    }),
): Sliced<Explanation<Row>> {
  const { matrix, task } = prepared;
  yield* byParts(prepared, VALUES_AT_ONCE, (rows, at) => {
    const bad = kernels.firstNonFinite(rows);
    if (bad !== -1) throw notFiniteValue(matrix, at * task.dim + bad);
  });

  let alive = Uint32Array.from({ length: matrix.count }, (_, index) => index);
  const stages: ExplainedStage[] = [];
  for (const [s, stage] of prepared.stages.entries()) {
    const start = performance.now();
    const keys = new Float64Array(matrix.count);
    yield* keysAt(stage.scale, keys);
    const entered = Float64Array.from(alive, (index) => keys[index]!);
    const order = new Uint32Array(alive.length);
    const sorted = new Float64Array(alive.length);
    kernels.topK(entered, order, sorted);
    const standing = (rank: number): Standing => {
      const index = alive[order[rank]!]!;
      return { id: matrix.id(index), index, rank, score: scoreOf(prepared, sorted[rank]!) };
    };
    yield;
    const dropped: Standing[] = [];
    for (let rank = stage.out; rank < alive.length; rank++) {
      if (dropped.push(standing(rank)) % ROWS_AT_ONCE === 0) yield;
    }
    const cutoff = stage.out > 0 ? standing(stage.out - 1).score : undefined;
    const entering = alive;
    const kept = order.subarray(0, stage.out).map((place) => entering[place]!);
    if (s === prepared.stages.length - 1) {
      task.indices.set(kept);
      task.keys.set(sorted.subarray(0, stage.out));
    }
    // Back into candidate order, which decides between equal scores.
    alive = kept.sort();
    stages.push({ ...stage, ms: performance.now() - start, cutoff, dropped });
    yield;
  }
  const hits = yield* hitsInSlices(prepared, -1);
  const ids = () => Array.from({ length: matrix.count }, (_, index) => matrix.id(index));
  return { hits, stages, find: (id) => find(hits, stages, id, ids()) };
}

/** Rows told between two turns of others. */
const ROWS_AT_ONCE = 2048;

/** A part of the rows at a time, of about so many values: `at` is the number of its first row, `count` that of its rows. */
export function* byParts(
  { matrix: { count }, task: { rows, dim } }: Prepared<unknown>,
  values: number,
  run: (rows: FunnelTask['rows'], at: number, count: number) => void,
): Sliced<void> {
  const size = Math.max(1, Math.floor(values / dim));
  for (let at = 0; at < count; at += size) {
    if (at > 0) yield;
    const end = Math.min(count, at + size);
    run(rows.subarray(at * dim, end * dim), at, end - at);
  }
}

function find(hits: Hit[], stages: ExplainedStage[], id: Id, ids: readonly Id[]): Fate {
  const kinds = new Set(ids.map((one) => typeof one));
  // '7' is no 7: to say that it was never a candidate would be a lie.
  if (kinds.size > 0 && !kinds.has(typeof id) && !areIntegersAndUuids([...ids, id])) {
    throw expected('BAD_ID', `a ${[...kinds].join(' or ')}, as the ids are,`, 'id', id);
  }
  const rank = hits.findIndex((hit) => hit.id === id);
  if (rank !== -1) return { outcome: 'hit', rank, score: hits[rank]!.score };
  for (const [stage, { scale, cutoff, dropped }] of stages.entries()) {
    const lost = dropped.find((standing) => standing.id === id);
    if (lost) return { outcome: 'dropped', stage, scale, rank: lost.rank, score: lost.score, cutoff };
  }
  return { outcome: 'not a candidate' };
}
