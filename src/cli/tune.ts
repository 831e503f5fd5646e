/** `funnelvec tune` and `report`: the plan that a recall target needs, kept beside the store; and what it rests on, drawn. */
import { readFileSync } from 'node:fs';
import { FunnelError } from '../core/errors.js';
import { idAs } from '../core/ids.js';
import type { Id } from '../core/types.js';
import type { Filter } from '../query/filter/types.js';
import type { PrefixResult, TuneResult, TuneTarget } from '../tune/index.js';
import { needModel } from './files.js';
import { type Io, note } from './io.js';
import type { LoadEmbedder, ModelChoice } from './model.js';
import { startProgress } from './progress.js';
import { neighboursOf, type Queries, type QueryFile, readQueries, sampleRows } from './queries.js';
import { close, type Opened, openForSearch, type TunedPlan } from './search.js';
import { type CommandState, tuneFileOf, writeJson, writeState } from './state.js';
import type { Place, StoreSearcher } from './stores/store.js';

export interface TuneCommand {
  queries?: QueryFile;
  /** A file of the queries' true neighbours, in place of exact searches. */
  truth?: string;
  /** Rows that serve as queries where there are none. */
  heldOut: number;
  model?: ModelChoice;
  target: TuneTarget;
  /** The largest pool. */
  candidates?: number;
  seconds?: number;
  /** For an index: it is tuned as a database is searched. */
  head?: number;
  scales?: number[];
  filter?: Filter;
  /** Whether mode 'exact' may be the answer, where it is no slower. */
  exact: boolean;
  /** Whether searches go by it from now on. */
  save: boolean;
}

/** The material of a report: the result, and the names of queries and rows for people. */
export interface Tuned {
  store: string;
  result: TuneResult;
  prefix?: PrefixResult;
  /** The queries' texts, where they have some. */
  texts?: string[];
  /** By id, of the rows in the traces. */
  rows: Record<string, string>;
}

/** Queries and rows of the experiment with first and last dims. */
const PREFIX_QUERIES = 40;
const PREFIX_ROWS = 5000;

export async function tuneStore(place: Place, options: TuneCommand, io: Io, load: LoadEmbedder): Promise<Tuned> {
  const { tune, prefixAgainstSuffix } = await import('../tune/index.js');
  const opened = await openForSearch(place, { ...options, tuned: false }, load, needModel(options.queries));
  try {
    const { searcher, state } = opened;
    const queries = await queriesFor(opened, options.queries, options.heldOut, io);
    const { truth } = options;
    const neighbours = truth === undefined ? undefined : await neighboursOf(queries, truth, options.target.k!, opened);
    const progress = await startProgress(io, 'tune', 'queries');
    const { filter, candidates, seconds, scales, target, head } = options;
    let result: TuneResult;
    let prefix: PrefixResult;
    try {
      const budget = {
        ...(candidates !== undefined && { candidates }),
        ...(seconds !== undefined && { ms: 1000 * seconds }),
      };
      result = await tune({
        search: searcher.search,
        queries: queries.vectors,
        target,
        budget,
        exact: options.exact,
        signal: io.stop,
        ...(neighbours && { neighbours }),
        ...(scales && { scales }),
        ...(filter && { request: { filter } }),
        onProgress: ({ phase, done, total }) => progress.step(phase, total === 0 ? 1 : done / total),
      });
      prefix = await prefixAgainstSuffix({
        search: searcher.search,
        queries: padded(queries.vectors.slice(0, PREFIX_QUERIES)),
        rows: PREFIX_ROWS,
        signal: io.stop,
        onProgress: ({ done, total }) => progress.step('first against last dims', done / total),
      });
    } finally {
      progress.stop();
    }
    const rows = await namesOf(searcher, result, io);
    const tuned: Tuned = { store: place.label, result, prefix, rows, ...(queries.texts && { texts: queries.texts }) };
    writeJson(tuneFileOf(place.stateFile), tuned);
    // A plan whose promise was refused is not saved, so that nobody goes by it unawares.
    if (options.save && result.refused === undefined) await save(place, state, searcher, tuned, head);
    return tuned;
  } finally {
    await close(opened);
  }
}

