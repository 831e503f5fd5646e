/** One query over coded segments and the rows behind them: exact with a certificate, or a funnel by counts. */

import { BLOCK_ROWS, type CodeKernels } from '../../kernels/codes.js';
import type { Kernels } from '../../kernels/kernels.js';
import { codedMetric } from './centre.js';
import { Scratch } from './memory.js';
import { type HeadQuerySide, headQuerySide, NOT_ROTATED, type Rotated, rotateQuery, splitLengths } from './prepared.js';
import { scoreInReach } from './reach.js';
import { firstOfBlocks, firstRestricted } from './restricted.js';
import { boundsFor, defaultCandidates, isBounded, isUnindexed, missedBy, picksFor, Run, rowsIn } from './run.js';
import { arePooled, isCodedAs, type Segment, shortlistDepth } from './segment.js';
import {
  type ByHead,
  codeEstimates,
  fullEstimates,
  keepBest,
  keyOf,
  listEstimates,
  shortlistRows,
  twiceIn,
  type Visit,
} from './shortlist.js';
import { type CodedQuery, REFINEMENT, type RefineStage, SCAN, stageDots } from './stages.js';
import type { SearchAnswer, SearchState, SearchTask } from './types.js';
import { Visits } from './visits.js';
import { walkFrom, walkMore, walks } from './walk.js';

/** Queries that share a pass over the head plane. */
const TILE = 8;

export class Searcher {
  readonly #scratch: Scratch;
  readonly #visits: Visits;

  constructor(
    readonly kernels: Kernels,
    readonly codes: CodeKernels,
    readonly refinement: readonly RefineStage[] = REFINEMENT,
  ) {
    this.#scratch = new Scratch(codes);
    this.#visits = new Visits(kernels, codes, this.#scratch);
  }

  search(state: SearchState, request: SearchTask): SearchAnswer {
    if (isUnindexed(request)) return this.#onlyUnindexed(state, request);
    return isBounded(state, request) ? this.#bounded(state, [request])[0]! : this.#funnel(state, request);
  }

