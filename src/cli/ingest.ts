/** `funnelvec ingest`: rows of files, embedded and written, so that it can be stopped anywhere and gone on with. */
import { FunnelError } from '../core/errors.js';
import type { Metric } from '../core/types.js';
import { checkRowDims, type MappedBatch, mappedBatches, packed, type Skipped } from '../files/batches.js';
import { embeddedRows } from '../files/embed-rows.js';
import { fingerprintOf } from '../files/fingerprint.js';
import { type Format, formatByName, isTextFormat } from '../files/formats/open.js';
import type { Reader, TextOptions } from '../files/formats/reader.js';
import { type MappedRow, Mapper, type Mapping } from '../files/mapping.js';
import { vectorForm } from '../files/vector-type.js';
import { Interrupted } from './exit.js';
import { formatOfFile, openFile } from './files.js';
import { headFor } from './head.js';
import { begin, checkSame, type IngestInput, type IngestPart, partsToDo, placeIn } from './ingest-plan.js';
import { type Io, note } from './io.js';
import { asBefore, type LoadEmbedder, type ModelChoice, type ModelEmbedder } from './model.js';
import { preparedForCommand } from './prepare.js';
import { type ProgressDisplay, startProgress } from './progress.js';
import { type CommandState, readState, removeState, tuneFileOf, writeState } from './state.js';
import type { Place, Schema, StoreWriter } from './stores/store.js';

export interface IngestOptions {
  files: readonly string[];
  format?: Format;
  /** For text files. */
  reading?: TextOptions;
  mapping: Mapping;
  idType?: 'number' | 'string';
  model?: ModelChoice;
  head?: number;
  /** @default as the store has it, else 'cosine' */
  metric?: Metric;
  /** Rows that are embedded and written at once. @default as many as take about half a second */
  batch?: number;
  skipBroken: boolean;
  restart: boolean;
}

export interface IngestResult {
  store: string;
  dim: number;
  head: number | null;
  metric: Metric;
  model: string | null;
  /** Rows in the store. */
  rows: number;
  /** Rows that this call wrote. */
  written: number;
  /** Rows of the input that were there when it began. */
  resumedAt: number;
  skipped: { count: number; first: Skipped[] };
  /** Rows that took the place of others, since they have their ids. */
  duplicates: number;
  /** Columns of payloads that were named and that no row had which this call read. */
  unseen: { file: string; columns: string[] }[];
  seconds: number;
}

/** Between two versions of the state on disk; a crash repeats what was written since, without a trace. */
const SAVE_MS = 1000;
const FIRST_ROWS = 256;
const MOST_ROWS = 8192;
const BATCH_MS = 500;

/** @throws FunnelError, UsageError before any work; FunnelError, Interrupted: what was written until then stays */
export async function ingest(place: Place, options: IngestOptions, io: Io, load: LoadEmbedder): Promise<IngestResult> {
  const readers: Reader[] = [];
  let embedder: ModelEmbedder | undefined;
  let writer: StoreWriter | undefined;
  try {
    const inputs: IngestInput[] = [];
    for (const path of options.files) {
      const reader = await openFile(path, options.format, options.reading);
      readers.push(reader);
      inputs.push({ path, fingerprint: await fingerprintOf(path), mapping: mappingOf(options, reader), reader });
    }
    for (const [i, reader] of readers.entries()) preparedForCommand(reader, inputs[i]!.mapping);
    const before = await found(place, options.restart);
    const parts = await partsToDo(before.state ?? { sources: [] }, inputs, place.label);
    const model = options.model && asBefore(options.model, before.state?.embedder, place.label);
    if (model !== undefined) embedder = await load(model);
    const begun = before.state?.sources.length ? before.state : undefined;
    const sample = begun ? undefined : await sampleOf(readers, inputs, options);
    const dim = embedder?.dim ?? begun?.dim ?? sample!.vector!.length;
    // An empty collection of somebody's own.
    const shape = before.exists && !before.state ? await place.shape?.() : undefined;
    const vectors = place.vectors ?? before.state?.vectors ?? shape?.vectors;
    const length = options.head ?? shape?.head ?? (vectors && vectors.head === vectors.full ? dim : undefined);
    const head = headFor(length, before.state, dim, shape ? undefined : embedder, place, io);
    const schema: Schema = {
      dim,
      head,
      metric: options.metric ?? before.state?.metric ?? shape?.metric ?? 'cosine',
      idKind: options.idType ?? begun?.idKind ?? (typeof sample!.id as 'number' | 'string'),
      ...(vectors && { vectors }),
    };
    const state: CommandState = before.state ?? newState(schema, model, embedder);
    // A collection of Milvus is made for ids of one kind.
    if (begun === undefined && place.kind !== 'milvus') state.idKind = schema.idKind;
    checkSame(state, schema, embedder, place);
    if (options.restart) {
      if (before.remove) await place.remove();
      removeState(place.stateFile);
      removeState(tuneFileOf(place.stateFile));
    }
    writer = await opened(place, schema, state, before.exists);
    const work = new Ingest(place, writer, state, options, io, embedder);
    return await work.run(parts, inputs);
  } finally {
    for (const reader of readers) await reader.close();
    await writer?.close();
    await embedder?.close();
    await place.close();
  }
}

