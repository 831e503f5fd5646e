/** An index as a source: what embeddedSource() makes, and what recommendations of the index itself are made by. */

import { idAs } from '../core/ids.js';
import { atOnce, inSlices, type Sliced } from '../core/slices.js';
import type { Id } from '../core/types.js';
import { checkIds, checkInteger, honestList } from '../core/validate.js';
import { QueryVector } from '../core/vector.js';
import { checkParams } from '../query/params.js';
import { checkPayloadSelection } from '../query/payload.js';
import { checkHeadQuery } from '../query/source/layout.js';
import { scopeOf, scopeOfIndex } from '../query/source/scope.js';
import type {
  FetchAnswer,
  FetchRequest,
  HeadAnswer,
  HeadRequest,
  ScanAnswer,
  ScanRequest,
  SearchParams,
  Source,
  SourceInfo,
} from '../query/source/source.js';
import { guardedBy } from './guard.js';
import {
  filterOf,
  matched,
  type Only,
  ofOneMoment,
  onlyOf,
  type Read,
  read,
  reading,
  rowsPassing,
  whole,
} from './index-rows.js';
import {
  allFound,
  bestOf,
  type Found,
  filterFor,
  foundOf,
  IndexScores,
  type IndexSourceOptions,
  PARAMS,
  queryFor,
  type Recommend,
} from './index-scores.js';
import type { Whole } from './one-moment.js';
import { offerNearest } from './own-query.js';
import { partsOf } from './parts.js';
import { liveFrom } from './scan.js';
import type { SearchedIndex } from './searched-index.js';
import type { IndexQuery } from './types.js';

/** The params where heads search that are not the index's own. */
const HEAD_PARAMS = { exact: 'flag' } as const;

/** Ids that are sought before others get their turn. */
const IDS_AT_ONCE = 4096;

export class IndexSource implements Source {
  readonly name: string;
  readonly scope: string | undefined;
  readonly certifies = true;
  readonly payloadsInPools = true;
  readonly recommends = true;
  readonly decides = true;
  readonly filtersScans = true;

  private readonly scores: IndexScores;

  constructor(
    private readonly index: SearchedIndex,
    private readonly options: IndexSourceOptions = {},
  ) {
    this.name = index.path === ':memory:' ? 'the index in memory' : `index ${JSON.stringify(index.path)}`;
    this.scope = scopeIn(index, options);
    this.scores = new IndexScores(index, options, this.name);
    offerNearest(this, index, options);
  }

