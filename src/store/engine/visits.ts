/** Which blocks of a segment a search reads. */
import type { CodeKernels } from '../../kernels/codes.js';
import type { Kernels } from '../../kernels/kernels.js';
import { makeAll, makeLists } from './late-masks.js';
import { affinitiesOf, blocksWithin, listsWithin, probesFor, type VisitGoal } from './lists.js';
import type { Scratch } from './memory.js';
import type { Run } from './run.js';
import type { Segment } from './segment.js';
import type { Visit } from './shortlist.js';
import type { RowMasks, SearchTask } from './types.js';
import { walkProbes } from './walk.js';

/** Where a filter leaves so many times fewer rows than there are, most blocks have none. */
const SPARSE = 16;

export class Visits {
  constructor(
    readonly kernels: Kernels,
    readonly codes: CodeKernels,
    readonly scratch: Scratch,
  ) {}

  /** The blocks with rows that take part, where all requests have the same few; else every block. */
  blocksOf(segment: Segment, s: number, requests: readonly SearchTask[]): Visit {
    for (const { only } of requests) if (only !== undefined) makeAll(this.codes, this.scratch, only, s, segment);
    const { blocks, count: rows } = segment;
    const only = requests[0]!.only;
    const few = only !== undefined && SPARSE * only.rows < rows && requests.every((one) => one.only === only);
    if (!few) return { blocks, count: blocks.length };
    const mask = only.masks[s]!;
    const some = this.scratch.take(`blocks ${s}`, Uint32Array, blocks.length);
    let count = 0;
    for (let i = 0; i < blocks.length; i++) {
      // Without a branch: which blocks have a row cannot be foretold.
      some[count] = blocks[i]!;
      count += mask[blocks[i]!] === 0 ? 0 : 1;
    }
    return { blocks: some, count };
  }

  /** The blocks of so many lists, those nearest to the query, whatever a filter says of them. */
  whole(run: Run, { partition, blocks }: Segment, u: Float64Array, lists: number): Visit {
    const { scratch } = this;
    const affinities = affinitiesOf(this.codes, scratch, partition!, u);
    const order = new Uint32Array(lists);
    this.kernels.topK(affinities, order, new Float64Array(lists));
    const out = scratch.take('visit', Uint32Array, blocks.length);
    run.stages.push({ name: 'lists', in: affinities.length, out: lists });
    return { blocks: out, count: blocksWithin(partition!, order.sort(), out) };
  }

  /**
   * The blocks of the lists nearest to the query, ascending; every block without a partition. Under a filter, blocks without a
   * row of it are passed over, and more lists are visited: at least as many blocks are read as without it. Where nobody says
   * how many, lists are visited until they hold `keep` rows.
   */
  nearest(run: Run, segment: Segment, s: number, u: Float64Array, keep: number, walking = false): Visit {
    const { partition, blocks } = segment;
    const { only, probes, k } = run.request;
    if (partition === null) return this.blocksOf(segment, s, [run.request]);
    const lists = partition.halfSquares.length;
    // A table whose walk wants many lists tells that many have rows that are near.
    const probesOf = (some?: RowMasks) => {
      const walked = segment.neighbours === null ? 0 : walkProbes(segment, k, some);
      return walking ? walked : Math.max(walked, probesFor(lists, k, some));
    };
    const room = Math.min(lists, probes ?? probesOf());
    if (room >= lists) return this.blocksOf(segment, s, [run.request]);
    const scratch = this.scratch;
    const affinities = affinitiesOf(this.codes, scratch, partition, u);
    const ordered = (count: number) => {
      const order = new Uint32Array(count);
      this.kernels.topK(affinities, order, new Float64Array(count));
      return order;
    };
    const mask = only?.masks[s] ?? segment.mask;
    const rows = probes === undefined ? keep : 0;
    const least = only === undefined ? room : (probes ?? probesOf(only));
    const reach: VisitGoal = { room: only === undefined ? 0 : room, least, rows };
    const make = only && ((some: Uint32Array) => makeLists(this.codes, scratch, only, s, segment, some));
    let order = ordered(only === undefined ? room : lists);
    let within = listsWithin(partition, mask, order, reach, make);
    if (within === undefined && order.length < lists) {
      order = ordered(lists);
      within = listsWithin(partition, mask, order, reach);
    }
    const nearest = order.subarray(0, within ?? lists).sort();
    const out = scratch.take('visit', Uint32Array, blocks.length);
    const count = blocksWithin(partition, nearest, out, only && mask);
    run.stages.push({ name: 'lists', in: lists, out: nearest.length });
    return { blocks: out, count };
  }
}
