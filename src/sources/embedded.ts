/** The embedded index as a source: `embeddedSource` of `funnelvec/store`. */
import { expected, FunnelError } from '../errors.js';
import type { Filter } from '../query/filter/types.js';
import { Best } from '../store/engine/best.js';
import { arrayIn } from '../store/engine/memory.js';
import { Rows } from '../store/engine/rows.js';
import { checkOwnFilter, evaluate, ownFilter } from '../store/filters.js';
import type { FunnelIndex } from '../store/funnel-index.js';
import { partsOf } from '../store/parts.js';
import { listOf } from '../store/payload/row-set.js';
import { inSlices } from '../store/payload/slices.js';
import { liveFrom } from '../store/scan.js';
import type { RowFilter } from '../store/types.js';
import type { Id } from '../types.js';
import { checkIds, checkInteger, checkKeys, checkPayload } from '../validate.js';
import { guarded, messageOf } from './call.js';
import { checkHeadQuery } from './layout.js';
import { setOwn } from './own.js';
import type {
  FetchAnswer,
  FetchRequest,
  HeadAnswer,
  HeadRequest,
  PackedRows,
  PayloadSelection,
  ScanAnswer,
  ScanRequest,
  Source,
  SourceInfo,
} from './source.js';

type NativeFilter = RowFilter | Filter;

export interface EmbeddedSourceOptions {
  /**
   * Dims of the head search: every row's first so many dims are scored, exactly. What a database with a vector of that
   * length would find, at the price of reading them all.
   *
   * @default the index's own funnel: rows are found by their head codes and come scored in full, so `headDim` is all dims
   */
  head?: number;
  /** A filter that every search obeys, beside that of the request. */
  nativeFilter?: NativeFilter;
  /** Milliseconds for one call, where the request names none. */
  timeout?: number;
}

/**
 * Head searches on an index of your own, for a FunnelSearch over it, or for code that takes any source. The native filter is
 * the index's: conditions in Qdrant's JSON form, or `{ ids?, rows? }`.
 *
 * @example
 * const search = new FunnelSearch({ source: embeddedSource(index, { head: 128 }), plan: tutorialPlan });
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS
 */
export function embeddedSource(index: FunnelIndex, options: EmbeddedSourceOptions = {}): Source {
  if (typeof index?.gather !== 'function') throw expected('BAD_ARGUMENT', 'a FunnelIndex', 'index', index);
  checkKeys(options, ['head', 'nativeFilter', 'timeout'], 'the options of embeddedSource()');
  const { head, nativeFilter } = options;
  if (head !== undefined && !(Number.isInteger(head) && head >= 1 && head <= index.dim)) {
    throw expected('BAD_DIMS', `a head of 1 to ${index.dim} dims`, 'head', head);
  }
  checkFilter(nativeFilter);
  return new EmbeddedSource(index, { ...options, ...(nativeFilter && { nativeFilter: kept(nativeFilter) }) });
}

/** Ids may be an iterator, good for one search only. */
function kept(filter: NativeFilter): NativeFilter {
  if (!isOfRows(filter)) return filter;
  const { ids, rows } = filter;
  return { ...(ids && { ids: Array.from(ids) }), ...(rows && { rows }) };
}

function isOfRows(filter: NativeFilter): filter is RowFilter {
  return 'ids' in filter || 'rows' in filter;
}

/** Rows scored before others get their turn: about a millisecond. */
const AT_ONCE = 4096;

type Wanted = Pick<HeadRequest, 'withPayload' | 'vectors'>;

class EmbeddedSource implements Source {
  readonly name: string;

  constructor(
    private readonly index: FunnelIndex,
    private readonly options: EmbeddedSourceOptions,
  ) {
    this.name = index.path === ':memory:' ? 'the index in memory' : `index ${JSON.stringify(index.path)}`;
  }