  info(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<SourceInfo> {
    return this.guarded(options, async () => {
      partsOf(this.index);
      const { dim, metric, idKind = 'number' } = this.index;
      const { head, heads } = this.options;
      return { headDim: heads?.dim ?? head ?? dim, dim, metric, idKind };
    });
  }

  head(asked: HeadRequest): Promise<HeadAnswer> {
    return this.guarded(asked, async (signal) => {
      const request = copyOf(asked); // what was checked stays
      const params = this.checkRequest(request);
      const only = onlyOf(this.options.nativeFilter, request);
      const began = performance.now();
      const ask = async () => {
        const found = await this.find(request, params, only, signal);
        return this.answered(found, request, params, performance.now() - began, signal);
      };
      const inOneGo = () => this.inOneGo([request], [params], [only], began)[0]!;
      const isPlain = this.isPlain(request, params);
      return ofOneMoment(this.index, ask, isPlain ? inOneGo : undefined, only.node !== undefined);
    });
  }

  /** By the index's own head in one call, which evaluates each filter once. */
  headBatch(asked: readonly HeadRequest[]): Promise<HeadAnswer[]> {
    const [first] = asked;
    if (first === undefined) return Promise.resolve([]);
    return this.guarded(first, async (signal) => {
      const requests = Array.from(asked, (request) => ({ ...request })); // what was checked stays
      const params = requests.map((request) => this.checkRequest(request));
      const only = requests.map((request) => onlyOf(this.options.nativeFilter, request));
      const began = performance.now();
      const together = requests.every((request, i) => this.isPlain(request, params[i]!));
      const ask = async () => {
        const each = requests.map((request, i) => [request, params[i]!, only[i]!, signal] as const);
        const found = together
          ? await inSlices(allFound(await this.index.queryBatch(await inTurn(each, (one) => this.indexQuery(...one)))))
          : await inTurn(each, (one) => this.find(...one));
        const ms = (performance.now() - began) / requests.length;
        const answers = await inTurn(each, (one, i) => this.answered(found[i]!, one[0], one[1], ms, signal));
        return { value: answers.map(({ value }) => value), isWhole: answers.every(({ isWhole }) => isWhole) };
      };
      const isFiltered = only.some(({ node }) => node !== undefined);
      const inOneGo = () => this.inOneGo(requests, params, only, began);
      return ofOneMoment(this.index, ask, together ? inOneGo : undefined, isFiltered);
    });
  }

  /** Whether the index's own searches answer it. */
  private isPlain({ recommend }: HeadRequest, { exact }: SearchParams): boolean {
    return !recommend && (!this.ownHead || exact === true);
  }

  /** Searched and read before anything else happens. */
  private inOneGo(
    requests: readonly HeadRequest[],
    params: readonly SearchParams[],
    only: readonly Only[],
    began: number,
  ): HeadAnswer[] {
    const queries = requests.map((request, i) => {
      const { node, rows } = only[i]!;
      const passing = node && rows ? atOnce(matched(this.index, { node, rows })).value : undefined;
      return queryFor(this.index, request, request.candidates, params[i]!, filterOf(only[i]!, passing));
    });
    const found = this.index.queryBatchSync(queries).map(foundOf);
    const ms = (performance.now() - began) / requests.length;
    return requests.map((request, i) => {
      const from = performance.now();
      const { value } = atOnce(reading(this.index, found[i]!.ordinals, request));
      return this.answerOf(found[i]!, value, request, params[i]!, ms, from);
    });
  }

  /** Whether heads are something else than the index's codes. */
  private get ownHead(): boolean {
    return this.options.head !== undefined || this.options.heads !== undefined;
  }

  /** @throws FunnelError */
  private checkRequest(request: HeadRequest): SearchParams {
    const { candidates, decide, withPayload, params, mode } = request;
    checkPayloadSelection(withPayload);
    checkInteger(candidates, 1, 0xffff_ffff, 'candidates');
    if (decide !== undefined) checkInteger(decide, 1, 0xffff_ffff, 'decide');
    checkHeadQuery(request, this.index.dim, this.name);
    const own = checkParams(params, this.ownHead ? HEAD_PARAMS : PARAMS, this.name);
    const exact = own.exact === true || mode === 'exact';
    if (!this.isPlain(request, { exact })) {
      delete request.decide; // head scores are not those over all dims
    } else if (decide !== undefined) {
      request.vectors = false;
    }
    return { ...own, exact };
  }

  private async find(request: HeadRequest, params: SearchParams, only: Only, signal: AbortSignal): Promise<Found> {
    const { vector, candidates, recommend } = request;
    const { head, heads } = this.options;
    if (recommend) {
      if (params.exact) return this.scores.scored(recommend, this.index.dim, candidates, only, signal);
      if (head !== undefined) return this.scores.scored(headsOf(recommend, head), head, candidates, only, signal);
      return this.scores.recommended(recommend, request, params, only, signal);
    }
    if (heads !== undefined && !params.exact) return this.scores.byHeads(heads, vector, candidates, only, signal);
    if (head !== undefined && !params.exact) {
      return this.scores.prefix(vector.subarray(0, head), candidates, only, signal);
    }
    return foundOf(await this.index.query(await this.indexQuery(request, params, only, signal)));
  }

  private async indexQuery(
    request: Pick<HeadRequest, 'vector' | 'candidates' | 'decide'>,
    params: SearchParams,
    only: Only,
    signal: AbortSignal,
  ): Promise<IndexQuery> {
    return queryFor(this.index, request, request.candidates, params, await filterFor(this.index, only, signal));
  }

  private async answered(
    found: Found,
    request: HeadRequest,
    params: SearchParams,
    headMs: number,
    signal: AbortSignal,
  ): Promise<Whole<HeadAnswer>> {
    const began = performance.now();
    const { value, isWhole } = await read(this.index, found.ordinals, request, signal);
    return { value: this.answerOf(found, value, request, params, headMs, began), isWhole };
  }

  private answerOf(
    { scores, filtered, missing, pools, scored }: Found,
    { places, rows }: Read,
    request: HeadRequest,
    params: SearchParams,
    headMs: number,
    began: number,
  ): HeadAnswer {
    const { decide, candidates } = request;
    const { exact } = params;
    const headScores = places.map((i) => scores[i]!);
    const gone = scores.length - places.length;
    const found = bestOf(request, params) === undefined ? undefined : Math.min(candidates, scored ?? 0) - gone;
    const answer: HeadAnswer = {
      candidates: Object.assign(rows, { headScores, finite: true }),
      headMs,
      decodeMs: performance.now() - began,
      exactBelow: Number.POSITIVE_INFINITY,
    };
    if (decide !== undefined) answer.decided = true;
    if (found !== undefined) answer.found = found;
    if (exact) answer.exact = 'certified';
    if (filtered) answer.filtered = filtered;
    if (missing) answer.missing = missing;
    if (pools) answer.pools = pools;
    return answer;
  }

  count(request: Parameters<NonNullable<Source['count']>>[0]): Promise<number> {
    return this.guarded(
      request,
      async (signal) =>
        (await rowsPassing(this.index, onlyOf(this.options.nativeFilter, request), signal)).ordinals.length,
    );
  }

  async idOf(value: string | number | bigint): Promise<Id | undefined> {
    const { idKind } = this.index;
    const text = idKind === 'string';
    if (idKind === undefined || (typeof value === 'string') !== text) return undefined;
    return idAs(idKind, value);
  }

  full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): ReturnType<Source['full']> {
    return this.guarded(request, async (signal) => {
      const { limit } = request;
      checkInteger(limit, 1, 0xffff_ffff, 'limit');
      checkHeadQuery(request, this.index.dim, this.name);
      const only = onlyOf(this.options.nativeFilter, request);
      const began = performance.now();
      const query = await this.indexQuery({ ...request, candidates: limit }, { exact: true }, only, signal);
      const { hits } = await this.index.query(query);
      const ms = performance.now() - began;
      return { ids: hits.map(({ id }) => id), scores: hits.map(({ score }) => score), ms };
    });
  }

