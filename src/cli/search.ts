/** `funnelvec search`: one query, answered as a table or as JSON. */
import { isDeepStrictEqual } from 'node:util';
import { FunnelError } from '../core/errors.js';
import type { VectorType } from '../files/vector-type.js';
import { funnelPlan, type Plan } from '../funnel/plan.js';
import type { Filter } from '../query/filter/types.js';
import type { FunnelParams } from '../store/types.js';
import { UsageError } from './exit.js';
import { type Io, jsonText, note, painter, print, printJson, widthOf } from './io.js';
import { type LoadEmbedder, type ModelChoice, type ModelEmbedder, modelFor } from './model.js';
import { vectorFrom } from './query-input.js';
import { type CommandState, readState } from './state.js';
import type { NamedVectors, Place, StoreAnswer, StoreSearcher } from './stores/store.js';
import { printable, type TextColumn, textTable } from './text.js';

export interface TextSearchOptions {
  text?: string;
  /** JSON, or the path of a file with it. */
  vector?: string;
  /** How to read the bytes of `vector`. */
  vectorType?: VectorType;
  model?: ModelChoice;
  /** @default what tune chose for, else 10 */
  limit?: number;
  filter?: Filter;
  /** @default 'funnel', unless tune found 'exact' no slower */
  mode?: 'funnel' | 'exact';
  /** For an index: the prefix to search by, as a database is searched. */
  head?: number;
  /** In place of what tune chose. */
  plan?: Partial<Plan>;
  /** Whether to go by what tune chose. @default true */
  tuned: boolean;
  explain: boolean;
}

/** How a store is asked, whatever the query. */
export interface Asking {
  limit: number;
  mode: 'funnel' | 'exact';
  filter?: Filter | undefined;
  plan?: Plan | undefined;
  params?: FunnelParams | undefined;
}

export async function search(place: Place, options: TextSearchOptions, io: Io, load: LoadEmbedder): Promise<void> {
  const opened = await openForSearch(place, options, load, options.vector === undefined);
  const { searcher, embedder } = opened;
  try {
    const vector = embedder
      ? await embedder.embed([options.text!], { role: 'query', signal: io.stop })
      : vectorFrom(options.vector!, searcher.dim, options.vectorType);
    const asking = askingOf(options, opened);
    const found = await searcher.query({ ...asking, vector, signal: io.stop });
    if (io.json) printJson(io, asJson(found, options, asking));
    else print(io, asTable(found, io, options.explain));
    if (found.hits.length === 0) note(io, 'Nothing was found.');
  } finally {
    await close(opened);
  }
}

export interface Opened {
  searcher: StoreSearcher;
  /** Where texts are asked. */
  embedder?: ModelEmbedder | undefined;
  state: CommandState | undefined;
  place: Place;
  /** The prefix of an index that is searched by one. */
  head: number | undefined;
}

/** @throws FunnelError NO_INDEX, NO_COLLECTION, UNREACHABLE; BAD_ARGUMENT: texts, but no model, or another one */
export async function openForSearch(
  place: Place,
  { model, head: given, tuned = true }: { model?: ModelChoice; head?: number; tuned?: boolean },
  load: LoadEmbedder,
  withTexts: boolean,
): Promise<Opened> {
  const state = readState(place.stateFile);
  const head = given ?? (tuned ? (state?.plan as TunedPlan | undefined)?.head : undefined);
  const searcher = await place.searcher({ head, vectors: state?.vectors });
  try {
    if (!withTexts) return { searcher, state, place, head };
    const embedder = await modelFor(state?.embedder, model, place.label, load);
    if (embedder.dim !== searcher.dim) {
      await embedder.close();
      const why = `${place.label} has, but received a model of ${embedder.dim} (--dim cuts it)`;
      throw new FunnelError('BAD_DIMS', `Expected ${searcher.dim} dims, as ${why}`);
    }
    return { searcher, embedder, state, place, head };
  } catch (error) {
    await searcher.close();
    await place.close();
    throw error;
  }
}

export async function close({ searcher, embedder, place }: Opened): Promise<void> {
  await embedder?.close();
  await searcher.close();
  await place.close();
}

