/** funnel(): re-ranks a candidate set by a plan. Validation here, arithmetic in one kernel call. */

import { type Matrix, toMatrix } from './candidates.js';
import { expected, FunnelError } from './errors.js';
import { type Explanation, explain } from './explain.js';
import type { BadPosition, FunnelTask, Kernels } from './kernels/kernels.js';
import { type CheckedPlan, checkPlan, funnelPlan, type Plan, resolvePlan } from './plan.js';
import type { Candidates, FunnelStage, Hit, Vector } from './types.js';
import { checkKeys, checkQuery, isZero } from './validate.js';
import { freshWorkspace, sharedWorkspace, type Workspace } from './workspace.js';

export interface FunnelOptions {
  /** Hits to return; wins over the plan's limit. */
  limit?: number;
  /** Also tell what each stage dropped; slower, for looking at one query. */
  explain?: boolean;
}

/** One query of a batch with the candidates it is to rank. */
export interface FunnelRequest<Row = unknown> {
  candidates: Candidates<Row>;
  query: Vector;
}

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
  funnel<Row = unknown>(
    candidates: Candidates<Row>,
    query: Vector,
    plan?: Plan,
    options?: FunnelOptions & { explain?: false },
  ): Hit<Row>[];
  funnel<Row = unknown>(
    candidates: Candidates<Row>,
    query: Vector,
    plan: Plan | undefined,
    options: FunnelOptions & { explain: true },
  ): Explanation<Row>;

  /**
   * As {@link FunnelApi.funnel}, off the main thread when there is much to do. A matrix is copied first, a part at a time
   * (it must not change meanwhile), unless it lies in a SharedArrayBuffer.
   */
  funnelAsync<Row = unknown>(
    candidates: Candidates<Row>,
    query: Vector,
    plan?: Plan,
    options?: Pick<FunnelOptions, 'limit'>,
  ): Promise<Hit<Row>[]>;

  /** Many queries, each with its candidates, in one call of the kernel. Answers in order. */
  funnelBatch<Row = unknown>(
    requests: readonly FunnelRequest<Row>[],
    plan?: Plan,
    options?: Pick<FunnelOptions, 'limit'>,
  ): Hit<Row>[][];

  /** As {@link FunnelApi.funnelBatch}, off the main thread when there is much to do. */
  funnelBatchAsync<Row = unknown>(
    requests: readonly FunnelRequest<Row>[],
    plan?: Plan,
    options?: Pick<FunnelOptions, 'limit'>,
  ): Promise<Hit<Row>[][]>;
}

/** A validated call: what the kernel is to do, and the way back to the caller's rows. */
export interface Prepared<Row> {
  matrix: Matrix<Row>;
  task: FunnelTask;
  stages: FunnelStage[];
  /** How many rows the task will leave. */
  hits: number;
}

/** Multiply-adds below which a hop to another thread costs more than the work. */
const WORTH_A_THREAD = 2_000_000;