  info(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<SourceInfo> {
    return this.guarded(options, async () => {
      partsOf(this.index);
      const { dim, metric, idKind = 'number' } = this.index;
      return { headDim: this.options.head ?? dim, dim, metric, idKind };
    });
  }

  head(request: HeadRequest): Promise<HeadAnswer> {
    return this.guarded(request, async (signal) => {
      const { vector, candidates } = request;
      checkPayload(request.withPayload);
      checkInteger(candidates, 1, 0xffff_ffff, 'candidates');
      checkHeadQuery(vector, this.index.dim, this.name);
      const filter = await this.filter(request.nativeFilter, signal);
      const began = performance.now();
      const { head } = this.options;
      const best =
        head === undefined
          ? await this.funnel(vector, candidates, filter)
          : await this.prefix(vector.subarray(0, head), candidates, filter, signal);
      const at = performance.now();
      const { live } = partsOf(this.index);
      const places = best.ordinals.map((_, i) => i).filter((i) => live.alive(best.ordinals[i]!));
      const rows = this.read(
        places.map((i) => best.ordinals[i]!),
        request,
      );
      const headScores = places.map((i) => best.scores[i]!);
      return { candidates: { ...rows, headScores }, headMs: at - began, decodeMs: performance.now() - at };
    });
  }

  full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): ReturnType<Source['full']> {
    return this.guarded(request, async (signal) => {
      const { vector, limit, nativeFilter } = request;
      checkInteger(limit, 1, 0xffff_ffff, 'limit');
      checkHeadQuery(vector, this.index.dim, this.name);
      const filter = await this.filter(nativeFilter, signal);
      const began = performance.now();
      const { hits } = await this.index.query({ vector, limit, mode: 'exact', ...(filter && { filter }) });
      const ms = performance.now() - began;
      return { ids: hits.map(({ id }) => id), scores: hits.map(({ score }) => score), ms };
    });
  }

  fetch(request: FetchRequest): Promise<FetchAnswer> {
    return this.guarded(request, async () => {
      checkPayload(request.withPayload);
      checkIds(request.ids);
      const began = performance.now();
      const { files } = partsOf(this.index);
      const ordinals = request.ids.map((id) => files.ordinalOf(id)).filter((ordinal) => ordinal !== undefined);
      return { rows: this.read(ordinals, request), ms: performance.now() - began };
    });
  }

