/** The data that a report's plots draw, small enough to be written into the page. */
import type { PrefixResult } from '../prefix.js';
import type { NeighbourStanding, TuneResult } from '../types.js';

/** Points of the curve of ranks. */
const POINTS = 240;

export interface Plots {
  curve: {
    target: number;
    /** Milliseconds, recall; where on the frontier. */
    plans: [number, number, boolean][];
    chosen: [number, number];
    exact: number;
  };
  /** Candidates, and the share of true neighbours among so many. */
  ranks: { points: [number, number][]; chosen: number | undefined; target: number };
  stages: { names: string[]; lost: number[] };
  /** By traced query: place among the candidates (1 is the first), and what became of it. */
  traces: { labels: string[]; chosen: number | undefined; most: number; dots: [number, number, NeighbourFate][] };
  prefix: PrefixResult | undefined;
}

/** Returned; lost in the head search; lost by a later scale; beyond what was looked at. */
export type NeighbourFate = 'found' | 'head' | 'scale' | 'beyond';

/** Candidates of the plan that is drawn. */
export function candidatesOf(result: TuneResult): number | undefined {
  const { request } = cheapest(result);
  return request.plan?.candidates ?? request.params?.candidates;
}

/** The plan that stages and traces tell of. */
export function cheapest({ curve, chosen }: TuneResult): TuneResult['curve'][number] {
  return curve[chosen]!;
}

export function plotsOf(result: TuneResult, prefix: PrefixResult | undefined, labels: string[]): Plots {
  const { curve, target, latency, stages, traces } = result;
  const one = cheapest(result);
  const chosen = candidatesOf(result);
  const most = Math.max(1, chosen ?? 1, ...result.ranks.map(placeOf));
  return {
    curve: {
      target: target.recall,
      plans: curve.map(({ cost, recall, frontier }): [number, number, boolean] => [cost, recall, frontier]),
      chosen: [one.cost, one.recall],
      exact: latency.exact.p50,
    },
    ranks: { points: ranksOf(result.ranks, most), chosen, target: target.recall },
    stages: { names: stages.map(({ name }) => name), lost: stages.map(({ lost }) => lost) },
    traces: {
      labels,
      chosen,
      most,
      dots: traces.flatMap(({ neighbours }, t) =>
        neighbours.map((standing): [number, number, NeighbourFate] => [
          standing.headRank === -1 ? 1.6 * most : placeOf(standing.headRank),
          t,
          fateOf(standing),
        ]),
      ),
    },
    prefix,
  };
}

/** The first candidate has place 1. */
function placeOf(rank: number): number {
  return rank + 1;
}

export function fateOf({ headRank, lostAt }: NeighbourStanding): NeighbourFate {
  if (lostAt === -1) return 'found';
  if (lostAt > 0) return 'scale';
  return headRank === -1 ? 'beyond' : 'head';
}

function ranksOf(ranks: readonly number[], most: number): [number, number][] {
  const sorted = ranks
    .filter((rank) => rank !== -1)
    .map(placeOf)
    .sort((a, b) => a - b);
  const points: [number, number][] = [];
  let below = 0;
  for (let i = 0; i <= POINTS; i++) {
    const places = Math.round(most ** (i / POINTS));
    if (points.at(-1)?.[0] === places) continue;
    while (below < sorted.length && sorted[below]! <= places) below++;
    points.push([places, ranks.length === 0 ? 0 : below / ranks.length]);
  }
  return points;
}