/** The request that tune saved, to be spread, with the head that it was measured with. */
export interface TunedPlan {
  limit: number;
  plan?: Plan;
  params?: FunnelParams;
  mode?: 'exact';
  /** For an index that was tuned as a database is searched. */
  head?: number;
  /** For a database: the vectors that were searched. */
  vectors?: NamedVectors;
}

export function askingOf(
  { limit, filter, mode, plan, tuned: useTuned }: Omit<TextSearchOptions, 'explain' | 'head'>,
  { state, searcher: { dim, metric, headDim, vectors }, place: { kind }, head }: Opened,
): Asking {
  const saved = useTuned ? (state?.plan as TunedPlan | undefined) : undefined;
  const ownHead = kind === 'embedded' && head === undefined;
  // A plan of another head is none of this search; nor does one promise anything of more hits than it was tuned for.
  const fits = saved?.head === (kind === 'embedded' ? head : undefined) && (limit ?? 0) <= (saved?.limit ?? 0);
  const same = saved?.vectors === undefined || isDeepStrictEqual(saved.vectors, vectors);
  const tuned = fits && same ? saved : undefined;
  const asking: Asking = {
    limit: limit ?? tuned?.limit ?? 10,
    mode: mode ?? (plan === undefined ? tuned?.mode : undefined) ?? 'funnel',
    filter,
  };
  if (asking.mode === 'exact') return asking;
  if (ownHead) {
    if (plan?.scales !== undefined || plan?.keep !== undefined) {
      throw new UsageError('Expected --head beside --scales and --keep: the index’s own head has no scales');
    }
    return { ...asking, params: plan?.candidates === undefined ? tuned?.params : { candidates: plan.candidates } };
  }
  if (plan === undefined && (tuned !== undefined || limit === undefined)) return { ...asking, plan: tuned?.plan };
  const length = kind === 'embedded' ? head : headDim;
  const usual = funnelPlan(dim, { metric, limit: asking.limit, ...(length !== undefined && { head: length }) });
  const base = tuned?.plan ?? usual;
  return { ...asking, plan: { ...base, ...(plan?.scales && { keep: 0.5 }), ...plan, limit: asking.limit } };
}

function asJson(found: StoreAnswer, { text, explain }: TextSearchOptions, asking: Asking): object {
  const { hits, ms, searchMs, stages, exact } = found;
  const { limit, mode, plan, params } = asking;
  return {
    ...(text !== undefined && { query: text }),
    hits,
    ms,
    ...(searchMs !== undefined && { searchMs }),
    ...(exact !== undefined && { exact }),
    ...(explain && { stages, request: { limit, mode, plan, params } }),
  };
}

/** Score, id, then what hits have of payload: keys of the first hits first. */
export function asTable(found: StoreAnswer, io: Io, explain: boolean): string {
  const { hits, stages, ms, searchMs, exact } = found;
  const paint = painter(io.stdout, io.env);
  const width = widthOf(io.stdout, io.env);
  const keys = [...new Set(hits.flatMap(({ payload }) => Object.keys(payload)))];
  const columns: TextColumn[] = [
    { name: 'score', right: true },
    { name: 'id', right: hits.every(({ id }) => typeof id !== 'string') },
    ...keys.map((name) => ({ name: printable(name) })),
  ];
  const rows = hits.map(({ id, score, payload }) => [
    score.toFixed(4),
    String(id),
    ...keys.map((key) => cellOf(payload[key])),
  ]);
  const lines = hits.length === 0 ? [] : textTable(columns, rows, width, paint.bold);
  if (explain) {
    const stageRows = stages.map(({ name, in: read, out, ms: time }) => {
      return [name, String(read), String(out), time === undefined ? '' : time.toFixed(2)];
    });
    const heads = ['stage', 'rows in', 'rows out', 'ms'].map((name, i) => ({ name, right: i > 0 }));
    lines.push('', ...textTable(heads, stageRows, width, paint.bold));
    const promise = exact === undefined ? '' : `, exact: ${exact}`;
    const time = (searchMs ?? ms).toFixed(1);
    const whole = searchMs === undefined ? '' : ` (${ms.toFixed(1)} with what was opened)`;
    lines.push('', paint.dim(`${hits.length} hits in ${time} ms${whole}${promise}`));
  }
  return lines.join('\n');
}

function cellOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string' || typeof value === 'bigint') return String(value);
  return jsonText(value);
}
