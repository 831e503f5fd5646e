/**
 * A thread of the pool: keeps the newest snapshot of each index that it searched. A job of a build is done in slices, and
 * searches that come meanwhile are answered between them.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { askForCollection } from '../core/collection.js';
import { FunnelError } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';
import type { Sliced } from '../core/slices.js';
import { endThread } from '../core/threads.js';
import type { CodeKernels } from '../kernels/codes.js';
import { loadNativeCodeKernels } from '../kernels/codes-native.js';
import type { Kernels } from '../kernels/kernels.js';
import { loadNativeKernels } from '../kernels/native.js';
import { fromPost, hear, toPost } from '../kernels/post.js';
import { measured } from './engine/agreement.js';
import { encodeRange, planCoding } from './engine/build.js';
import { planExtension } from './engine/extend.js';
import { finishSegment, sortByList, sortPlane } from './engine/finish.js';
import { Scratch } from './engine/memory.js';
import { findNeighbours, linkBack, relinkRows, withTable } from './engine/neighbours.js';
import { breaks } from './engine/project.js';
import { Searcher } from './engine/search.js';
import type { SearchState } from './engine/types.js';
import { OrdinalReader, RowImages } from './files/row-images.js';
import { Builder } from './pool-manners.js';
import type { BuildJob, Outcome, SearchJob, ThreadData, ThreadMessage, ThreadReply } from './pool-messages.js';

/** Milliseconds of a build at a stretch. */
const SLICE = 1;
/** Products of a basis with rows at a stretch: a millisecond or two where searches come, ten and more where none does. */
const PRODUCTS = 8 << 20;
const PRODUCTS_ALONE = 256 << 20;
/** Milliseconds after a search in which the next is awaited. */
const EXPECTED = 200;
/** Searches take so many times as long as the build, while both have work: neither waits for the other's end. */
const SHARE_OF_SEARCHES = 2;

const setup = workerData as ThreadData;
let codes: CodeKernels;
let searcher: Searcher;
let scratch: Scratch;
/** By index. */
const states = new Map<number, { version: number; state: SearchState }>();
let searchedAt = Number.NEGATIVE_INFINITY;
const builder = new Builder(setup.manners, setup.mostBuilders);
let building: { id: number; cancelled: boolean } | undefined;

const port = parentPort!;
/** Messages that came before the kernels. */
const early: ThreadMessage[] = [];
hear(port, (message: ThreadMessage) => {
  if (codes === undefined) early.push(message);
  else serve(message);
});
loadKernels(setup.kernels, setup.memory).then(
  (found) => {
    codes = found.codes;
    searcher = new Searcher(found.kernels, codes);
    scratch = new Scratch(codes);
    for (let next = early.shift(); next !== undefined; next = early.shift()) serve(next);
  },
  // Thrown outside of a promise: a process may be told to go on after rejections, and then nobody would hear of it.
  (error) =>
    queueMicrotask(() => {
      throw error;
    }),
);

interface ThreadKernels {
  kernels: Kernels;
  codes: CodeKernels;
}

/**
 * By the name that the pool gave. Native ones are bound without the modules of the others: a thread pays for each module that it
 * loads, and these were a quarter of them.
 *
 * @param memory what WASM code kernels work on (`WasmCodeKernels.memory`)
 * @throws FunnelError KERNELS_UNAVAILABLE when they do not run here
 */
async function loadKernels(name: string, memory?: unknown): Promise<ThreadKernels> {
  const native = name === 'wasm' || name === 'js' ? undefined : nativeKernels(name);
  if (native !== undefined) return native;
  const [{ getKernels }, { codeKernelsFor }] = await Promise.all([
    import('../kernels/load.js'),
    import('../kernels/codes-load.js'),
  ]);
  return { kernels: getKernels(name), codes: codeKernelsFor(name, memory) };
}

/** Undefined where they cannot be had: the search among all tells why. */
function nativeKernels(name: string): ThreadKernels | undefined {
  try {
    const kernels = loadNativeKernels().levels.find((level) => level.name === name);
    const codes = loadNativeCodeKernels().find((level) => level.name === name);
    return kernels && codes && { kernels, codes };
  } catch {
    return undefined;
  }
}

function serve(posted: ThreadMessage): void {
  const message = fromPost(posted);
  if ('job' in message) {
    const { id, job } = message;
    if (job.kind === 'search') reply(id, () => search(job));
    else reply(id, () => between(id, build(job)));
  } else if (message.kind === 'forget') {
    states.delete(message.index);
  } else if (message.kind === 'collect') {
    askForCollection();
  } else if (message.kind === 'cancel') {
    if (building?.id === message.id) building.cancelled = true;
  } else {
    endThread(port);
  }
}

