/** Decides, before the first row is written, what an ingest does: begin, go on, nothing, or refuse. */
import { isDeepStrictEqual } from 'node:util';
import { FunnelError } from '../core/errors.js';
import { changed, type Fingerprint, hasFirstRows } from '../files/fingerprint.js';
import type { Reader } from '../files/formats/reader.js';
import type { Mapping } from '../files/mapping.js';
import { dimRemedy, isModelOf, type ModelEmbedder } from './model.js';
import type { CommandState, SourceState } from './state.js';
import type { Place, Schema } from './stores/store.js';

/** A file of this call. */
export interface IngestInput {
  /** As it was given. */
  path: string;
  fingerprint: Fingerprint;
  mapping: Mapping;
  reader: Reader;
}

export interface IngestPart {
  input: IngestInput;
  /** Counts what was done. Among the state's sources as soon as something of it may be written. */
  source: SourceState;
  /** The earlier version of the file, which it takes the place of. */
  replaces?: SourceState;
}

/**
 * The parts of the inputs that are still to be done, in the order in which the ingest was begun.
 *
 * @throws FunnelError BAD_ARGUMENT: something differs from what was begun, so that going on would mix things that do
 * not fit
 */
export async function partsToDo(
  state: Pick<CommandState, 'sources'>,
  inputs: readonly IngestInput[],
  label: string,
): Promise<IngestPart[]> {
  const parts: IngestPart[] = [];
  for (const input of inputs) {
    const { fingerprint, mapping, path } = input;
    const before = state.sources.find((one) => one.path === fingerprint.path);
    if (before === undefined) {
      parts.push({ input, source: { ...fingerprint, mapping, first: 0, rows: 0, skipped: 0, complete: false } });
      continue;
    }
    const other = changed(before, fingerprint);
    const mapped = mappingDifference(before.mapping, mapping);
    if (before.complete && other !== undefined && mapping.id !== undefined && before.mapping.id === mapping.id) {
      // A newer version of the file: its rows take the place of those with their ids.
      const source = { ...fingerprint, mapping, first: before.first, rows: 0, skipped: 0, complete: false };
      parts.push({ input, source, replaces: before });
      continue;
    }
    const corrected = other !== undefined && !before.complete && (await hasFirstRows(before, input.reader));
    if (other !== undefined && !corrected) throw refused(state, label, ...sameFile(before, path, other));
    if (mapped !== undefined) throw refused(state, label, `the columns of ${path} as before`, mapped);
    if (before.complete) continue;
    Object.assign(before, fingerprint);
    parts.push({ input, source: before });
  }
  const left = state.sources.find((one) => !one.complete && !parts.some(({ source }) => source === one));
  if (left !== undefined) {
    const remedy = 'the command that began it goes on, also with rows corrected from there on';
    const why = `it was interrupted at row ${left.rows}: ${remedy} (${restartRemoves(state)})`;
    throw new FunnelError('BAD_ARGUMENT', `Expected ${left.path} to be finished first in ${label} but ${why}`);
  }
  const order = ({ source, replaces }: IngestPart) => state.sources.indexOf(replaces ?? source) >>> 0; // new ones last
  return parts.sort((a, b) => order(a) - order(b));
}

/** Tells what was expected of a file, and what helps. */
function sameFile({ complete, rows }: SourceState, path: string, other: string): [what: string, got: string] {
  if (complete) return [`the same ${path} as was ingested before`, other];
  const remedy = 'correct rows behind these alone, or pass --skip-broken with the unchanged file';
  return [`the same first ${rows} rows of ${path} as were ingested before`, `${other}: ${remedy}`];
}

/** Places go on over files, so the one before must be complete. */
export function placeIn(state: CommandState, { source, replaces }: IngestPart): void {
  if (replaces !== undefined || state.sources.includes(source)) return;
  source.first = Math.max(0, ...state.sources.map(({ first, rows }) => first + rows));
}

/** Called before anything is written: a file of which nothing could be leaves no trace. */
export function begin(state: CommandState, { source, replaces }: IngestPart): void {
  if (state.sources.includes(source)) return;
  if (replaces === undefined) state.sources.push(source);
  else state.sources[state.sources.indexOf(replaces)] = source;
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkSame(
  state: CommandState,
  schema: Schema,
  embedder: Pick<ModelEmbedder, 'name' | 'formerName'> | undefined,
  { label, usualVectors }: Pick<Place, 'label' | 'usualVectors'>,
) {
  const before = state.embedder?.name;
  const same =
    before === undefined || embedder === undefined ? before === embedder : isModelOf(before, embedder, label);
  if (!same) {
    throw refused(
      state,
      label,
      before === undefined ? 'vectors, as it was filled with before,' : `the model ${before}, as before,`,
      embedder === undefined
        ? '--vector'
        : `${embedder.name}, whose vectors do not compare${before === undefined ? '' : dimRemedy(before, embedder)}`,
    );
  }
  if (state.embedder && embedder) state.embedder.name = embedder.name; // from here on by the name that covers all
  if (state.idKind !== schema.idKind) {
    throw refused(state, label, `ids of kind ${state.idKind}, as before,`, `--id-type ${schema.idKind}`);
  }
  for (const key of ['dim', 'metric', 'head'] as const) {
    if (state[key] === schema[key]) continue;
    throw refused(state, label, `${key} ${state[key] ?? 'of the index’s own'}, as before,`, `${schema[key]}`);
  }
  const [had, has] = [state, schema].map(({ vectors = usualVectors }) => vectors);
  if (!isDeepStrictEqual(had, has)) {
    throw refused(state, label, `the vectors ${JSON.stringify(had)}, as before,`, JSON.stringify(has));
  }
}

function refused(state: Pick<CommandState, 'sources'>, label: string, what: string, got: string): FunnelError {
  return new FunnelError('BAD_ARGUMENT', `Expected ${what} for ${label} but ${got} (${restartRemoves(state)})`);
}

function restartRemoves({ sources }: Pick<CommandState, 'sources'>): string {
  const rows = sources.reduce((sum, one) => sum + one.rows - one.skipped, 0);
  return `--restart removes the store and its ${rows} rows`;
}

/** For errors: what differs, by name. */
function mappingDifference(before: Mapping, now: Mapping): string | undefined {
  for (const key of [
    'text',
    'vector',
    'vectorType',
    'id',
    'payload',
    'numbers',
    'strings',
    'format',
    'encoding',
    'delimiter',
    'table',
  ] as const) {
    const [a, b] = [before[key], now[key]].map((one) => JSON.stringify(one ?? null));
    if (a === b) continue;
    const option = key === 'vectorType' ? 'vector-type' : key;
    const then = before[key] === undefined ? `no --${option}` : `--${option} ${shown(before[key])}`;
    return `${then} then, ${now[key] === undefined ? 'none' : shown(now[key])} now`;
  }
  return undefined;
}

function shown(value: string | readonly string[] | undefined): string {
  if (value === 'rest') return 'of all columns';
  return Array.isArray(value) ? value.join(',') || 'of none' : JSON.stringify(value);
}
