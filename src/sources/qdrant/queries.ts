/** Makes the searches and readings that a server is asked of requests, by what is known of the collection. */
import type { FilterNode } from '../../query/filter/ast.js';
import { checkParams } from '../../query/params.js';
import { headBy } from '../../query/source/layout.js';
import type { HeadRequest, Restriction, StagedRequest } from '../../query/source/source.js';
import { compared } from './datatypes.js';
import type { QdrantDriver, QdrantQuery, QdrantRead } from './driver.js';
import type { OwnOptions } from './options.js';
import { type PointParts, readOf } from './reading.js';
import type { QdrantFacts } from './schema.js';
import { checkedQdrantScope, QDRANT_PARAMS, QDRANT_SCOPE, type QdrantScope, splitQdrantParams } from './scope.js';
import { stagedQuery } from './staged.js';
import { checkExact, checkMost } from './strict.js';

export class QdrantQueries {
  /** The scope that a call has which names none. */
  readonly reach: QdrantScope;
  /** As the client takes them. */
  private readonly filters = new WeakMap<FilterNode, object>();

  /** @throws FunnelError BAD_ARGUMENT */
  constructor(
    private readonly driver: QdrantDriver,
    private readonly options: OwnOptions,
    private readonly name: string,
  ) {
    this.reach = checkedQdrantScope(options);
  }

  /** @throws FunnelError UNSUPPORTED, BAD_ARGUMENT */
  paramsOf(params: HeadRequest['params']): ReturnType<typeof splitQdrantParams> {
    if (params === undefined) return { search: {}, scope: this.reach };
    return splitQdrantParams(checkParams(params, QDRANT_PARAMS, this.name), this.reach, this.name);
  }

  /** The scope of a call that is no search. @throws FunnelError UNSUPPORTED, BAD_ARGUMENT */
  scopeOf(params: HeadRequest['params']): QdrantScope {
    if (params === undefined) return this.reach;
    return splitQdrantParams(checkParams(params, QDRANT_SCOPE, this.name), this.reach, this.name).scope;
  }

  asked(request: HeadRequest | StagedRequest, facts: QdrantFacts): QdrantQuery {
    const head = this.searched(request, facts);
    return 'stages' in request ? stagedQuery(head, request, facts, this.name) : head;
  }

  searched(request: HeadRequest, facts: QdrantFacts): QdrantQuery {
    const { info, head, full, stored } = facts;
    const { recommend, candidates, mode } = request;
    const exact = mode === 'exact';
    checkMost(candidates, facts.strict, 'candidates', this.name);
    const { search, scope } = this.paramsOf(request.params);
    if (search.exact === true) checkExact(facts.strict, this.name);
    const searched = (vector: Float32Array) =>
      exact ? vector : headBy(this.options.headOf, vector, info.headDim, this.name);
    const examples = recommend && {
      positive: recommend.examples.positive.map(searched),
      negative: recommend.examples.negative.map(searched),
    };
    const own = {
      vector: searched(request.vector),
      recommend: examples && { strategy: recommend.strategy, examples },
    };
    const query = compared(own, exact ? stored.full! : stored.head, this.name);
    const { collection, withPayload, lifts, skip } = this.reading(facts, request, scope);
    // Key by key, here and where queries become messages: parts that are spread take microseconds each.
    return {
      vector: query.vector,
      recommend: query.recommend,
      factor: query.factor,
      rounded: query.rounded,
      using: exact ? (full as string) : head,
      limit: candidates,
      filter: this.filter(request),
      params: this.driver.params(search, this.options.params),
      exact: exact && facts.strict.exact,
      collection,
      withPayload,
      lifts,
      skip,
      scope,
    };
  }

  reading(facts: QdrantFacts, wanted: PointParts, scope: QdrantScope): QdrantRead {
    return readOf(this.options, facts, wanted, scope);
  }

  /** All of them must let a point through. */
  filter({ filter, nativeFilter }: Restriction): unknown {
    if ((filter ?? nativeFilter ?? this.options.nativeFilter ?? undefined) === undefined) return undefined;
    const parts = [this.options.nativeFilter, nativeFilter, filter && this.compiled(filter)];
    return parts
      .filter((part) => part !== undefined && part !== null)
      .reduce<unknown>((both, part) => (both === undefined ? part : this.driver.both(both, part)), undefined);
  }

  readonly compiled = (filter: FilterNode): unknown => {
    let made = this.filters.get(filter);
    if (made === undefined) {
      made = this.driver.compile(filter) as object;
      this.filters.set(filter, made);
    }
    return made;
  };
}