/** The functions, over a choice of kernels that is asked at each call. */
export function makeFunnel(kernels: () => Kernels): FunnelApi {
  const shared = sharedWorkspace();
  let busy = false;

  function funnel<Row>(candidates: Candidates<Row>, query: Vector, plan?: Plan, options: FunnelOptions = {}): never {
    const { limit, explain: explained } = checkOptions(options, ['limit', 'explain']);
    // A getter of the caller's may call us from within.
    const outer = busy;
    busy = true;
    try {
      const prepared = prepare(candidates, query, plan, limit, outer ? freshWorkspace : shared);
      if (explained) return explain(kernels(), prepared) as never;
      return finish(prepared, kernels().funnel(prepared.task)) as never;
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
    return requests.map((request, i) =>
      inContext(`requests[${i}]`, () => prepare<Row>(request?.candidates, request?.query, plan, limit)),
    );
  }

  function finishAll<Row>(prepared: Prepared<Row>[], bad: BadPosition[]): Hit<Row>[][] {
    return prepared.map((one, i) => inContext(`requests[${i}]`, () => finish(one, bad[i]!)));
  }

  const { run } = makeRunner(kernels);
  return {
    funnel,
    async funnelAsync(candidates, query, plan, options = {}) {
      const { limit } = checkOptions(options, ['limit']);
      const prepared = prepare(candidates, query, plan, limit);
      return finish(prepared, (await run([prepared], true))[0]!);
    },
    funnelBatch(requests, plan, options = {}) {
      const prepared = prepareAll(requests, plan, options);
      return finishAll(prepared, kernels().funnelBatch(prepared.map((one) => one.task)));
    },
    async funnelBatchAsync(requests, plan, options = {}) {
      const prepared = prepareAll(requests, plan, options);
      return finishAll(prepared, await run(prepared, true));
    },
  };
}

/** Runs prepared calls: at once when they are small, else off the main thread. */
export function makeRunner(kernels: () => Kernels) {
  return {
    /** @param give whether nobody will read the matrices afterwards */
    async run(prepared: readonly Prepared<unknown>[], give = false): Promise<BadPosition[]> {
      const total = prepared.reduce((sum, one) => sum + work(one), 0);
      if (total < WORTH_A_THREAD) return kernels().funnelBatch(prepared.map((one) => one.task));
      return kernels().funnelBatchAsync(await withOwnMemory(prepared), give);
    },
    explain: <Row>(prepared: Prepared<Row>): Explanation<Row> => explain(kernels(), prepared),
  };
}

/** Everything that can be wrong with a call is found here, except NaN and Infinity in rows: the kernel sees those. */
export function prepare<Row>(
  candidates: Candidates<Row>,
  query: Vector,
  plan: Plan | undefined,
  limit: number | undefined,
  workspace: Workspace = freshWorkspace,
): Prepared<Row> {
  const matrix = toMatrix(candidates, workspace);
  const q = checkQuery(query, matrix.count === 0 ? undefined : matrix.dim);
  const dim = q.length;
  const checked = plan === undefined ? defaultPlan(dim) : checkPlan(plan, dim);
  const { metric, scales, keep, stages } = resolvePlan(checked, matrix.count, limit, workspace);
  const hits = keep[stages.length - 1]!;
  const { indices, keys } = workspace.results(hits);
  // Native code trusts these lengths, and getters of the caller's have run since they were looked at.
  if (q.length !== dim || matrix.vectors.length !== matrix.count * matrix.dim) {
    throw new FunnelError('DETACHED_BUFFER', 'Expected query and vectors to stay as they are during the call');
  }
  if (metric !== 'euclid' && isZero(q)) {
    throw new FunnelError('ZERO_QUERY', `Expected a query with a direction for metric ${metric} but received zeros`);
  }
  return { matrix, task: { metric, query: q, rows: matrix.vectors, dim, scales, keep, indices, keys }, stages, hits };
}

/** The kernel's answer as hits. */
export function finish<Row>({ matrix, task, hits: count }: Prepared<Row>, bad: BadPosition): Hit<Row>[] {
  if (bad !== -1) throw notFinite(matrix, bad);
  const { indices, keys, metric } = task;
  const hits = new Array<Hit<Row>>(count);
  for (let i = 0; i < count; i++) hits[i] = matrix.hit(indices[i]!, scoreOf(metric, keys[i]!));
  return hits;
}

/** A key is larger when better; a distance is smaller. 0 − key keeps −0 out. */
export function scoreOf(metric: FunnelTask['metric'], key: number): number {
  return metric === 'euclid' ? 0 - key : key;
}

export function notFinite(matrix: Matrix<unknown>, at: number): FunnelError {
  const row = Math.floor(at / matrix.dim);
  const found = matrix.vectors instanceof Float32Array ? matrix.vectors[at] : undefined;
  // An asynchronous call looked at a copy, and the original may be gone by now.
  const value = found === undefined || Number.isFinite(found) ? 'NaN or Infinity' : found;
  const id = matrix.id(row);
  const name = id === row ? `row ${row}` : `row ${row} (id ${String(id)})`;
  return expected('NOT_FINITE', 'a finite float32', `dim ${at % matrix.dim} of ${name}`, value);
}

const defaultPlans = new Map<number, CheckedPlan>();

function defaultPlan(dim: number): CheckedPlan {
  let plan = defaultPlans.get(dim);
  if (plan === undefined) {
    plan = checkPlan(funnelPlan(dim), dim);
    defaultPlans.set(dim, plan);
  }
  return plan;
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
  return stages.reduce((sum, { in: rows, scale }, s) => sum + rows * (scale - (stages[s - 1]?.scale ?? 0)), 0);
}

/** Bytes copied before other work of the thread gets its turn: less than a millisecond. */
const COPY_AT_ONCE = 4 << 20;

/**
 * Memory that the caller could transfer away meanwhile would crash the process, not only the call, so all of it is copied
 * that is neither ours nor shared.
 */
async function withOwnMemory(prepared: readonly Prepared<unknown>[]): Promise<FunnelTask[]> {
  const tasks = prepared.map(({ task }) => ({ ...task, query: task.query.slice() }));
  let left = COPY_AT_ONCE;
  for (const [i, { matrix, task }] of prepared.entries()) {
    const { rows } = task;
    if (matrix.owned || rows.buffer instanceof SharedArrayBuffer) continue;
    const { length, BYTES_PER_ELEMENT: size } = rows;
    const copy = rows instanceof Float32Array ? new Float32Array(length) : new Uint16Array(length);
    for (let from = 0; from < length; ) {
      if (left < size) {
        await new Promise((resolve) => setImmediate(resolve));
        left = COPY_AT_ONCE;
        if (rows.length !== length) {
          throw new FunnelError('DETACHED_BUFFER', 'Expected vectors to stay where they are until the call has ended');
        }
      }
      const to = Math.min(length, from + Math.floor(left / size));
      copy.set(rows.subarray(from, to), from);
      left -= (to - from) * size;
      from = to;
    }
    tasks[i]!.rows = copy;
  }
  return tasks;
}

/** Puts the place in front of an error's message; its code stays. */
export function inContext<T>(where: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof FunnelError)) throw error;
    throw new FunnelError(error.code, `${where}: ${error.message}`, { cause: error });
  }
}
