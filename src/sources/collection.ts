/** The parts that sources of databases share: facts of a collection, deadlines, errors, and reading by id in parts. */
import { type CallOptions, guarded, overloaded } from '../core/call.js';
import { expected, FunnelError } from '../core/errors.js';
import type { Id } from '../core/types.js';
import { checkHeadQuery, isHeadsOnly, type TailLayout } from '../query/source/layout.js';
import { inOrder, joined } from '../query/source/rows.js';
import { scopeOf } from '../query/source/scope.js';
import {
  type FetchAnswer,
  type FetchRequest,
  type HeadRequest,
  type PackedRows,
  rowsAtOnce,
  type SourceInfo,
} from '../query/source/source.js';
import { Known } from './known.js';

interface CollectionOptions {
  head?: string | undefined;
  full?: string | TailLayout | undefined;
  timeout?: number | undefined;
}

/** Options that both databases have. @throws FunnelError BAD_ARGUMENT */
export function checkCommon({
  decode,
  timeout,
  params,
}: {
  decode?: unknown;
  timeout?: unknown;
  params?: unknown;
}): void {
  if (decode !== undefined && decode !== 'fast' && decode !== 'client') {
    throw expected('BAD_ARGUMENT', "'fast' or 'client'", 'decode', decode);
  }
  if (timeout !== undefined && !(Number.isFinite(timeout) && Number(timeout) > 0)) {
    throw expected('BAD_ARGUMENT', 'a positive number of milliseconds', 'timeout', timeout);
  }
  if (params !== undefined && params !== null && (typeof params !== 'object' || Array.isArray(params))) {
    throw expected('BAD_ARGUMENT', 'an object', 'params', params);
  }
}

type Query = Pick<HeadRequest, 'vector' | 'filter' | 'nativeFilter'>;

/** Rows that came by id, in any order. */
interface Part {
  rows: PackedRows;
  /** Ids of points that lack a vector, with sources that leave such points out. */
  lacking?: readonly Id[] | undefined;
}

export abstract class CollectionSource<Facts, Options extends CollectionOptions> {
  protected readonly known: Known<Facts>;

  constructor(
    readonly name: string,
    protected readonly options: Options,
  ) {
    this.known = new Known({
      where: name,
      read: (signal) => this.read(signal),
      keep: (facts) => this.lasts(facts),
      classify: (error) => this.classify(error),
    });
  }

  /** Asks the server what the collection is. */
  protected abstract read(signal: AbortSignal): Promise<Facts>;
  /** False for what the next search must read again. */
  protected abstract lasts(facts: Facts): boolean;
  protected abstract infoOf(facts: Facts): SourceInfo;
  /** The error of ours for one that the client threw. */
  protected abstract classify(error: unknown): FunnelError;
  /**
   * @throws FunnelError BAD_ARGUMENT: a native filter of the source or of a query is none of the client's; UNSUPPORTED: a
   * condition that the server does not know
   */
  protected abstract checkFilters(queries: readonly Query[], signal: AbortSignal): void | Promise<void>;
  /** The ids of a fetch as the database knows them. @throws FunnelError BAD_ARGUMENT, BAD_ID */
  protected abstract idsOf(request: FetchRequest): Id[];
  /** At most `rowsAtOnce(dim)` rows by id. */
  protected abstract rowsOf(
    ids: readonly Id[],
    request: FetchRequest,
    facts: Facts,
    signal: AbortSignal,
  ): Promise<Part>;

  /** How many rows one call may read. */
  protected rowsPerCall(facts: Facts): number {
    return rowsAtOnce(this.infoOf(facts).dim);
  }

  get scope(): string | undefined {
    return scopeOf(this.options);
  }

  get headsOnly(): boolean {
    return isHeadsOnly(this.options);
  }

  async info(options: CallOptions = {}): Promise<SourceInfo> {
    // Every search asks: a deadline for what is known already would take longer than the answer.
    const { fresh } = this.known;
    const known = fresh !== undefined && options.timeout === undefined && options.signal === undefined;
    return this.infoOf(known ? fresh : await this.guarded(options, (signal) => this.known.get(signal)));
  }

  fetch(request: FetchRequest): Promise<FetchAnswer> {
    return this.guarded(request, async (signal) => {
      const ids = this.idsOf(request);
      return this.informed([], signal, async (facts) => {
        const began = performance.now();
        const { rows, lacking } = await this.rowsInParts(ids, request, facts, signal);
        return { rows, ms: performance.now() - began, ...(lacking && { lacking }) };
      });
    });
  }

  /** The rows in the order of their ids; those that the collection does not have are left out. */
  protected async rowsInParts(
    ids: readonly Id[],
    request: FetchRequest,
    facts: Facts,
    signal: AbortSignal,
  ): Promise<Part> {
    const step = this.rowsPerCall(facts);
    const parts: PackedRows[] = [];
    let lacking: Id[] | undefined;
    for (let from = 0; from === 0 || from < ids.length; from += step) {
      signal.throwIfAborted();
      const part = ids.slice(from, from + step);
      const some = await this.rowsOf(part, request, facts, signal);
      parts.push(inOrder(some.rows, part));
      if (some.lacking) lacking = [...(lacking ?? []), ...some.lacking];
    }
    return { rows: joined(parts), lacking };
  }

  /** @throws FunnelError where the collection has no full vector to search */
  protected checkFull(code: 'BAD_ARGUMENT' | 'UNSUPPORTED'): void {
    if (typeof this.options.full !== 'object') return;
    throw new FunnelError(code, `${this.name} stores no full vector to search: its layout is head and tail`);
  }

  /** Runs a call by what is known of the collection; if it fails, says whether that is no longer so. */
  protected async informed<T>(
    queries: readonly Query[],
    signal: AbortSignal,
    work: (facts: Facts) => Promise<T>,
  ): Promise<T> {
    const checking = this.checkFilters(queries, signal);
    if (checking !== undefined) await checking;
    const check = (facts: Facts) => {
      const { dim } = this.infoOf(facts);
      for (const query of queries) checkHeadQuery(query, dim, this.name);
    };
    signal.throwIfAborted();
    const facts = this.known.fresh ?? (await this.known.get(signal));
    check(facts);
    try {
      return await work(facts);
    } catch (error) {
      const told = error instanceof FunnelError ? error : this.classify(error);
      const now = overloaded(told.cause) ? undefined : await this.known.afresh(facts, told, signal);
      if (now !== undefined) check(now);
      throw told;
    }
  }

  protected guarded<T>(
    { timeout = this.options.timeout, signal }: CallOptions,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return guarded(this.name, { timeout, signal }, work, (error) => this.classify(error));
  }
}
