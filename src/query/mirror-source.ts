/** A mirror in the place of its collection: searched by its own index, with ids as the collection's source has them. */
import { idAs } from '../core/ids.js';
import type { Id, IdKind } from '../core/types.js';
import type { FilterNode } from './filter/ast.js';
import { checkMirror, type Mirror, type SearchableMirror } from './mirror.js';
import { type OwnQuery, offerOwnQuery, ownQueryOf } from './short-answer.js';
import type { NearestAnswer } from './source/nearest.js';
import { joined } from './source/rows.js';
import type {
  FetchAnswer,
  FetchRequest,
  HeadAnswer,
  HeadRequest,
  Restriction,
  ScanAnswer,
  ScanRequest,
  Source,
  SourceInfo,
} from './source/source.js';

type Limits = { timeout?: number; signal?: AbortSignal };

export class MirrorSource implements Source {
  readonly name: string;
  readonly certifies: boolean;
  readonly payloadsInPools: boolean;
  readonly recommends: boolean;
  readonly decides: boolean;
  /** The facts of the collection, where no sync has compared it. */
  #told: SourceInfo | undefined;

  constructor(
    private readonly source: Source,
    private readonly mirror: Mirror,
    private readonly own: SearchableMirror,
  ) {
    this.name = source.name;
    const { certifies = false, payloadsInPools = false, recommends = false, decides = false } = own.source;
    this.certifies = certifies;
    this.payloadsInPools = payloadsInPools;
    this.recommends = recommends;
    this.decides = decides;
    const query = ownQueryOf(own.source);
    if (query !== undefined) this.#offer(query);
  }