/** The experiment takes two queries at least. */
function padded(vectors: Float32Array[]): Float32Array[] {
  return vectors.length === 1 ? [vectors[0]!, vectors[0]!] : vectors;
}

export async function queriesFor(
  { searcher, embedder }: Opened,
  file: QueryFile | undefined,
  heldOut: number,
  io: Io,
): Promise<Queries> {
  if (file !== undefined) return readQueries(file, searcher.dim, embedder, io.stop);
  note(io, 'Rows of the store serve as queries: each finds itself, and real queries (--queries) are often harder.');
  return sampleRows(searcher.source, heldOut, io.stop);
}

/** Names for the rows of the traces: their first text. */
async function namesOf({ source }: StoreSearcher, { traces }: TuneResult, io: Io): Promise<Record<string, string>> {
  const names: Record<string, string> = {};
  const wanted = [...new Set(traces.flatMap(({ neighbours }) => neighbours.map(({ id }) => id)))];
  if (wanted.length === 0) return names;
  const { idKind } = await source.info({ signal: io.stop });
  const ids = wanted.map((id): Id => idAs(idKind, id) ?? id);
  const { rows } = await source.fetch({ ids, withPayload: true, vectors: false, signal: io.stop });
  for (const [i, id] of rows.ids.entries()) {
    const payload = Object.values((rows.payloads?.[i] ?? {}) as Record<string, unknown>);
    const text = payload.find((one): one is string => typeof one === 'string' && one.trim() !== '');
    if (text !== undefined) names[String(id)] = text.length > 80 ? `${text.slice(0, 79)}…` : text;
  }
  return names;
}

async function save(
  place: Place,
  state: CommandState | undefined,
  { dim, metric, source, vectors }: StoreSearcher,
  tuned: Tuned,
  head: number | undefined,
): Promise<void> {
  const { limit, plan, params, mode } = tuned.result.request;
  const chosen: TunedPlan = {
    limit,
    ...(plan && { plan }),
    ...(params && { params }),
    ...(mode && { mode }),
    ...(head !== undefined && { head }),
    ...(vectors && { vectors }),
  };
  const { headDim, idKind } = await source.info();
  const own: CommandState = state ?? {
    format: 1,
    dim,
    metric,
    head: place.kind === 'embedded' ? null : headDim,
    idKind: idKind === 'string' ? 'string' : 'number',
    ...(vectors && { vectors }),
    sources: [],
  };
  writeState(place.stateFile, { ...own, plan: chosen });
}

/** The result of the last tune. @throws FunnelError BAD_ARGUMENT: there was none; CORRUPT */
export function lastTuned(place: Place): Tuned {
  const path = tuneFileOf(place.stateFile);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new FunnelError('BAD_ARGUMENT', `Expected a tune of ${place.label} before: funnelvec tune`, { cause });
  }
  try {
    const tuned = JSON.parse(text) as Tuned;
    if (Array.isArray(tuned.result.curve)) return tuned;
    throw new Error('it has no curve');
  } catch (cause) {
    const why = (cause as Error).message;
    throw new FunnelError('CORRUPT', `Expected what funnelvec tune writes in ${path} but ${why}`, { cause });
  }
}

/** @returns bytes. @throws FunnelError MISSING_PACKAGE (uplot), DISK */
export async function writeReport({ store, result, prefix, texts, rows }: Tuned, path: string): Promise<number> {
  const { report } = await import('../tune/index.js');
  const html = report(result, {
    title: `Recall of ${store}`,
    rows,
    path,
    ...(prefix && { prefix }),
    ...(texts && { queries: texts }),
  });
  return Buffer.byteLength(html);
}