  /** In the order of insertion; a position is that of the next row. */
  scan(request: ScanRequest): Promise<ScanAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayload(request.withPayload);
      const limit = checkInteger(request.limit, 1, 0xffff_ffff, 'limit');
      const first = request.after === undefined ? 0 : Number(request.after);
      checkInteger(first, 0, 0xffff_ffff, 'after');
      const began = performance.now();
      const { nativeFilter } = this.options;
      const passing = nativeFilter && (await this.passing(nativeFilter, signal));
      const parts = partsOf(this.index);
      const ordinals = passing
        ? Array.from(passing.filter((ordinal) => ordinal >= first && parts.live.alive(ordinal)).subarray(0, limit))
        : liveFrom(parts, first, limit);
      const next = ordinals.length < limit ? undefined : String(ordinals.at(-1)! + 1);
      return { rows: this.read(ordinals, request), next, ms: performance.now() - began };
    });
  }

  private async funnel(vector: Float32Array, candidates: number, filter: NativeFilter | undefined) {
    const params = { candidates };
    const { hits } = await this.index.query({ vector, limit: candidates, params, ...(filter && { filter }) });
    return { ordinals: hits.map(({ index }) => index), scores: hits.map(({ score }) => score) };
  }

  /** Every row's first dims, scored; a part at a time. */
  private async prefix(head: Float32Array, count: number, filter: NativeFilter | undefined, signal: AbortSignal) {
    const passing = await this.passing(filter ?? {}, signal);
    const { files, live, codes } = partsOf(this.index);
    const { metric } = this.index;
    const ordinals = passing.filter(live.alive);
    const rows = new Rows(codes, live.images, head.length, live.half);
    const keys = arrayIn(codes, Float64Array, Math.min(AT_ONCE, ordinals.length));
    const best = new Best(count);
    const lease = files.leaseRowFiles();
    try {
      for (let from = 0; from < ordinals.length; from += AT_ONCE) {
        if (from > 0) await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        const part = ordinals.subarray(from, from + AT_ONCE);
        rows.score(head, metric, part, part.length, keys);
        for (let i = 0; i < part.length; i++) best.offer(keys[i]!, part[i]!);
      }
    } finally {
      lease.release();
      codes.release(new Uint8Array(keys.buffer, keys.byteOffset, keys.byteLength));
    }
    const scores = best.keys.map((key) => (metric === 'euclid' ? 0 - key : key));
    return { ordinals: best.ordinals, scores };
  }

  /** Of live rows. */
  private read(ordinals: readonly number[], { withPayload = false, vectors: wanted = true }: Wanted): PackedRows {
    const { files } = partsOf(this.index);
    const { dim } = this.index;
    const ids = ordinals.map((ordinal) => files.idOf(ordinal));
    const vectors = new Float32Array(wanted ? ids.length * dim : 0);
    if (wanted) this.index.gather(ids, vectors);
    const payloads =
      withPayload === false ? undefined : ordinals.map((ordinal) => selected(files.payloadOf(ordinal), withPayload));
    return { vectors, dim, ids, payloads };
  }

  private async filter(requested: unknown, signal: AbortSignal): Promise<NativeFilter | undefined> {
    checkFilter(requested);
    const { nativeFilter } = this.options;
    if (nativeFilter === undefined) return requested ?? undefined;
    if (!requested) return nativeFilter;
    if (isOfRows(nativeFilter)) return this.both(nativeFilter, requested, signal);
    if (isOfRows(requested)) return this.both(requested, nativeFilter, signal);
    return { must: [nativeFilter, requested] };
  }

  private async both(rows: RowFilter, other: NativeFilter, signal: AbortSignal): Promise<NativeFilter> {
    if (isOfRows(other)) return intersection(rows, other);
    if (rows.rows === undefined) return { must: [other, { has_id: Array.from(rows.ids ?? []) }] };
    const bits = new Uint8Array(rows.rows.length);
    for (const ordinal of await this.passing(other, signal)) bits[ordinal >> 3]! |= 1 << (ordinal & 7);
    return intersection(rows, { rows: bits });
  }

  /** Rows that lived a moment ago, ascending. */
  private async passing(filter: NativeFilter, signal: AbortSignal): Promise<Uint32Array> {
    const parts = partsOf(this.index);
    const own = ownFilter(filter, 'nativeFilter');
    if (own === undefined) return Uint32Array.from(liveFrom(parts, 0, parts.files.rows));
    return listOf((await inSlices(evaluate(own, parts), () => signal.throwIfAborted())).rows);
  }

  private guarded<T>(
    { timeout = this.options.timeout, signal }: { timeout?: number; signal?: AbortSignal },
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return guarded(this.name, { timeout, signal }, work, (cause) => {
      const why = `Expected an answer from ${this.name} but it failed: ${messageOf(cause)}`;
      return new FunnelError('BAD_RESPONSE', why, { cause });
    });
  }
}

function checkFilter(filter: unknown): asserts filter is NativeFilter | undefined | null {
  if (filter === undefined || filter === null) return;
  if (typeof filter !== 'object') throw expected('BAD_ARGUMENT', 'an object', 'nativeFilter', filter);
  checkOwnFilter(filter, 'nativeFilter');
}

/** Rows that pass both. */
function intersection(a: RowFilter, b: RowFilter): RowFilter {
  const filter: RowFilter = {};
  if (a.rows && b.rows) filter.rows = a.rows.map((byte, i) => byte & (b.rows![i] ?? 0));
  else if (a.rows ?? b.rows) filter.rows = (a.rows ?? b.rows)!;
  if (a.ids && b.ids) {
    const these = new Set<Id>(a.ids);
    filter.ids = Array.from(b.ids).filter((id) => these.has(id));
  } else if (a.ids ?? b.ids) filter.ids = (a.ids ?? b.ids)!;
  return filter;
}

function selected(payload: unknown, selection: Exclude<PayloadSelection, false>): unknown {
  if (selection === true || typeof payload !== 'object' || payload === null) return payload ?? {};
  const some: Record<string, unknown> = {};
  for (const field of selection as readonly string[]) {
    if (Object.hasOwn(payload, field)) setOwn(some, field, (payload as Record<string, unknown>)[field]);
  }
  return some;
}
