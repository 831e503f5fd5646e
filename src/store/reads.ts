/** The reads of FunnelIndex without a query vector: rows, pages, counts, and how the index stands. */
import { expected } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';
import { atOnce, type Sliced } from '../core/slices.js';
import { othersTurn, overdue } from '../core/turns.js';
import type { Id } from '../core/types.js';
import { checkKeys } from '../core/validate.js';
import type { PayloadSelector } from '../query/payload.js';
import { isBlunt, type Segment } from './engine/segment.js';
import { type CheckedFilter, checkedFilter, ELSEWHERE_IN_FILTERED, evaluateFilter } from './filters.js';
import { type CheckedScroll, page } from './listing.js';
import type { OpenIndex } from './open-index.js';
import { memoryWarnings } from './operations.js';
import { checkSelection, type Selection } from './request.js';
import type { IndexStats, Point, ScrollPage, ScrollPoint } from './types.js';
import { idListOf } from './writes.js';

/** Rows that are put together between two looks at the clock. */
export const ROWS_AT_ONCE = 64;

export function* rowsOfIds<Payload>(
  index: OpenIndex,
  ids: readonly Id[],
  options: { withPayload?: PayloadSelector; withVector?: boolean },
): Sliced<(Point<Payload> | undefined)[]> {
  checkKeys(options, ['withPayload', 'withVector'], 'the options of get()');
  const { payloadOf, withVector } = checkSelection(options, true, true);
  index.follow();
  const points: (Point<Payload> | undefined)[] = [];
  yield* index.files.prepareIds();
  for (const id of idListOf(ids)) {
    if (points.length % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield;
    const ordinal = index.files.ordinalOf(id);
    if (ordinal === undefined) {
      points.push(undefined);
      continue;
    }
    const point: Point<Payload> = { id, vector: withVector ? vectorOf(index, ordinal) : new Float32Array(0) };
    addPayload(index, point, ordinal, payloadOf);
    points.push(point);
  }
  return points;
}

export function hasRow(index: OpenIndex, id: Id): boolean {
  index.follow();
  if (Array.isArray(id)) throw expected('BAD_ID', 'a string, number or bigint (get() takes several)', 'id', id);
  return index.files.ordinalOf(id) !== undefined;
}

export function addPayload<Payload>(
  { files }: OpenIndex,
  point: { payload?: Payload },
  ordinal: number,
  payloadOf: Selection['payloadOf'],
): void {
  const payload = payloadOf && files.payloadOf(ordinal);
  if (payload !== undefined) point.payload = payloadOf!(payload) as Payload;
}

export function vectorOf({ live, dim }: OpenIndex, ordinal: number): Float32Array {
  const out = new Float32Array(dim);
  live.state.rows.read(ordinal, 1, out, halfToFloat);
  return out;
}

export function* listed<Payload>(index: OpenIndex, own: CheckedScroll): Sliced<ScrollPage<Payload>> {
  const { ordinals, next } = yield* page(own, index.filtered());
  const points: ScrollPoint<Payload>[] = [];
  for (const [i, ordinal] of ordinals.entries()) {
    if (i % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield;
    if (!index.live.alive(ordinal)) continue;
    const point: ScrollPoint<Payload> = { id: index.files.idOf(ordinal), index: ordinal };
    addPayload(index, point, ordinal, own.payloadOf);
    if (own.withVector) point.vector = vectorOf(index, ordinal);
    points.push(point);
  }
  return { points, next };
}

export async function countMatching(index: OpenIndex, options: { filter?: unknown }): Promise<number> {
  const filter = filterToCount(options);
  if (filter === undefined) {
    if (overdue()) await othersTurn();
    return countOf(index);
  }
  return (await index.later(() => evaluateFilter(filter, index.filtered()))).work.matched;
}

export function countMatchingSync(index: OpenIndex, options: { filter?: unknown }): number {
  const filter = filterToCount(options);
  return filter === undefined ? countOf(index) : atOnce(evaluateFilter(filter, index.filtered())).work.matched;
}

function filterToCount(options: { filter?: unknown }): CheckedFilter | undefined {
  checkKeys(options, ['filter'], 'the options of countMatching()', ELSEWHERE_IN_FILTERED);
  return checkedFilter(options.filter);
}

/** Live rows. */
export function countOf(index: OpenIndex): number {
  index.follow();
  return index.files.liveCount;
}

export function indexStatsOf(index: OpenIndex): IndexStats {
  index.follow();
  const { files, live, indexes, dim } = index;
  const { head, order, rotation } = index.config;
  const { liveCount, rows, config } = files;
  const segment = live.segments[0];
  const uncoded = live.unindexed.length;
  return {
    count: liveCount,
    positions: rows,
    dim: config.dim,
    metric: config.metric,
    coded: liveCount - uncoded,
    uncoded: { rows: uncoded, bytesPerQuery: uncoded * dim * (live.half ? 2 : 4) },
    extended: live.extended,
    dead: { rows: files.deadCount, coded: live.deadCoded },
    lists: segment?.partition?.halfSquares.length ?? 0,
    ...codesOf(segment, live.resident.codes, live.memory),
    head: order ?? segment?.coding.head ?? head,
    rotation,
    resident: live.resident,
    files: files.info().bytes,
    payloadIndexes: [...indexes.all].map(({ key, type, packedRows, size }) => {
      return { key, type, packed: packedRows, values: size };
    }),
    kernels: index.kernels.name,
    threads: index.pool.size,
  };
}

/** The agreement of a build's codes, and a warning in words where they are blunt or too large. */
function codesOf(
  segment: Segment | undefined,
  bytes: number,
  memory: number,
): Pick<IndexStats, 'agreement' | 'warning'> {
  if (segment === undefined) return {};
  const { agreement } = segment;
  const warnings: string[] = [];
  if (agreement !== undefined && isBlunt(segment)) {
    const share = `${Math.round(100 * agreement)} %`;
    warnings.push(
      `The codes hardly tell rows apart: of the ten nearest rows a shortlist by them holds ${share}. ` +
        "Mode 'funnel' without params therefore searches by bounds, as mode 'exact' does, and may read many rows",
    );
  }
  warnings.push(...memoryWarnings(bytes, memory));
  return {
    ...(agreement !== undefined && { agreement }),
    ...(warnings.length > 0 && { warning: warnings.join('. ') }),
  };
}
