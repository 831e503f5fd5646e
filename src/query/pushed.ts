/** Searches whose stages the database runs: what it is asked, and whether its answer is the one of this process. */
import type { Hit } from '../core/types.js';
import { resolvePlan } from '../funnel/plan.js';
import type { Answer, Fitted, PlacedSearch, Placement, Pushed, RankedPool } from './fitted.js';
import type { HeadAnswer, ServerScales, ServerStage, SourceInfo, StagedRequest } from './source/source.js';
import { ASKED } from './stages.js';

/** A search at its place: what the database ranked is only scored again, by all dims at once. */
export function atPlace(fitted: Fitted, placement: Placement): PlacedSearch {
  const { pushed } = placement;
  if (pushed === undefined) {
    const { search, plan, limit, depth, candidates, given, stages, rescore } = fitted;
    return { search, plan, limit, depth, candidates, given, stages, rescore, placement };
  }
  const last = pushed.stages.at(-1)!;
  const plan = { ...fitted.plan, scales: [last.scale], keep: [1] };
  return { ...fitted, plan, depth: last.keep - pushed.offset, placement };
}

export function isPushed({ placement }: PlacedSearch): boolean {
  return placement.pushed !== undefined;
}

export function stagedRequest({ search, candidates, placement, rescore }: PlacedSearch): StagedRequest {
  const { options, vector, filter, withPayload } = search;
  const { nativeFilter, params, timeout, signal, withVector } = options;
  const { stages, offset } = placement.pushed!;
  const vectors = rescore || Boolean(withVector);
  const request: StagedRequest = { vector: vector.values, candidates, stages, offset, withPayload, vectors };
  if (timeout !== undefined) request.timeout = timeout;
  if (signal !== undefined) request.signal = signal;
  if (filter !== undefined) request.filter = filter;
  if (nativeFilter !== undefined) request.nativeFilter = nativeFilter;
  if (params !== undefined) request.params = params;
  return vector.handOut(request);
}

/** Rows that the database ranked: they are scored again where vectors came for it, or are decided. */
export function ranksOfDatabase(answer: HeadAnswer, { rescore }: PlacedSearch): Answer {
  const { candidates, headMs, decodeMs, exactBelow, filteredPool } = answer;
  const own: Answer = { candidates, headMs, decodeMs };
  if (exactBelow !== undefined) own.exactBelow = exactBelow;
  if (filteredPool) own.filteredPool = filteredPool;
  if (rescore) return own;
  own.decided = true;
  // REST writes a float32 in few digits, which are another float64 than the one that gRPC has.
  candidates.headScores = Float32Array.from(candidates.headScores ?? []);
  return own;
}

/** Whether the page is the one that this process would cut. */
export function isCertain({ fitted, answer, hits }: RankedPool): boolean {
  const { placement, rescore, search, limit } = fitted;
  const { pushed } = placement;
  if (pushed === undefined || !rescore) return true;
  const { offset = 0, paged } = search.options;
  const from = paged ? offset - pushed.offset : 0;
  const { headScores } = answer.candidates;
  return headScores !== undefined && cutAlike(hits, headScores, [from, from + limit], paged);
}

/** The same stages on this side, where all candidates are scored in float64. */
export function rankedHere(fitted: PlacedSearch): PlacedSearch {
  const { plan, placement } = fitted;
  const { stages, depth } = placement.pushed!;
  const scales = stages.map(({ scale }) => scale);
  const keep = stages.map(({ keep: count }, s) => (s === stages.length - 1 ? 1 : { count }));
  const why = 'rows where the page ends score alike in the float32 of the database';
  return { ...fitted, plan: { ...plan, scales, keep }, depth, placement: { on: 'client', why } };
}

/** Numbers hits by their places in the whole list of the database, of which it sent a part. */
export function numberHits({ fitted }: RankedPool, hits: readonly Hit[]): void {
  const offset = fitted.placement.pushed?.offset ?? 0;
  if (offset > 0) for (const hit of hits) hit.index += offset;
}

/** A database that can run stages. */
interface Database {
  name: string;
  info: SourceInfo;
  /** The dims by which it can rank. */
  scales: ServerScales;
}

