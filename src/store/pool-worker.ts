/** A search thread: keeps the newest snapshot of its index and runs jobs one by one. */
import { parentPort, workerData } from 'node:worker_threads';
import { FunnelError } from '../errors.js';
import { codeKernelsFor } from '../kernels/codes-load.js';
import { getKernels } from '../kernels/load.js';
import { failUnread, fromPost, toPost } from '../kernels/post.js';
import { halfToFloat } from '../kernels/reference.js';
import { agreementOf } from './engine/agreement.js';
import { encodeRange, finish, planCoding, sortByList, sortPlane } from './engine/build.js';
import { Scratch } from './engine/memory.js';
import { OrdinalReader, Rows } from './engine/rows.js';
import { Searcher, type SearchState } from './engine/search.js';
import type { EncodeJob, Job, SearchJob, ThreadReply, ThreadSetup } from './pool-messages.js';

const setup = workerData as ThreadSetup;
const kernels = getKernels(setup.kernels);
const codes = codeKernelsFor(setup.kernels, setup.memory);
const searcher = new Searcher(kernels, codes);
const scratch = new Scratch(codes);
let current: { version: number; state: SearchState } | undefined;

parentPort!.on('messageerror', failUnread);
parentPort!.on('message', (posted: { id: number; job: Job }) => {
  const { id, job } = fromPost(posted);
  parentPort!.postMessage(toPost(answer(id, job)));
});

function answer(id: number, job: Job): ThreadReply {
  try {
    if (job.kind === 'plan') {
      const rows = new Rows(codes, job.images, job.options.dim, job.half, scratch);
      return { id, plan: planCoding(codes, new OrdinalReader(rows, job.ordinals, halfToFloat), job.options) };
    }
    if (job.kind === 'encode') {
      encode(job);
      return { id };
    }
    if (job.kind === 'sort') return { id, sorting: sortByList(job.encoded, job.plan) };
    if (job.kind === 'sortPlane') {
      sortPlane(job.plane, job.stride, job.sorting);
      return { id };
    }
    if (job.kind === 'finish') {
      const { plan, images, half, encoded, ordinals, sorting } = job;
      const segment = finish(codes, plan, encoded, ordinals, () => true, sorting);
      const rows = new Rows(codes, images, plan.coding.dim, half, scratch);
      return { id, segment: { ...segment, agreement: agreementOf(searcher, segment, rows) } };
    }
    const start = performance.now();
    const results = searcher.searchBatch(stateFor(job), job.requests);
    return { id, results, ms: performance.now() - start };
  } catch (error) {
    // Errors lose their class between threads: the parts travel.
    const { code, message, cause } =
      error instanceof FunnelError
        ? error
        : new FunnelError('KERNELS_UNAVAILABLE', 'A search thread failed', { cause: error });
    return { id, error: { code, message, cause } };
  }
}

function stateFor({ version, snapshot }: SearchJob): SearchState {
  if (snapshot !== undefined) {
    const { metric, dim, segments, tail, images, half } = snapshot;
    current = { version, state: { metric, dim, segments, tail, rows: new Rows(codes, images, dim, half, scratch) } };
  }
  if (current?.version !== version) throw new Error(`This thread does not have version ${version} of the index`);
  return current.state;
}

function encode({ plan, images, half, ordinals, from, to, encoded }: EncodeJob): void {
  const rows = new Rows(codes, images, plan.coding.dim, half, scratch);
  encodeRange(codes, plan, new OrdinalReader(rows, ordinals, halfToFloat), from, to, encoded);
}