function reply(id: number, run: () => Outcome): void {
  let message: ThreadReply;
  try {
    message = { id, ...run() };
  } catch (error) {
    // Errors lose their class between threads: the parts travel.
    const {
      code,
      message: text,
      cause,
    } = error instanceof FunnelError
      ? error
      : new FunnelError('KERNELS_UNAVAILABLE', 'A search thread failed', { cause: error });
    message = { id, error: { code, message: text, cause } };
  }
  port.postMessage(toPost(message));
}

/** A message that has come meanwhile. Deno takes no such look at the port of a thread: there it waits for the end of the job. */
function received(): ThreadMessage | undefined {
  if (early.length > 0) return early.shift();
  try {
    return (receiveMessageOnPort(port) as { message: ThreadMessage } | undefined)?.message;
  } catch {
    return undefined;
  }
}

/** Runs a build's job, and what comes meanwhile between its slices. */
function between(id: number, work: Sliced<Outcome>): Outcome {
  const mine = { id, cancelled: false };
  building = mine;
  builder.begin();
  const answerAll = () => {
    for (let next = received(); next !== undefined; next = received()) {
      serve(next);
    }
    return !mine.cancelled;
  };
  try {
    for (;;) {
      const began = performance.now();
      breaks.products = began < searchedAt + EXPECTED ? PRODUCTS : PRODUCTS_ALONE;
      let now = began;
      do {
        const step = work.next();
        if (step.done) return step.value;
        now = performance.now();
      } while (now < began + SLICE);
      const until = now + SHARE_OF_SEARCHES * (now - began);
      do {
        const next = received();
        if (next === undefined) break;
        serve(next);
      } while (performance.now() < until);
      builder.giveWay(answerAll);
      if (mine.cancelled) throw new FunnelError('CLOSED', 'Expected an open index but it was closed');
    }
  } finally {
    builder.end();
    building = undefined;
  }
}

function* build(job: BuildJob): Sliced<Outcome> {
  if (job.kind === 'plan') {
    const rows = new RowImages(codes, job.images, job.options.dim, job.half, scratch);
    return { plan: yield* planCoding(codes, new OrdinalReader(rows, job.ordinals, halfToFloat), job.options) };
  }
  if (job.kind === 'planExtension') {
    const { images, half, ordinals, like, total } = job;
    const rows = new RowImages(codes, images, like.coding.dim, half, scratch);
    return { plan: yield* planExtension(codes, new OrdinalReader(rows, ordinals, halfToFloat), like, total) };
  }
  if (job.kind === 'encode') {
    const { plan, images, half, ordinals, from, to, encoded } = job;
    const rows = new RowImages(codes, images, plan.coding.dim, half, scratch);
    yield* encodeRange(codes, plan, new OrdinalReader(rows, ordinals, halfToFloat), from, to, encoded);
    return {};
  }
  if (job.kind === 'sort') return { sorting: yield* sortByList(job.encoded, job.plan) };
  if (job.kind === 'sortPlane') {
    yield* sortPlane(job.plane, job.stride, job.sorting);
    return {};
  }
  if (job.kind === 'neighbours') {
    yield* findNeighbours(codes, scratch, job.segment, job.from, job.to, job.table);
    return {};
  }
  if (job.kind === 'relink') {
    yield* relinkRows(codes, scratch, job.segment, job.from, job.to, job.before);
    return {};
  }
  if (job.kind === 'linkBack') {
    yield* linkBack(job.segment, job.narrow);
    return {};
  }
  if (job.kind === 'measure') {
    const { segment, images, half } = job;
    const rows = new RowImages(codes, images, segment.coding.dim, half, scratch);
    return { segment: yield* measured(searcher, segment, rows) };
  }
  const { plan, encoded, ordinals, sorting } = job;
  const segment = yield* finishSegment(codes, plan, encoded, ordinals, () => true, sorting);
  return { segment: yield* withTable(codes, segment) };
}

function search(job: SearchJob): Outcome {
  const start = performance.now();
  const results = searcher.searchBatch(stateFor(job), job.requests);
  searchedAt = performance.now();
  return { results, ms: searchedAt - start };
}

function stateFor({ index, version, snapshot }: SearchJob): SearchState {
  if (snapshot !== undefined) {
    const { metric, dim, segments, unindexed, images, half } = snapshot;
    const rows = new RowImages(codes, images, dim, half, scratch);
    states.set(index, { version, state: { metric, dim, segments, unindexed, rows } });
  }
  const current = states.get(index);
  if (current?.version !== version) throw new Error(`This thread does not have version ${version} of the index`);
  return current.state;
}
