/** funnel(): re-ranks a candidate set by a plan. Validation here, arithmetic in one kernel call. */
import { expected, FunnelError } from '../core/errors.js';
import { nextTurn } from '../core/host.js';
import { isSharedMemory } from '../core/shared.js';
import type { CandidateRow, Candidates, Float16Values, Hit, Vector } from '../core/types.js';
import { checkKeys, isResizable } from '../core/validate.js';
import type { BadPosition, FunnelTask, Kernels, Rows } from '../kernels/kernels.js';
import { type Explanation, explain } from './explain.js';
import type { Plan } from './plan.js';
import { hitsOf, type Prepared, prepare } from './prepare.js';
import { freshWorkspace, sharedWorkspace } from './workspace.js';

/** Options of a funnel beside its plan. */
export interface FunnelOptions {
  /** Hits to return; wins over the plan's limit. */
  limit?: number;
  /** Also tell what each stage dropped; slower, for looking at one query. */
  explain?: boolean;
}

/** One query of a batch with the candidates it is to rank. */
export interface FunnelRequest<Row = unknown> {
  /** The pool that is ranked for this query. */
  candidates: Candidates<Row>;
  /** The query vector: as many values as the candidates have dims. */
  query: Vector | Float16Values;
}

/** The functions of the package over one choice of kernels. */
export interface FunnelApi {
  /**
   * Re-ranks candidates on ever longer prefixes of their vectors.
   *
   * @param candidates rows `{ id?, vector }`, or a matrix `{ vectors, dim, ids? }`; see `fromQdrant`, `fromMilvus`
   * @param query a vector of as many dims
   * @param plan how to narrow. @default funnelPlan(dim)
   * @returns what is left, best first. Equal scores stand in candidate order; an empty set gives an empty answer.
   * @throws FunnelError, before any work; `code` says what was wrong
   * @example
   * const hits = funnel(fromQdrant(await client.query('movies', request)), query, { scales: [256, 768], keep: 0.5 });
   */
  funnel<Row extends CandidateRow>(
    candidates: readonly Row[],
    query: Vector | Float16Values,
    plan?: Plan,
    options?: FunnelOptions & { explain?: false },
  ): (Hit<Row> & Required<Pick<Hit<Row>, 'row'>>)[];
  /** The same of a matrix, whose hits have a `row` where it has `rows`. */
  funnel<Row = unknown>(
    candidates: Candidates<Row>,
    query: Vector | Float16Values,
    plan?: Plan,
    options?: FunnelOptions & { explain?: false },
  ): Hit<Row>[];
  /** The same with `explain: true`: what each stage dropped, and what became of any candidate; slower. */
  funnel<Row = unknown>(
    candidates: Candidates<Row>,
    query: Vector | Float16Values,
    plan: Plan | undefined,
    options: FunnelOptions & { explain: true },
  ): Explanation<Row>;

  /**
   * As {@link FunnelApi.funnel}, off the main thread when there is much to do. A matrix is copied first, a part at a time
   * (it must not change meanwhile), unless it lies in a SharedArrayBuffer.
   *
   * @throws FunnelError as funnel(); DETACHED_BUFFER for a matrix that was transferred away meanwhile
   */
  funnelAsync<Row extends CandidateRow>(
    candidates: readonly Row[],
    query: Vector | Float16Values,
    plan?: Plan,
    options?: Pick<FunnelOptions, 'limit'>,
  ): Promise<(Hit<Row> & Required<Pick<Hit<Row>, 'row'>>)[]>;
  /** The same of a matrix, whose hits have a `row` where it has `rows`. */
  funnelAsync<Row = unknown>(
    candidates: Candidates<Row>,
    query: Vector | Float16Values,
    plan?: Plan,
    options?: Pick<FunnelOptions, 'limit'>,
  ): Promise<Hit<Row>[]>;

  /** Many queries, each with its candidates, in one call of the kernel. Answers in order. @throws as funnel(), naming the request */
  funnelBatch<Row extends CandidateRow>(
    requests: readonly { candidates: readonly Row[]; query: Vector | Float16Values }[],
    plan?: Plan,
    options?: Pick<FunnelOptions, 'limit'>,
  ): (Hit<Row> & Required<Pick<Hit<Row>, 'row'>>)[][];
  /** The same of matrices. */
  funnelBatch<Row = unknown>(
    requests: readonly FunnelRequest<Row>[],
    plan?: Plan,
    options?: Pick<FunnelOptions, 'limit'>,
  ): Hit<Row>[][];