  fetch(request: FetchRequest): Promise<FetchAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayloadSelection(request.withPayload);
      checkIds(honestList(request.ids, 'ids'));
      const began = performance.now();
      const { rows } = await whole(this.index, () => this.fetched(request), signal);
      return { rows, ms: performance.now() - began };
    });
  }

  private *fetched(request: FetchRequest): Sliced<Whole<Read>> {
    const { files } = partsOf(this.index);
    yield* files.prepareIds();
    const ordinals: number[] = [];
    for (const [i, id] of request.ids.entries()) {
      if (i % IDS_AT_ONCE === IDS_AT_ONCE - 1) yield;
      const ordinal = files.ordinalOf(id);
      if (ordinal !== undefined) ordinals.push(ordinal);
    }
    return yield* reading(this.index, ordinals, request);
  }

  /** In the order of insertion; a position is that of the next row. */
  scan(request: ScanRequest): Promise<ScanAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayloadSelection(request.withPayload);
      const limit = checkInteger(request.limit, 1, 0xffff_ffff, 'limit');
      const first = request.after === undefined ? 0 : Number(request.after);
      checkInteger(first, 0, 0xffff_ffff, 'after');
      const began = performance.now();
      const { filter } = request;
      const only = onlyOf(this.options.nativeFilter, filter ? { filter } : {});
      const { rows, next } = await whole(this.index, () => this.page(request, only, first, limit), signal);
      return { rows, next, ms: performance.now() - began };
    });
  }

  private *page(
    request: ScanRequest,
    only: Only,
    first: number,
    limit: number,
  ): Sliced<Whole<Pick<ScanAnswer, 'rows' | 'next'>>> {
    const some = only.node || only.rows ? yield* matched(this.index, only) : undefined;
    const ordinals = some
      ? Array.from(some.value.ordinals.filter((ordinal) => ordinal >= first).subarray(0, limit))
      : liveFrom(partsOf(this.index), first, limit);
    const next = ordinals.length < limit ? undefined : String(ordinals.at(-1)! + 1);
    const { value, isWhole } = yield* reading(this.index, ordinals, request);
    return { value: { rows: value.rows, next }, isWhole: isWhole && some?.isWhole !== false };
  }

  private guarded<T>(
    { timeout = this.options.timeout, signal }: { timeout?: number | undefined; signal?: AbortSignal | undefined },
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return guardedBy(this.name, { timeout, signal }, work);
  }
}

/** A closed index is refused by the calls of its source. */
function scopeIn(index: SearchedIndex, options: IndexSourceOptions): string | undefined {
  try {
    return scopeOfIndex(partsOf(index).files.uuid, options);
  } catch {
    return scopeOf(options);
  }
}

/** The same by the first dims of the examples. */
function headsOf({ strategy, examples: { positive, negative } }: Recommend, head: number): Recommend {
  const cut = (example: Float32Array) => example.subarray(0, head);
  return { strategy, examples: { positive: positive.map(cut), negative: negative.map(cut) } };
}

/** Part by part: to spread it takes microseconds, since the mark of what a search has checked is a symbol. */
function copyOf(asked: HeadRequest): HeadRequest {
  const { vector, candidates, filter, nativeFilter, params, mode, recommend, withPayload } = asked;
  const { vectors, decide, timeout, signal } = asked;
  const copy = { vector, candidates, filter, nativeFilter, params, mode, recommend, withPayload, vectors, decide };
  const whole = Object.assign(copy, { timeout, signal }) as HeadRequest;
  return QueryVector.passedOn(asked, whole);
}

async function inTurn<T, R>(items: readonly T[], run: (item: T, i: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const [i, item] of items.entries()) results.push(await run(item, i));
  return results;
}