/** The mapping of one file, with how it is read. The one column of a matrix needs no name. */
function mappingOf({ mapping, format, reading = {} }: IngestOptions, reader: Reader): Mapping {
  const { kind, path } = reader;
  const given = formatOfFile(path, format);
  const usual = mapping.vector ?? (mapping.text === undefined ? reader.usualVector?.('rows') : undefined);
  return {
    ...mapping,
    ...(usual !== undefined && { vector: usual }),
    ...(given !== formatByName(path) && { format: given }),
    ...(isTextFormat(given) && reading.encoding !== undefined && { encoding: reading.encoding }),
    ...(kind === 'csv' && reading.delimiter !== undefined && { delimiter: reading.delimiter }),
    ...(kind === 'sqlite' && reading.table !== undefined && { table: reading.table }),
  };
}

interface Found {
  state: CommandState | undefined;
  exists: boolean;
  /** Whether there is a store that must go first. */
  remove: boolean;
}

/** @throws FunnelError INDEX_EXISTS: somebody else's; NO_INDEX: what was ingested is gone */
async function found(place: Place, restart: boolean): Promise<Found> {
  const state = readState(place.stateFile);
  const rows = await place.rows();
  // An index that was only tuned has a state, too.
  if (rows && (state === undefined || state.sources.length === 0)) {
    const why = `it has ${rows} rows that funnelvec ingest knows nothing of: remove it, or choose another place`;
    throw new FunnelError('INDEX_EXISTS', `Expected ${place.label} to be missing or empty but ${why}`);
  }
  // Removed when the new rows were looked at: a wrong name costs nobody a store.
  if (restart) return { state: undefined, exists: false, remove: rows !== undefined };
  if (rows === undefined && state?.sources.some((one) => one.rows > 0)) {
    const why = 'it is gone (--restart begins anew)';
    throw new FunnelError('NO_INDEX', `Expected ${place.label} to be there, as ${place.stateFile} says, but ${why}`);
  }
  // Nothing was written: other columns, or another encoding, as the error advised, mix nothing.
  if (!rows && state?.sources.every((one) => one.rows === 0)) state.sources = [];
  return { state, exists: rows !== undefined, remove: false };
}

/** The first row that makes sense: what kind of ids there are, and how many dims. @throws FunnelError */
async function sampleOf(
  readers: readonly Reader[],
  inputs: readonly IngestInput[],
  { skipBroken, idType }: IngestOptions,
): Promise<MappedRow> {
  let broken: FunnelError | undefined;
  for (const [i, reader] of readers.entries()) {
    const { mapping } = inputs[i]!;
    const mapper = new Mapper(mapping, idType, vectorForm(reader, mapping.vector, mapping.vectorType));
    for await (const { rows } of reader.read(0)) {
      for (const row of rows) {
        try {
          return mapper.map(row, 0);
        } catch (error) {
          if (!skipBroken || !(error instanceof FunnelError)) throw error;
          broken ??= error;
        }
      }
    }
  }
  const names = readers.map(({ path }) => path).join(', ');
  const got = broken === undefined ? 'none' : `broken ones only: ${broken.message}`;
  throw new FunnelError('BAD_ARGUMENT', `Expected at least one row in ${names} but received ${got}`, { cause: broken });
}