  #offer(query: OwnQuery): void {
    offerOwnQuery(this, {
      info: () => {
        const told = this.own.mark() && query.info();
        return told && this.#outwardInfo(told);
      },
      nearest: async (request) => this.#outwardHits(await query.nearest(this.#inward(request))),
      nearestBatch: async (requests) => {
        const answers = await query.nearestBatch(requests.map((request) => this.#inward(request)));
        return answers.map((answer) => this.#outwardHits(answer));
      },
    });
  }

  /** A sync has compared the two; where nobody did, the collection is asked, once. */
  async info(options: Limits = {}): Promise<SourceInfo> {
    if (this.#told === undefined && this.own.mark() === undefined) {
      const told = await this.source.info(options);
      checkMirror(this.mirror, told, this.name);
      this.#told = told;
    }
    return this.#outwardInfo(await this.own.source.info(options));
  }

  #outwardInfo(info: SourceInfo): SourceInfo {
    return { ...info, idKind: this.#kinds()[0]! };
  }

  async head(request: HeadRequest): Promise<HeadAnswer> {
    return this.#outward(await this.own.source.head(this.#inward(request)));
  }

  async headBatch(requests: readonly HeadRequest[]): Promise<HeadAnswer[]> {
    const asked = requests.map((request) => this.#inward(request));
    const { source } = this.own;
    const answers = source.headBatch
      ? await source.headBatch(asked)
      : await Promise.all(asked.map((request) => source.head(request)));
    return answers.map((answer) => this.#outward(answer));
  }

  async count(request: Restriction & Limits): Promise<number> {
    return this.own.source.count!(this.#inward(request));
  }

  async full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): ReturnType<Source['full']> {
    const answer = await this.own.source.full(this.#inward(request));
    return { ...answer, ids: this.idsOut(answer.ids) };
  }

  /** A point whose vector is wanted and that the mirror lacks may be in the collection. */
  async fetch(request: FetchRequest): Promise<FetchAnswer> {
    const ids = request.ids.flatMap((id) => this.#idIn(id) ?? []);
    const { rows, ms } = await this.own.source.fetch({ ...request, ids });
    const found = { ...rows, ids: this.idsOut(rows.ids) };
    if (request.vectors === false || found.ids.length === request.ids.length) return { rows: found, ms };
    const here = new Set<Id>(found.ids);
    const others = request.ids.filter((id) => !here.has(this.#named(id)));
    if (others.length === 0) return { rows: found, ms };
    const more = await this.source.fetch({ ...request, ids: others });
    return { ...more, rows: joined(here.size === 0 ? [more.rows] : [found, more.rows]), ms: ms + more.ms };
  }

  async scan(request: ScanRequest): Promise<ScanAnswer> {
    const answer = await this.own.source.scan(request);
    return { ...answer, rows: { ...answer.rows, ids: this.idsOut(answer.rows.ids) } };
  }

  async idOf(value: string | number | bigint): Promise<Id | undefined> {
    return this.#named(value);
  }

  canonicalId(id: Id): Id {
    return this.#named(id);
  }

  /** As the collection's source hands them out. */
  idsOut(ids: ArrayLike<Id>): Id[] {
    const kinds = this.#otherKinds();
    return kinds === undefined ? Array.from(ids) : Array.from(ids, (id) => inKinds(kinds, id));
  }

  /** Undefined where the mirror has ids as the collection's source hands them out. */
  #otherKinds(): readonly IdKind[] | undefined {
    const { idKind } = this.mirror;
    const kinds = this.#kinds();
    return idKind === undefined || (kinds.length === 1 && kinds[0] === idKind) ? undefined : kinds;
  }

  /** Written to: they are the caller's. */
  #outwardHits(answer: NearestAnswer): NearestAnswer {
    const kinds = this.#otherKinds();
    if (kinds !== undefined) for (const hit of answer.hits) hit.id = inKinds(kinds, hit.id);
    return answer;
  }

  /** In the form that this source hands out. */
  #named(id: Id): Id {
    const canonical = this.source.canonicalId?.(id) ?? id;
    const kinds = this.#kinds();
    if (kinds.includes(typeof canonical as IdKind)) return canonical;
    return inKinds(kinds, canonical);
  }

  #idIn(id: Id): Id | undefined {
    const canonical = this.source.canonicalId?.(id) ?? id;
    const { idKind } = this.mirror;
    return idKind === undefined ? canonical : idAs(idKind, canonical);
  }

  #kinds(): readonly IdKind[] {
    return this.own.mark()?.idKinds ?? [this.#told?.idKind ?? this.mirror.idKind ?? 'number'];
  }

  #inward<Request extends { filter?: FilterNode | undefined }>(request: Request): Request {
    const { filter } = request;
    return filter === undefined ? request : { ...request, filter: this.filterIn(filter) };
  }

  /** With ids as the mirror has them. */
  filterIn(node: FilterNode): FilterNode {
    switch (node.op) {
      case 'and':
      case 'or':
      case 'atLeast':
        return node.nodes.some(hasIds)
          ? { ...node, nodes: node.nodes.map((one) => this.filterIn(one)) }
          : node; /* the same object: the index remembers what it found */
      case 'not':
        return hasIds(node.node) ? { ...node, node: this.filterIn(node.node) } : node;
      case 'ids':
        return { op: 'ids', ids: node.ids.flatMap((id) => this.#idIn(id) ?? []) };
      default:
        return node; // nested conditions have no ids
    }
  }

  #outward(answer: HeadAnswer): HeadAnswer {
    const { candidates } = answer;
    return candidates.ids ? { ...answer, candidates: { ...candidates, ids: this.idsOut(candidates.ids) } } : answer;
  }
}

function hasIds(node: FilterNode): boolean {
  if ('nodes' in node) return node.nodes.some(hasIds);
  if (node.op === 'not') return hasIds(node.node);
  return node.op === 'ids';
}

/** A collection with integers and text has its integers as such; in a mirror of both, all are text. */
function inKinds(kinds: readonly IdKind[], id: Id): Id {
  for (const kind of [...kinds].sort()) {
    const own = idAs(kind, id); // 'bigint' and 'number' sort before 'string'
    if (own !== undefined) return own;
  }
  return id;
}