  /** As {@link FunnelApi.funnelBatch}, off the main thread when there is much to do. */
  funnelBatchAsync<Row extends CandidateRow>(
    requests: readonly { candidates: readonly Row[]; query: Vector | Float16Values }[],
    plan?: Plan,
    options?: Pick<FunnelOptions, 'limit'>,
  ): Promise<(Hit<Row> & Required<Pick<Hit<Row>, 'row'>>)[][]>;
  /** The same of matrices. */
  funnelBatchAsync<Row = unknown>(
    requests: readonly FunnelRequest<Row>[],
    plan?: Plan,
    options?: Pick<FunnelOptions, 'limit'>,
  ): Promise<Hit<Row>[][]>;
}

const NO_OPTIONS: FunnelOptions = {};
const ALL_OPTIONS = ['limit', 'explain'];

/** Multiply-adds below which a hop to another thread costs more than the work. */
const WORTH_A_THREAD = 2_000_000;

/** The functions, over a choice of kernels that is asked at each call. */
export function makeFunnel(kernels: () => Kernels): FunnelApi {
  const shared = sharedWorkspace();
  let busy = false;

  function funnel<Row>(
    candidates: Candidates<Row>,
    query: Vector | Float16Values,
    plan?: Plan,
    options?: FunnelOptions,
  ): never {
    const { limit, explain: explained } = options === undefined ? NO_OPTIONS : checkOptions(options, ALL_OPTIONS);
    // A getter of the caller's may call us from within.
    const outer = busy;
    busy = true;
    try {
      const prepared = prepare(candidates, query, plan, limit, outer ? freshWorkspace : shared);
      if (explained) return explain(kernels(), prepared) as never;
      return hitsOf(prepared, kernels().funnel(prepared.task)) as never;
    } finally {
      busy = outer;
    }
  }

  function prepareAll<Row>(
    requests: readonly FunnelRequest<Row>[],
    plan: Plan | undefined,
    options: FunnelOptions,
  ): Prepared<Row>[] {
    const { limit } = checkOptions(options, ['limit']);
    if (!Array.isArray(requests))
      throw expected('BAD_ARGUMENT', 'an array of { candidates, query }', 'requests', requests);
    return Array.from(requests, (request, i) =>
      inContext(`requests[${i}]`, () => {
        // A limit here would be ignored: it is one for all.
        checkKeys(request, ['candidates', 'query'], 'the request');
        return prepare<Row>(request.candidates, request.query, plan, limit);
      }),
    );
  }

  function finishAll<Row>(prepared: Prepared<Row>[], bad: BadPosition[]): Hit<Row>[][] {
    return prepared.map((one, i) => inContext(`requests[${i}]`, () => hitsOf(one, bad[i]!)));
  }

  return {
    funnel,
    async funnelAsync<Row>(
      candidates: Candidates<Row>,
      query: Vector | Float16Values,
      plan?: Plan,
      options: Pick<FunnelOptions, 'limit'> = {},
    ) {
      const { limit } = checkOptions(options, ['limit']);
      const prepared = prepare(candidates, query, plan, limit);
      return hitsOf(prepared, (await runPrepared(kernels(), [prepared], true))[0]!) as never;
    },
    funnelBatch<Row>(requests: readonly FunnelRequest<Row>[], plan?: Plan, options: Pick<FunnelOptions, 'limit'> = {}) {
      const prepared = prepareAll(requests, plan, options);
      return finishAll(prepared, kernels().funnelBatch(prepared.map((one) => one.task))) as never;
    },
    async funnelBatchAsync<Row>(
      requests: readonly FunnelRequest<Row>[],
      plan?: Plan,
      options: Pick<FunnelOptions, 'limit'> = {},
    ) {
      const prepared = prepareAll(requests, plan, options);
      return finishAll(prepared, await runPrepared(kernels(), prepared, true)) as never;
    },
  };
}