function newState(
  { dim, metric, head, idKind, vectors }: Schema,
  spec?: ModelChoice,
  embedder?: ModelEmbedder,
): CommandState {
  const model = embedder && { embedder: { name: embedder.name, spec: spec!, dim: embedder.dim } };
  return { format: 1, dim, metric, head, idKind, ...(vectors && { vectors }), ...model, sources: [] };
}

async function opened(place: Place, schema: Schema, state: CommandState, exists: boolean): Promise<StoreWriter> {
  if (exists) {
    const writer = await place.open(schema);
    writeState(place.stateFile, state);
    return writer;
  }
  // The folder of an index must be empty when it is made; of a database nothing but the state tells whose it is.
  if (place.kind === 'embedded') {
    const writer = await place.create(schema);
    writeState(place.stateFile, state);
    return writer;
  }
  writeState(place.stateFile, state);
  return place.create(schema);
}

class Ingest {
  readonly #start = performance.now();
  readonly #skipped: Skipped[] = [];
  readonly #unseen: IngestResult['unseen'] = [];
  #written = 0;
  #saved = 0;
  #size = FIRST_ROWS;
  #progress!: ProgressDisplay;

  constructor(
    private readonly place: Place,
    private readonly writer: StoreWriter,
    private readonly state: CommandState,
    private readonly options: IngestOptions,
    private readonly io: Io,
    private readonly embedder: ModelEmbedder | undefined,
  ) {}

  async run(parts: readonly IngestPart[], inputs: readonly IngestInput[]): Promise<IngestResult> {
    const { io, writer, state, place } = this;
    const resumedAt = inputs.reduce((sum, input) => {
      const part = parts.find((one) => one.input === input);
      const source = part?.source ?? state.sources.find(({ path }) => path === input.fingerprint.path);
      return sum + (source?.rows ?? 0);
    }, 0);
    const rowsBefore = state.sources.reduce((sum, one) => sum + one.rows - one.skipped, 0);
    const skippedBefore = state.sources.reduce((sum, { skipped }) => sum + skipped, 0);
    if (parts.length === 0) note(io, `All ${resumedAt} rows are in ${place.label} already.`);
    else if (resumedAt > 0) note(io, `Going on with ${place.label}, which has ${resumedAt} rows of the input.`);
    else if (rowsBefore > 0) note(io, `Adding to ${place.label}, which has ${rowsBefore} rows ingested before.`);
    this.#progress = await startProgress(io, 'ingest', 'rows');
    try {
      const bytes = parts.reduce((sum, { source }) => sum + source.bytes, 0);
      let before = 0;
      for (const part of parts) {
        placeIn(state, part);
        const share = (ofPart: number) => (before + ofPart * part.source.bytes) / Math.max(1, bytes);
        await this.#part(part, share);
        before += part.source.bytes;
      }
      if (!io.stop.aborted) await writer.finish((name, share) => this.#progress.step(name, share));
    } finally {
      this.#progress.stop();
    }
    if (io.stop.aborted) throw this.#interrupted();
    if (state.plan !== undefined && this.#written > 0) {
      note(io, 'The plan of funnelvec tune was chosen for the rows before these: tune again.');
    }
    const rows = await writer.count();
    const { sources } = state;
    const expectedRows = sources.reduce((sum, one) => sum + one.rows - one.skipped, 0);
    const skipped = sources.reduce((sum, one) => sum + one.skipped, 0) - skippedBefore;
    const { dim, head, metric, embedder } = state;
    return {
      store: place.label,
      dim,
      head,
      metric,
      model: embedder?.name ?? null,
      rows,
      written: this.#written,
      resumedAt,
      skipped: { count: skipped, first: this.#skipped },
      duplicates: Math.max(0, expectedRows - rows),
      unseen: this.#unseen,
      seconds: (performance.now() - this.#start) / 1000,
    };
  }

  /** One batch is embedded while the one before is written; no more than two are in memory. */
  async #part(part: IngestPart, share: (ofPart: number) => number): Promise<void> {
    const { source, input } = part;
    const { reader } = input;
    const { io, writer, options, state } = this;
    const { vector, vectorType } = input.mapping;
    const form = vectorForm(reader, vector, vectorType);
    const mapper = new Mapper(input.mapping, options.idType ?? state.idKind, form);
    const dim = this.embedder === undefined ? state.dim : undefined;
    const batches = mappedBatches(reader, mapper, {
      ...source,
      check(row) {
        checkRowDims(row, dim);
        writer.check(row.id, row.payload);
      },
      size: () => options.batch ?? this.#size,
      skipBroken: options.skipBroken,
      stop: io.stop,
    });
    let writing: Promise<void> = Promise.resolve();
    try {
      for await (const batch of batches) {
        const begun = performance.now();
        const vectors = await this.#vectorsOf(batch);
        await writing;
        this.#adapt(batch.rows.length, performance.now() - begun);
        this.#begin(part);
        writing = this.#write(batch, vectors).then(() => {
          source.rows = batch.end;
          if (batch.rowsHash !== undefined) source.rowsHash = batch.rowsHash;
          source.skipped += batch.skipped.length;
          this.#skipped.push(...batch.skipped.slice(0, Math.max(0, 100 - this.#skipped.length)));
          this.#progress.update(source.first + source.rows, share(batch.share));
          this.#save(false);
        });
        writing.catch(() => {}); // waited for below, whatever comes between
      }
    } catch (error) {
      // At a second Ctrl-C whatever was under way has failed.
      if (!io.kill.aborted) {
        await this.#settle(writing);
        throw error;
      }
    }
    try {
      await writing;
    } catch (error) {
      await this.#settle(writing);
      throw error;
    }
    source.complete = !io.stop.aborted;
    const { unseen } = mapper;
    if (source.complete && unseen.length > 0) this.#unseen.push({ file: input.path, columns: unseen });
    if (source.complete) begin(state, part); // also one without a row
    this.#save(true);
  }

