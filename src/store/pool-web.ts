/** In place of pool.ts in browsers and on the edge: an index has no threads there, whoever wants one calls it in a worker. */
import { FunnelError } from '../core/errors.js';
import type { CodingPlan } from './engine/coder.js';
import type { Sorting } from './engine/finish.js';
import type { Segment } from './engine/segment.js';
import type { SearchAnswer } from './engine/types.js';

export class Pool {
  static readonly available: boolean = false;
  closed = false;
  readonly isBuilding: boolean = false;

  constructor(
    readonly size: number,
    _setup: unknown,
  ) {}

  prepare(): void {}
  searchesHere(): void {}

  search = (..._task: unknown[]): Promise<{ results: SearchAnswer[]; ms: number }> => none();
  encode = (_job: unknown): Promise<void> => none();
  plan = (_job: unknown): Promise<CodingPlan> => none();
  sort = (_job: unknown): Promise<Sorting> => none();
  sortPlane = (_job: unknown): Promise<void> => none();
  finish = (_job: unknown): Promise<Segment> => none();
  table = (_job: unknown): Promise<void> => none();
  measure = (_job: unknown): Promise<Segment> => none();

  async close(): Promise<void> {
    this.closed = true;
  }
}

async function none(): Promise<never> {
  throw new FunnelError('KERNELS_UNAVAILABLE', 'There is no file for search threads here');
}