  searchBatch(state: SearchState, requests: readonly SearchTask[]): SearchAnswer[] {
    const results: SearchAnswer[] = new Array(requests.length);
    const bounded: number[] = [];
    requests.forEach((request, i) => {
      if (isUnindexed(request)) results[i] = this.#onlyUnindexed(state, request);
      else if (isBounded(state, request)) bounded.push(i);
      else results[i] = this.#funnel(state, request);
    });
    for (let first = 0; first < bounded.length; first += TILE) {
      const tile = bounded.slice(first, first + TILE);
      const answers = this.#bounded(
        state,
        tile.map((i) => requests[i]!),
      );
      tile.forEach((i, t) => {
        results[i] = answers[t]!;
      });
    }
    return results;
  }

  /**
   * A bound on every row's key from its head codes; the rows whose bound reaches the k-th best key known so far go on,
   * through finer codes, to be scored. That key comes from scoring the rows that look best first.
   */
  #bounded(state: SearchState, requests: readonly SearchTask[]): SearchAnswer[] {
    const { segments } = state;
    const runs = requests.map((request) => new Run(state, request));
    for (const run of runs) this.#scoreUnindexed(state, run);
    const parts: HeadQuerySide[][] = [];
    // Pass 1: every dot product of the heads, and what looks best.
    const dotsOf: Int32Array[] = [];
    const visits: Visit[] = [];
    // With one query and one segment nothing overwrites the scratch memory, so no copy is needed.
    const alone = segments.length === 1 && requests.length === 1;
    for (const [s, segment] of segments.entries()) {
      const { coding } = segment;
      const visit = this.#visits.blocksOf(segment, s, requests);
      visits.push(visit);
      const { count } = visit;
      const dims = SCAN.dims(coding);
      const query = this.#scratch.take(`head query ${s}`, Int16Array, dims * requests.length);
      const dots = this.#scratch.take(`dots ${s}`, Int32Array, count * BLOCK_ROWS * requests.length);
      dotsOf.push(dots);
      parts.push(
        runs.map((run, t) => {
          const rotated = this.#rotated(run, s, alone);
          run.rotated[s] = rotated;
          return SCAN.querySide(coding, rotated, query.subarray(t * dims, (t + 1) * dims));
        }),
      );
      const queries = requests.length;
      this.codes.headDots({ plane: SCAN.plane(segment), dims, ...visit, query, queries, dots });
    }
    return runs.map((run, t) => {
      const dots = (s: number) => {
        const n = visits[s]!.count * BLOCK_ROWS;
        return dotsOf[s]!.subarray(t * n, (t + 1) * n);
      };
      for (const s of segments.keys()) this.#scoreFirst(run, s, visits[s]!, dots(s));
      for (const s of segments.keys()) this.#refine(run, s, visits[s]!, dots(s), parts[s]![t]!);
      return run.result(true);
    });
  }

  /** The query rotated for a segment's codes. Segments that are coded alike have the same. */
  #rotated(run: Run, s: number, alone: boolean): Rotated {
    const { segments } = run.state;
    const { coding } = segments[s]!;
    if (s > 0 && isCodedAs(coding, segments[0]!.coding)) return run.rotated[0]!;
    const rotated = rotateQuery(this.#scratch, coding, run.seenBy(s), coding.width);
    return alone ? rotated : { ...rotated, u: rotated.u.slice(0, coding.width) };
  }

  /** Answers a request that no row of a segment passes, without a look at codes. */
  #onlyUnindexed(state: SearchState, request: SearchTask): SearchAnswer {
    const run = new Run(state, request);
    this.#scoreUnindexed(state, run);
    return run.result(isBounded(state, request));
  }

  #scoreUnindexed(state: SearchState, run: Run): void {
    const unindexed = run.request.only?.unindexed ?? state.unindexed;
    if (unindexed.length === 0) return;
    const step = 4096;
    for (let first = 0; first < unindexed.length; first += step) {
      this.#score(run, unindexed.subarray(first, first + step), Math.min(step, unindexed.length - first));
    }
    run.stages.push({ name: 'rows', in: unindexed.length, out: unindexed.length });
  }

  /** Returns their keys, until the next call. */
  #score(run: Run, ordinals: Uint32Array, count: number): Float64Array {
    const keys = this.#scratch.take('keys', Float64Array, count);
    const { state, request, best } = run;
    state.rows.score(request.vector, state.metric, ordinals, count, keys);
    run.rowsRead += count;
    const above = request.above ?? -Infinity;
    for (let i = 0; i < count; i++) {
      if (keys[i]! > above) best.offer(keys[i]!, ordinals[i]!);
    }
    return keys;
  }

  /**
   * Scores the rows whose head dots are largest, so that there is a threshold before the refinement: the k-th best key of these,
   * and of the unindexed rows.
   */
  #scoreFirst(run: Run, s: number, visit: Visit, dots: Int32Array): void {
    const segment = run.state.segments[s]!;
    const k = Math.min(segment.count, Math.max(16, 2 * run.request.k));
    const rows = this.#scratch.take('first rows', Uint32Array, k);
    const found = this.codes.topDots({
      dots,
      ...visit,
      mask: run.request.only?.masks[s] ?? segment.mask,
      k,
      rows,
      best: this.#scratch.take('best dots', Int32Array, k),
    });
    const ordinals = this.#scratch.take('first ordinals', Uint32Array, k);
    for (let i = 0; i < found; i++) ordinals[i] = segment.ordinals[rows[i]!]!;
    this.#score(run, ordinals, found);
    run.first[s] = rows.slice(0, found);
  }

  /**
   * Prunes a segment's rows stage by stage, and scores the candidates that are left. A row goes on while its bound reaches the
   * threshold, equality included, so no stage can lose a row of the answer.
   */
  #refine(run: Run, s: number, visit: Visit, dots: Int32Array, head: HeadQuerySide): void {
    const { request } = run;
    const segment = run.state.segments[s]!;
    const { coding } = segment;
    const { codes } = this;
    const scratch = this.#scratch;
    const rotated = run.rotated[s]!;
    const query: CodedQuery = {
      seen: run.seenBy(s),
      rotated,
      head,
      lengths: splitLengths(coding, rotated, coding.head),
    };
    const bound = boundsFor(segment, query.seen, Math.max(run.best.threshold, request.above ?? -Infinity), request.eps);

    const visited = visit.count * BLOCK_ROWS;
    const rows = scratch.take('rows', Uint32Array, visited);
    const estimates = scratch.take('estimates', Float64Array, visited);
    let terms = SCAN.bound(segment, query);
    let n = codes.pruneVisit({
      dots,
      scale: head.scale,
      ...visit,
      mask: request.only?.masks[s] ?? segment.mask,
      bound: bound(terms),
      rows,
      kept: scratch.take('kept', Int32Array, visited),
      estimates,
    });
    run.stages.push({ name: SCAN.name, in: request.only?.rows ?? segment.count, out: n });
    if (n === 0) return;

    const more = scratch.take('more dots', Int32Array, n);
    for (const stage of this.refinement) {
      if (stage.dims(coding) === 0 || n <= stage.above) continue;
      const part = stage.querySide(scratch, coding, query);
      stageDots(codes, stage, segment, part.query, rows, n, more);
      if (stage.restarts) estimates.fill(0, 0, n);
      terms = stage.bound(segment, query, part, terms.constant);
      const { scale } = part;
      const left = codes.pruneRows({ rows, count: n, estimates, dots: more, scale, bound: bound(terms) });
      run.stages.push({ name: stage.name, in: n, out: left });
      n = left;
    }
    this.#rescore(run, s, rows, n);
  }

  /** Scores the candidates in full, but for those that were scored before the refinement. */
  #rescore(run: Run, s: number, rows: Uint32Array, n: number): void {
    const segment = run.state.segments[s]!;
    const scratch = this.#scratch;
    const first = run.first[s]!;
    const ordinals = scratch.take('ordinals', Uint32Array, n);
    const scored = scratch.take('scored', Uint8Array, segment.count); // zeros between searches
    for (let i = 0; i < first.length; i++) scored[first[i]!] = 1;
    let left = 0;
    for (let i = 0; i < n; i++) {
      if (scored[rows[i]!] === 0) ordinals[left++] = segment.ordinals[rows[i]!]!;
    }
    for (let i = 0; i < first.length; i++) scored[first[i]!] = 0;
    this.#score(run, ordinals, left);
    run.stages.push({ name: 'rows', in: n, out: Math.min(n, run.request.k) });
  }

  /** Scores the rows in full that head codes put first, or those of a shortlist plane. */
  #funnel(state: SearchState, request: SearchTask): SearchAnswer {
    const run = new Run(state, request);
    this.#scoreUnindexed(state, run);
    const keep = Math.max(request.k, request.candidates ?? defaultCandidates(request.k, state.rows.resident));
    // More than that by the head alone; codes of more dims choose between them, which costs a twentieth of a row.
    const walking = state.segments.some((segment) => walks(segment, request, keep));
    const picked =
      request.candidates === undefined
        ? picksFor(keep) * shortlistDepth(state.segments)
        : picksFor(keep, walking ? walkMore(keep) : 0);
    if (arePooled(state.segments)) this.#overSegments(run, picked, keep);
    else for (const s of state.segments.keys()) this.#overSegment(run, s, picked, keep);
    if (request.probes !== undefined) run.missing = missedBy(this.codes, this.#scratch, run);
    return run.result(false);
  }

  #overSegment(run: Run, s: number, picked: number, keep: number): void {
    const segment = run.state.segments[s]!;
    const k = Math.min(segment.count, picked);
    const rows = this.#scratch.take('candidates', Uint32Array, k);
    run.estimates = undefined;
    let found =
      segment.shortlist === null ? this.#byHead(run, s, rows, k, keep) : this.#byShortlistPlane(run, s, rows, k, keep);
    const ordinals = this.#scratch.take('ordinals', Uint32Array, found);
    for (let i = 0; i < found; i++) ordinals[i] = segment.ordinals[rows[i]!]!;
    const score = (from: number, to: number) => this.#score(run, ordinals.subarray(from, to), to - from);
    found = scoreInReach(run, s, rows, ordinals, found, score);
    run.stages.push({ name: 'rows', in: found, out: Math.min(found, run.request.k) });
  }

  /** A build and its extensions, whose codes mean the same: their rows compete for one shortlist. */
  #overSegments(run: Run, picked: number, keep: number): void {
    const { segments } = run.state;
    const { coding } = segments[0]!;
    const { width } = coding;
    const scratch = this.#scratch;
    const rotated = rotateQuery(scratch, coding, run.seenBy(0), width, true);
    // As many as there can be: a caller may ask for more than there are.
    const most = segments.reduce((sum, { count }) => sum + Math.min(count, picked), 0);
    const ordinals = scratch.take('pooled ordinals', Uint32Array, most);
    const keys = scratch.take('pooled keys', Float64Array, most);
    let n = 0;
    for (const [s, segment] of segments.entries()) {
      const k = Math.min(segment.count, picked);
      const rows = scratch.take('candidates', Uint32Array, k);
      const head = this.#firstByHead(run, s, rotated, rows, k, keep);
      const estimates = this.#estimates(segment, rotated, width, head, rows);
      // Lengths are in units of each segment's largest.
      const longest = head.metric === 'cosine' ? 1 : segment.largestNorm || 1;
      const unit = head.metric === 'euclid' ? longest * longest : longest;
      for (let i = 0; i < head.found; i++) {
        ordinals[n] = segment.ordinals[rows[i]!]!;
        keys[n++] = estimates[i]! * unit;
      }
    }
    const kept = Math.min(n, keep);
    if (n > keep) keepBest(this.kernels, scratch, keys, ordinals, n, keep);
    run.stages.push({ name: width > coding.head ? 'level' : 'fine', in: n, out: kept });
    this.#score(run, ordinals, kept);
    run.stages.push({ name: 'rows', in: kept, out: Math.min(kept, run.request.k) });
  }

  /** Takes the k rows that the head plane puts first, and keeps the `keep` best of them by more codes. Returns how many. */
  #byHead(run: Run, s: number, rows: Uint32Array, k: number, keep: number): number {
    const segment = run.state.segments[s]!;
    const { coding } = segment;
    const width = k <= keep ? coding.head : coding.width;
    const rotated = rotateQuery(this.#scratch, coding, run.seenBy(s), width, true);
    const head = this.#firstByHead(run, s, rotated, rows, k, keep);
    const { found } = head;
    if (found <= keep) return found;
    const estimates = this.#estimates(segment, rotated, width, head, rows);
    run.rotated[s] = rotated;
    run.estimates = keepBest(this.kernels, this.#scratch, estimates, rows, found, keep);
    run.stages.push({ name: width > coding.head ? 'level' : 'fine', in: found, out: keep });
    return keep;
  }

  /** The rows that the head plane puts first. @param rows out */
  #firstByHead(run: Run, s: number, rotated: Rotated, rows: Uint32Array, k: number, keep: number): ByHead {
    const { state, request } = run;
    const segment = state.segments[s]!;
    const { coding } = segment;
    const scratch = this.#scratch;
    const query = scratch.take(`head query ${s}`, Int16Array, coding.head);
    const part = headQuerySide(coding, rotated, true, query);
    const best = scratch.take('best dots', Int32Array, k);
    const metric = codedMetric(coding.metric, coding.mean);
    const twoQuery = twiceIn(segment, run.seenBy(s).norm);
    const { scale, constant } = part;
    const keys = { metric, lengths: segment.norms, twoQuery, scale, constant };
    const by = { codes: this.codes, kernels: this.kernels, scratch, segment, query, keys, k, rows, best };
    const few = firstRestricted(by, run, s, this.#visits, rotated.u);
    if (few !== undefined) return { found: few, best, part, metric, twoQuery };
    const walking = walks(segment, request, k);
    const visit = this.#visits.nearest(run, segment, s, rotated.u, keep, walking);
    let found = firstOfBlocks(by, visit, request.only?.masks[s] ?? segment.mask, s, k, rows, best);
    run.stages.push({ name: 'head', in: rowsIn(run, segment, visit), out: found });
    if (walking && visit.count < segment.blocks.length) {
      const walked = walkFrom(this.codes, scratch, segment, query, keys, visit, k, found, rows, best);
      found = walked.found;
      run.stages.push({ name: 'walk', in: walked.met, out: found });
    }
    return { found, best, part, metric, twoQuery };
  }

  /** Keys that order rows, by all that is known of them up to `width`; of cosines less a constant. */
  #estimates(segment: Segment, rotated: Rotated, width: number, head: ByHead, rows: Uint32Array): Float64Array {
    const { found, best, part, metric, twoQuery } = head;
    const { codes } = this;
    const scratch = this.#scratch;
    const { estimates, constant } = codeEstimates(codes, scratch, segment, rotated, width, part, rows, best, found);
    if (metric !== 'cosine') {
      for (let i = 0; i < found; i++) {
        estimates[i] = keyOf(metric, segment.norms[rows[i]!]!, twoQuery, estimates[i]! + constant);
      }
    }
    return estimates;
  }

  /** The same by the segment's shortlist plane. */
  #byShortlistPlane(run: Run, s: number, rows: Uint32Array, k: number, keep: number): number {
    const { state, request, norm } = run;
    const segment = state.segments[s]!;
    const { coding } = segment;
    const seen = run.seenBy(s);
    const scratch = this.#scratch;
    const narrows = k > keep;
    const byCodes = narrows && coding.full === 0;
    const rotates = byCodes || coding.shortlist!.kind === 'int8' || segment.partition !== null;
    const width = byCodes ? coding.width : coding.head;
    const rotated = rotates ? rotateQuery(scratch, coding, seen, width, true) : NOT_ROTATED;
    const { u } = rotated;
    const visit = this.#visits.nearest(run, segment, s, u, keep);
    const query = { vector: request.vector, norm, seen, u };
    const mask = request.only?.masks[s] ?? segment.mask;
    const found = shortlistRows(this.kernels, this.codes, scratch, segment, query, visit, mask, k, rows);
    run.stages.push({ name: 'head', in: rowsIn(run, segment, visit), out: found });
    if (!narrows || found <= keep) return found;
    const estimates = byCodes
      ? listEstimates(this.codes, scratch, segment, rotated, width, rows, found)
      : fullEstimates(this.codes, scratch, segment, query, rows, found);
    const metric = codedMetric(coding.metric, coding.mean);
    if (metric !== 'cosine') {
      const twoQuery = twiceIn(segment, seen.norm);
      for (let i = 0; i < found; i++) {
        estimates[i] = keyOf(metric, segment.norms[rows[i]!]!, twoQuery, estimates[i]!);
      }
    }
    keepBest(this.kernels, scratch, estimates, rows, found, keep);
    run.stages.push({ name: byCodes ? 'level' : 'full', in: found, out: keep });
    return keep;
  }
}