  /** On disk before the first write: whatever happens from there on, the store's rows are not somebody else's. */
  #begin(part: IngestPart): void {
    if (this.state.sources.includes(part.source)) return;
    begin(this.state, part);
    this.#save(true);
  }

  /** After a failure: what is written is remembered, if the disk lets us. */
  async #settle(writing: Promise<void>): Promise<void> {
    try {
      await writing.catch(() => {});
      this.#save(true);
    } catch {
      // The state on disk is an earlier one; what was written since will be written again.
    }
  }

  /** Small enough that Ctrl-C need not wait, large enough that threads and syncs pay. */
  #adapt(rows: number, ms: number): void {
    const next = rows * (BATCH_MS / Math.max(1, ms));
    this.#size = Math.round(Math.min(Math.max(next, this.#size / 2, 16), 2 * this.#size, MOST_ROWS));
  }

  #vectorsOf(batch: MappedBatch): Promise<Float32Array> {
    const { embedder, state, io, options } = this;
    if (embedder === undefined) return Promise.resolve(packed(batch.rows, state.dim));
    const embed = (texts: string[]) => embedder.embed(texts, { role: 'document', signal: io.kill });
    return embeddedRows(batch, embed, options.skipBroken);
  }

  async #write({ rows }: MappedBatch, vectors: Float32Array): Promise<void> {
    if (rows.length === 0) return;
    const payloads = rows.map(({ payload }) => payload);
    await this.writer.write({ ids: rows.map(({ id }) => id), vectors, payloads });
    this.#written += rows.length;
  }

  #save(now: boolean): void {
    if (!now && performance.now() - this.#saved < SAVE_MS) return;
    writeState(this.place.stateFile, this.state);
    this.#saved = performance.now();
  }

  #interrupted(): Interrupted {
    const rows = this.state.sources.reduce((sum, one) => sum + one.rows, 0);
    return new Interrupted(`Stopped after ${rows} rows, which are kept: the same command goes on from there.`);
  }
}