/**
 * Runs prepared calls: at once when they are small, else off the main thread.
 *
 * @param give whether nobody will read the matrices afterwards
 */
export async function runPrepared(
  kernels: Kernels,
  prepared: readonly Prepared<unknown>[],
  give: boolean,
): Promise<BadPosition[]> {
  const total = prepared.reduce((sum, one) => sum + work(one), 0);
  if (total < WORTH_A_THREAD) return kernels.funnelBatch(prepared.map((one) => one.task));
  return kernels.funnelBatchAsync(await withOwnMemory(prepared), give);
}

function checkOptions(options: FunnelOptions, allowed: string[]): FunnelOptions {
  checkKeys(options, allowed, 'the options');
  const { limit, explain: explained } = options;
  if (explained !== undefined && typeof explained !== 'boolean') {
    throw expected('BAD_ARGUMENT', 'a boolean', 'explain', explained);
  }
  return { limit, explain: explained };
}

/** Multiply-adds of a funnel. */
function work({ stages }: Prepared<unknown>): number {
  return stages.reduce((sum, { in: count, scale }, s) => sum + count * (scale - (stages[s - 1]?.scale ?? 0)), 0);
}

/** Bytes copied before other work of the thread gets its turn: less than a millisecond. */
const COPY_AT_ONCE = 4 << 20;

/**
 * Memory that the caller could transfer away meanwhile would crash the process, not only the call, so all of it is copied
 * that is neither ours nor shared.
 */
async function withOwnMemory(prepared: readonly Prepared<unknown>[]): Promise<FunnelTask[]> {
  const tasks = prepared.map(({ task }) => ({ ...task, query: task.query.slice() }));
  const foreign = tasks.filter(({ rows }, i) => !prepared[i]!.matrix.owned && !isSharedMemory(rows.buffer));
  const copies = new Copies();
  // At once: a buffer that shrinks and grows back between two parts looks as before, with zeros in it.
  const resizable = foreign.filter(({ rows }) => isResizable(rows.buffer));
  const others = foreign.filter(({ rows }) => !isResizable(rows.buffer));
  for (const task of resizable) task.rows = copies.made(task.rows) ?? copies.atOnce(task.rows);
  for (const task of others) task.rows = copies.made(task.rows) ?? (await copies.inParts(task.rows));
  return tasks;
}

/** Copies of matrices: one of each, since many queries may share it. */
class Copies {
  readonly #made = new Map<ArrayBufferLike, { given: Rows; copy: Rows }[]>();
  #left = COPY_AT_ONCE;

  made(matrix: Rows): Rows | undefined {
    const { byteOffset, length } = matrix;
    const same = ({ given, copy }: { given: Rows; copy: Rows }) =>
      given.byteOffset === byteOffset && copy.length === length && given.constructor === matrix.constructor;
    return this.#made.get(matrix.buffer)?.find(same)?.copy;
  }

  atOnce(matrix: Rows): Rows {
    return this.#keep(matrix, matrix.slice());
  }

  async inParts(matrix: Rows): Promise<Rows> {
    const { length, BYTES_PER_ELEMENT: size } = matrix;
    const copy = matrix instanceof Float32Array ? new Float32Array(length) : new Uint16Array(length);
    for (let from = 0; from < length; ) {
      if (this.#left < size) {
        await new Promise<void>(nextTurn);
        this.#left = COPY_AT_ONCE;
        if (matrix.byteLength !== length * size) {
          throw new FunnelError('DETACHED_BUFFER', 'Expected vectors to stay where they are until the call has ended');
        }
      }
      const to = Math.min(length, from + Math.floor(this.#left / size));
      copy.set(matrix.subarray(from, to), from);
      this.#left -= (to - from) * size;
      from = to;
    }
    return this.#keep(matrix, copy);
  }

  #keep(given: Rows, copy: Rows): Rows {
    const { buffer } = given;
    this.#made.set(buffer, [...(this.#made.get(buffer) ?? []), { given, copy }]);
    return copy;
  }
}

/** Puts the place in front of an error's message; its code stays. */
export function inContext<T>(where: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof FunnelError)) throw error;
    throw new FunnelError(error.code, `${where}: ${error.message}`, { cause: error, retryAfter: error.retryAfter });
  }
}
