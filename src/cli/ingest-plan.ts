/** Decides, before the first row is written, what an ingest does: begin, go on, nothing, or refuse. */
import { isDeepStrictEqual } from 'node:util';
import { FunnelError } from '../core/errors.js';
import { changed, type Fingerprint } from './fingerprint.js';
import { type Mapping, mappingDifference } from './mapping.js';
import { dimRemedy, isModelOf, type ModelEmbedder } from './model.js';
import type { CommandState, SourceState } from './state.js';
import type { Place, Schema } from './stores/store.js';

/** A file of this call. */
export interface IngestInput {
  /** As it was given. */
  path: string;
  fingerprint: Fingerprint;
  mapping: Mapping;
}

export interface IngestPart {
  input: IngestInput;
  /** Counts what was done. Among the state's sources as soon as it is begun. */
  source: SourceState;
}

/**
 * The parts of the inputs that are still to be done, in the order in which the ingest was begun.
 *
 * @throws FunnelError BAD_ARGUMENT: something differs from what was begun, so that going on would mix things that do
 * not fit
 */
export function partsToDo(
  state: Pick<CommandState, 'sources'>,
  inputs: readonly IngestInput[],
  label: string,
): IngestPart[] {
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
      Object.assign(before, fingerprint, { mapping, rows: 0, skipped: 0, complete: false });
      parts.push({ input, source: before });
      continue;
    }
    if (other !== undefined) throw refused(label, `the same ${path} as was ingested before`, other);
    if (mapped !== undefined) throw refused(label, `the columns of ${path} as before`, mapped);
    if (!before.complete) parts.push({ input, source: before });
  }
  const left = state.sources.find((one) => !one.complete && !parts.some(({ source }) => source === one));
  if (left !== undefined) {
    const why = `it was interrupted at row ${left.rows}: the command that began it goes on (--restart begins anew)`;
    throw new FunnelError('BAD_ARGUMENT', `Expected ${left.path} to be finished first in ${label} but ${why}`);
  }
  const order = ({ source }: IngestPart) => state.sources.indexOf(source) >>> 0; // new ones last
  return parts.sort((a, b) => order(a) - order(b));
}

/** Places go on over files, so the one before must be complete. */
export function begin(state: CommandState, { source }: IngestPart): void {
  if (state.sources.includes(source)) return;
  source.first = Math.max(0, ...state.sources.map(({ first, rows }) => first + rows));
  state.sources.push(source);
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
      label,
      before === undefined ? 'vectors, as it was filled with before,' : `the model ${before}, as before,`,
      embedder === undefined
        ? '--vector'
        : `${embedder.name}, whose vectors do not compare${before === undefined ? '' : dimRemedy(before, embedder)}`,
    );
  }
  if (state.embedder && embedder) state.embedder.name = embedder.name; // from here on by the name that covers all
  if (state.idKind !== schema.idKind) {
    throw refused(label, `ids of kind ${state.idKind}, as before,`, `--id-type ${schema.idKind}`);
  }
  for (const key of ['dim', 'metric', 'head'] as const) {
    if (state[key] === schema[key]) continue;
    throw refused(label, `${key} ${state[key] ?? 'of the index’s own'}, as before,`, `${schema[key]}`);
  }
  const [had, has] = [state, schema].map(({ vectors = usualVectors }) => vectors);
  if (!isDeepStrictEqual(had, has)) {
    throw refused(label, `the vectors ${JSON.stringify(had)}, as before,`, JSON.stringify(has));
  }
}

function refused(label: string, what: string, got: string): FunnelError {
  return new FunnelError('BAD_ARGUMENT', `Expected ${what} for ${label} but ${got} (--restart begins anew)`);
}