/** The place of a search in the database, or why it has none there. */
export function pushable(fitted: Fitted, database: Database): Placement | string {
  const asked = fitted.stages === 'server';
  const pushed = stagesThere(fitted, asked, database);
  if (typeof pushed === 'string') return pushed;
  const { passedOver, ...way } = pushed;
  const why = asked ? ASKED : whyPushed(fitted, way);
  return { on: 'server', why, ...(passedOver.length > 0 && { passedOver }), pushed: way };
}

function whyPushed({ candidates }: Fitted, { stages, offset }: Pushed): string {
  return `the database ranks its ${candidates} candidates itself, and sends ${stages.at(-1)!.keep - offset} of them`;
}

/**
 * The stages as the database can run them, or why it cannot.
 *
 * @param asked whether the caller says that they shall run there: scales that it has no vectors for are passed over then
 */
function stagesThere(
  { plan, search, candidates, given, limit, depth, rescore }: Fitted,
  asked: boolean,
  { name, info, scales }: Database,
): (Pushed & { passedOver: number[] }) | string {
  const { options, recommend, pool } = search;
  if (!scales.scales.includes(info.dim)) return scales.why ?? `${name} cannot run stages`;
  if (pool !== undefined) return 'groups are made of whole pools';
  if (recommend) return `strategy '${recommend.strategy}' ranks by several examples`;
  if (options.explain) return 'explain looks at every candidate';
  if (plan.metric !== scales.metric) return `the plan ranks by ${plan.metric}, ${name} by ${scales.metric}`;
  const last = plan.scales.at(-1)!;
  if (last !== info.dim) return `the plan decides by ${last} of ${info.dim} dims`;
  const pruning = resolvePlan(plan, candidates, depth)
    .stages.slice(0, -1)
    .filter((stage) => stage.out < stage.in);
  const passedOver = pruning.map(({ scale }) => scale).filter((scale) => !scales.scales.includes(scale));
  // A plan of the caller's is carried out as it says; one of ours only says how the work is to be saved.
  if (passedOver.length > 0 && given && !asked) {
    return (
      `the plan prunes by the first ${passedOver.join(' and ')} dims, of which ${name} has no vectors ` +
      `({ scales: [${info.dim}], keep: 1 } leaves them out, stages: 'server' passes over them)`
    );
  }
  const from = options.paged ? (options.offset ?? 0) : 0;
  // One row more on either side tells whether the page ends where ours would.
  const spare = rescore ? 1 : 0;
  const to = Math.min(from + limit, depth) + spare;
  if (to >= candidates && !asked) return `all ${candidates} candidates are asked for`;
  const stages: ServerStage[] = pruning
    .filter(({ scale }) => !passedOver.includes(scale))
    .map(({ scale, out }) => ({ scale, keep: out }));
  stages.push({ scale: info.dim, keep: Math.min(to, candidates) });
  return { stages, offset: Math.max(0, from - spare), depth, passedOver };
}

/** Less than this share of a score is float32's own rounding. */
const ROUNDING = 2 ** -23;
/** A gap is certain that is so many times as wide as the database's scores are off. */
const TIMES_OFF = 4;

/**
 * Whether the database, which ranks in float32, has cut its list where this process would: the rows on either side of each cut
 * differ by more than its scores are off, or not at all.
 *
 * @param theirs its scores, in its order
 * @param hits the same rows with scores of ours, best first
 * @param cuts places among the hits
 * @param isPaged whether other pages go on there: rows of one score could be on two of them, or on none
 */
function cutAlike(
  hits: readonly { score: number; index: number }[],
  theirs: ArrayLike<number>,
  cuts: readonly number[],
  isPaged: boolean,
): boolean {
  const inside = cuts.filter((cut) => cut > 0 && cut < hits.length);
  if (inside.length === 0) return true;
  let off = 0;
  for (const { score, index } of hits) {
    off = Math.max(off, Math.abs(score - theirs[index]!), ROUNDING * Math.abs(score));
  }
  return inside.every((cut) => {
    const gap = Math.abs(hits[cut]!.score - hits[cut - 1]!.score);
    return gap === 0 ? !isPaged : gap > TIMES_OFF * off;
  });
}
