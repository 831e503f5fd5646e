/** Where the stages of a plan run: in the database, on vectors that it sends, or on those of a mirror; and why there. */
import { expected, FunnelError } from '../core/errors.js';
import { resolvePlan } from '../funnel/plan.js';
import type { Fitted, Placement, Pushed } from './fitted.js';
import type { ServerScales, ServerStage, SourceInfo } from './source/source.js';
import type { Stages } from './stage-options.js';

/** Facts that decide where the stages of a search may run. */
export interface Surroundings {
  /** The name of the source. */
  name: string;
  info: SourceInfo;
  hasMirror: boolean;
  /** The dims by which the database can rank; undefined where it cannot run stages, or was not asked. */
  scales: ServerScales | undefined;
}

/** Whether the answer depends on what the database can rank by. */
export function asksServer(stages: Stages, hasMirror: boolean): boolean {
  return stages === 'server' || (stages === 'auto' && !hasMirror);
}

const ASKED = 'as was asked for';

/** @throws FunnelError UNSUPPORTED: they cannot run where the caller says; BAD_ARGUMENT: there is no mirror */
export function placed(fitted: Fitted, around: Surroundings): Placement {
  const { stages, search } = fitted;
  const { exact } = search.options;
  if (stages === 'mirror' && !around.hasMirror) {
    throw expected('BAD_ARGUMENT', 'a mirror of the search', "stages: 'mirror'", undefined);
  }
  if (!exact) {
    if (stages === 'client') return { on: 'client', why: ASKED };
    if (stages === 'mirror') return { on: 'mirror', why: ASKED };
  }
  if (around.hasMirror && (stages === 'auto' || (exact && stages !== 'client'))) {
    return { on: 'mirror', why: 'the mirror has the vectors' };
  }
  if (exact) return { on: 'client', why: "mode 'exact' has no stages" };
  const pushed = pushable(fitted, stages === 'server', around);
  if (typeof pushed !== 'string') {
    const { passedOver, ...way } = pushed;
    const why = stages === 'server' ? ASKED : whyPushed(fitted, way);
    return { on: 'server', why, ...(passedOver.length > 0 && { passedOver }), pushed: way };
  }
  if (stages === 'auto') return { on: 'client', why: pushed };
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected stages that ${around.name} can run for stages: 'server' but ${pushed}: ask for stages 'auto' or 'client'`,
  );
}

function whyPushed({ candidates }: Fitted, { stages, offset }: Pushed): string {
  return `the database ranks its ${candidates} candidates itself, and sends ${stages.at(-1)!.keep - offset} of them`;
}

/**
 * The stages as the database can run them, or why it cannot.
 *
 * @param asked whether the caller says that they shall run there: scales that it has no vectors for are passed over then
 */
function pushable(
  { plan, search, candidates, given, limit, depth, rescore }: Fitted,
  asked: boolean,
  { name, info, scales }: Surroundings,
): (Pushed & { passedOver: number[] }) | string {
  const { options, recommend, pool } = search;
  if (scales === undefined) return `${name} cannot run stages`;
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
export function cutAlike(
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
