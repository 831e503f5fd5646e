/** `funnelvec bench`: how long searches of a store take, and what they find, mode by mode. */
import type { Metric } from '../kernels/kernels.js';
import { asGood, lossOf, type Truth } from '../tune/session.js';
import { isBeaten, notTheBest, scoredNeighbours } from '../tune/truth.js';
import { Interrupted } from './exit.js';
import { needModel } from './files.js';
import type { Io } from './io.js';
import type { LoadEmbedder, ModelChoice } from './model.js';
import { startProgress } from './progress.js';
import { neighboursOf, type QueryFile } from './queries.js';
import { type Asking, askingOf, close, openForSearch } from './search.js';
import type { Place } from './stores/store.js';
import { queriesFor } from './tune.js';

export interface BenchCommand {
  queries?: QueryFile;
  /** A file of the queries' true neighbours, for recall in place of the answers of mode 'exact'. */
  truth?: string;
  heldOut: number;
  model?: ModelChoice;
  limit: number;
  head?: number;
}

export interface BenchRow {
  mode: string;
  /** Milliseconds of one search at a time. */
  p50: number;
  p95: number;
  /** Share of the exact answers that was found, in any order. As in tune(), a row of the same score is as good. */
  recall: number;
  /** Queries of which all were found. */
  complete: number;
}

export interface BenchResult {
  store: string;
  rows: number;
  queries: number;
  limit: number;
  /** The promise of mode 'exact' here: see `stats.exact`. */
  exact: string | undefined;
  modes: BenchRow[];
}

/** Searches of each mode before anything is timed. */
const WARM_UP = 5;

export async function bench(place: Place, options: BenchCommand, io: Io, load: LoadEmbedder): Promise<BenchResult> {
  const opened = await openForSearch(place, options, load, needModel(options.queries));
  try {
    const { searcher } = opened;
    const queries = await queriesFor(opened, options.queries, options.heldOut, io);
    const { vectors } = queries;
    const { limit } = options;
    const given =
      options.truth === undefined
        ? undefined
        : await scoredNeighbours(
            searcher.source,
            vectors,
            await neighboursOf(queries, options.truth, limit, opened),
            io.stop,
          );
    const asking = (more: object) => askingOf({ limit, tuned: false, ...more }, opened);
    const tuned = asking({ tuned: true });
    const funnel = asking({});
    const modes: [string, Asking][] = [
      ['exact', asking({ mode: 'exact' })],
      ['funnel', funnel],
      ...(JSON.stringify(tuned) === JSON.stringify(funnel) ? [] : [['tuned', tuned] as [string, Asking]]),
    ];
    const progress = await startProgress(io, 'bench', 'queries');
    const result: BenchRow[] = [];
    let truth: Truth[] = [];
    let exact: string | undefined;
    try {
      for (const [at, [mode, how]] of modes.entries()) {
        for (const vector of vectors.slice(0, WARM_UP)) await searcher.query({ ...how, vector, signal: io.stop });
        const times: number[] = [];
        const found: Truth[] = [];
        for (const [q, vector] of vectors.entries()) {
          if (io.stop.aborted) throw new Interrupted('Stopped.');
          const { hits, ms, exact: promise } = await searcher.query({ ...how, vector, signal: io.stop });
          times.push(ms);
          found.push({ ids: hits.map(({ id }) => id), scores: hits.map(({ score }) => score) });
          if (mode === 'exact') exact = promise;
          progress.step(mode, (at + (q + 1) / vectors.length) / modes.length);
        }
        if (mode === 'exact') truth = given ?? found;
        if (mode === 'exact' && given !== undefined) checkBest(given, found, searcher.metric);
        result.push({ mode, ...timesOf(times), ...recallOf(found, truth, searcher.metric) });
      }
    } finally {
      progress.stop();
    }
    return { store: place.label, rows: await searcher.count(), queries: vectors.length, limit, exact, modes: result };
  } finally {
    await close(opened);
  }
}

/** @throws FunnelError BAD_ARGUMENT */
function checkBest(given: readonly Truth[], found: readonly Truth[], metric: Metric): void {
  const wrong = given.findIndex((one, q) => isBeaten(one, found[q]!, metric));
  if (wrong >= 0) throw notTheBest(wrong, given[wrong]!, found[wrong]!);
}

function timesOf(times: readonly number[]): { p50: number; p95: number } {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { p50: at(0.5), p95: at(0.95) };
}

function recallOf(
  found: readonly Truth[],
  truth: readonly Truth[],
  metric: Metric,
): { recall: number; complete: number } {
  const shares = truth.map((wanted, q) => 1 - lossOf(found[q]!.scores, wanted, asGood(metric)));
  return {
    recall: shares.reduce((sum, share) => sum + share, 0) / shares.length,
    complete: shares.filter((share) => share === 1).length,
  };
}
