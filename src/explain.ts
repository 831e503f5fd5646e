/** What each stage of a funnel dropped. Runs the stages one by one, on the same kernels and with the same bits. */
import { expected } from './errors.js';
import type { Kernels } from './kernels/kernels.js';
import { finish, notFinite, type Prepared, scoreOf } from './prepare.js';
import type { FunnelStage, Hit, Id } from './types.js';
import { areIntegersAndUuids } from './validate.js';

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

/** What became of one candidate. */
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
export type KeysAt = (to: number, keys: Float64Array) => void;

/** @param keysAt what the stages rank by. @default the task's query under its metric */
export function explain<Row>(
  kernels: Kernels,
  prepared: Prepared<Row>,
  keysAt: KeysAt = (to, keys) => void kernels.scores({ ...prepared.task, from: 0, to, keys }),
): Explanation<Row> {
  const { matrix, task } = prepared;
  const bad = kernels.firstNonFinite(task.rows);
  if (bad !== -1) throw notFinite(matrix, bad);

  let alive: number[] = Array.from({ length: matrix.count }, (_, index) => index);
  const stages = prepared.stages.map((stage, s): ExplainedStage => {
    const start = performance.now();
    const keys = new Float64Array(matrix.count);
    keysAt(stage.scale, keys);
    const entered = Float64Array.from(alive, (index) => keys[index]!);
    const order = new Uint32Array(alive.length);
    const sorted = new Float64Array(alive.length);
    kernels.topK(entered, order, sorted);
    const standing = (rank: number): Standing => {
      const index = alive[order[rank]!]!;
      return { id: matrix.id(index), index, rank, score: scoreOf(prepared, sorted[rank]!) };
    };
    const dropped: Standing[] = [];
    for (let rank = stage.out; rank < alive.length; rank++) dropped.push(standing(rank));
    const cutoff = stage.out > 0 ? standing(stage.out - 1).score : undefined;
    const kept = Array.from(order.subarray(0, stage.out), (place) => alive[place]!);
    if (s === prepared.stages.length - 1) {
      task.indices.set(kept);
      task.keys.set(sorted.subarray(0, stage.out));
    }
    // Back into candidate order, which decides between equal scores.
    alive = kept.sort((a, b) => a - b);
    return { ...stage, ms: performance.now() - start, cutoff, dropped };
  });
  const hits = finish(prepared, -1);
  const ids = () => Array.from({ length: matrix.count }, (_, index) => matrix.id(index));
  return { hits, stages, find: (id) => find(hits, stages, id, ids()) };
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
