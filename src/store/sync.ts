/** A mirror filled from a collection, and kept like it. */

import { Buffer } from '../core/buffer.js';
import { telling } from '../core/diagnostics.js';
import { describe, expected, FunnelError } from '../core/errors.js';
import { halfTable, toHalf } from '../core/half.js';
import { idAs } from '../core/ids.js';
import type { Id, IdKind } from '../core/types.js';
import { checkInteger, checkKeys } from '../core/validate.js';
import { checkMirror } from '../query/mirror.js';
import { checkPayloadSelection } from '../query/payload.js';
import type { PackedRows, ScanRequest, Source } from '../query/source/source.js';
import { isDeepStrictEqual } from './equal.js';
import { partsOf } from './parts.js';
import type { SearchedIndex } from './searched-index.js';
import { isCut, isMarkOf, type KeptMark, markOf, type Position, positionOf, withMark, withSync } from './sync-mark.js';
import type { SyncOptions, SyncResult } from './sync-types.js';
import type { PointBatch } from './types.js';

const KEYS = ['batch', 'withPayload', 'resume', 'prune', 'idKind', 'onProgress', 'timeout', 'signal'] as const;
const KINDS = ['string', 'number', 'bigint'] as const;
const syncing = new WeakSet<object>();

export async function syncFrom(index: SearchedIndex, source: Source, options: SyncOptions = {}): Promise<SyncResult> {
  if (typeof source?.scan !== 'function') throw expected('BAD_ARGUMENT', 'a source that can scan()', 'source', source);
  checkSyncOptions(options);
  if (partsOf(index).files.readOnly) {
    throw new FunnelError('NOT_WRITABLE', 'Expected an index opened for writing, not readOnly');
  }
  const { idKind } = index;
  if (options.idKind !== undefined && idKind !== undefined && options.idKind !== idKind) {
    throw expected('BAD_ARGUMENT', `'${idKind}', the kind of the ids that the index has,`, 'idKind', options.idKind);
  }
  return alone(index, async () => {
    const { timeout, signal } = options;
    checkMirror(index, await source.info({ timeout, signal }), source.name, 'the index');
    const told = ['sync', 'FunnelIndex.syncFrom', source.name] as const;
    return telling(told, () => new Sync(index, source, options).run(), countsOf);
  });
}

function countsOf({ rows, written, deleted }: SyncResult) {
  return { rows, written, deleted };
}

export function isSyncing(index: object): boolean {
  return syncing.has(index);
}

/** @throws FunnelError BAD_ARGUMENT while another sync runs */
export async function alone<T>(index: object, run: () => Promise<T>): Promise<T> {
  if (syncing.has(index)) throw new FunnelError('BAD_ARGUMENT', 'Expected one syncFrom() at a time');
  syncing.add(index);
  try {
    return await run();
  } finally {
    syncing.delete(index);
  }
}

export function checkSyncOptions(options: SyncOptions): void {
  checkKeys(options, KEYS, 'the options of syncFrom()');
  const { batch, withPayload, idKind, onProgress } = options;
  if (batch !== undefined) checkInteger(batch, 1, 16_384, 'batch');
  checkPayloadSelection(withPayload);
  for (const flag of ['resume', 'prune'] as const) {
    if (options[flag] !== undefined && typeof options[flag] !== 'boolean') {
      throw expected('BAD_ARGUMENT', 'a boolean', flag, options[flag]);
    }
  }
  if (idKind !== undefined && !KINDS.includes(idKind)) {
    throw expected('BAD_ARGUMENT', `one of ${KINDS.join(', ')}`, 'idKind', idKind);
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw expected('BAD_ARGUMENT', 'a function', 'onProgress', onProgress);
  }
}

export class Sync {
  /** Rows below were here when this call began: only they may turn out to be gone. */
  readonly #first: number;
  /** By ordinal, one bit: the collection has it. */
  readonly #seen: Uint8Array;
  /** Ids, as text, of points without the full vector; undefined where the source leaves none out. */
  protected lacking: Set<string> | undefined;
  #done = 0;
  written = 0;

  constructor(
    readonly index: SearchedIndex,
    readonly source: Source,
    readonly options: SyncOptions,
  ) {
    this.#first = this.files.rows;
    this.#seen = new Uint8Array((this.#first >> 3) + 1);
  }

  protected get files() {
    return partsOf(this.index).files;
  }

  async run(): Promise<SyncResult> {
    const kinds = await this.#checkKinds();
    const { resume = true, prune = true } = this.options;
    const was = resume ? positionOf(this.files.meta, this.is) : undefined;
    const at = was?.began ?? (was ? 0 : Date.now());
    await this.#unmark();
    this.#done = was?.done ?? 0;
    for await (const { rows, next, lacking } of this.pages(was?.after, {
      withPayload: this.options.withPayload ?? false,
    })) {
      this.left(lacking);
      await this.write(rows);
      this.#done += rows.ids.length;
      if (next !== undefined) await this.#keep({ ...this.is, after: next, done: this.#done, began: at });
      this.options.onProgress?.({ done: this.#done, written: this.written });
      await this.paged(rows, was === undefined);
    }
    // After an interruption nobody knows which rows were seen before it: the ids alone are looked at again.
    const rows = was === undefined ? this.#done : await this.#verify();
    const deleted = prune ? await this.prune() : 0;
    await this.#keep(undefined);
    const isWhole = prune || this.index.count === rows;
    await this.mark(isWhole ? this.marked({ ...this.is, at, rows, idKinds: kinds, passed: at }) : undefined);
    const missingVectors = this.lacking && { missingVectors: this.lacking.size };
    return { rows, written: this.written, deleted, resumed: was !== undefined, ...missingVectors };
  }

  /** After each page. @param whole whether this call began with the first one */
  protected paged(_rows: PackedRows, _whole: boolean): void | Promise<void> {}

  /** The mark of a sync that was completed. */
  protected marked(mark: KeptMark): KeptMark {
    return mark;
  }

  protected left(lacking: readonly Id[] | undefined): void {
    if (lacking === undefined) return;
    this.lacking ??= new Set();
    for (const id of lacking) this.lacking.add(String(id));
  }

  protected async *pages(after: string | undefined, part: Pick<ScanRequest, 'vectors' | 'withPayload' | 'filter'>) {
    const { batch = 1000, timeout, signal } = this.options;
    for (let at = after; ; ) {
      if (signal?.aborted) {
        throw new FunnelError('ABORTED', `The sync from ${this.source.name} was aborted`, { cause: signal.reason });
      }
      const page = await this.source.scan({ after: at, limit: batch, ...part, timeout, signal });
      yield page;
      if (page.next === undefined) return;
      at = page.next;
    }
  }

  /** Rows that are new or other than here. @returns their places */
  protected async write(rows: PackedRows): Promise<readonly number[]> {
    const { dim } = this.index;
    const ids = this.ownIds(rows.ids);
    if (rows.dim !== dim || rows.vectors.length !== ids.length * dim) {
      throw expected('BAD_RESPONSE', `vectors of ${dim} dims`, `the rows of ${this.source.name}`, rows.dim);
    }
    const given = asFloats(rows.vectors as Float32Array | Uint16Array);
    this.#checkFinite(given, rows.ids);
    const other = this.#changed(ids, given, rows.payloads);
    if (other.length === 0) return other;
    const vectors = other.length === ids.length ? given : new Float32Array(other.length * dim);
    const batch: PointBatch<unknown> = { ids: other.map((i) => ids[i]!), vectors };
    if (vectors !== given) {
      for (const [to, i] of other.entries()) vectors.set(given.subarray(i * dim, (i + 1) * dim), to * dim);
    }
    if (rows.payloads) batch.payloads = other.map((i) => rows.payloads![i]);
    await this.index.upsert(batch);
    this.written += other.length;
    return other;
  }

  #changed(ids: readonly Id[], given: Float32Array, payloads: ArrayLike<unknown> | undefined): number[] {
    const { files, live } = partsOf(this.index);
    const { dim } = this.index;
    const stored = new Float32Array(given.length);
    const missing = new Set(this.index.gather(ids, stored));
    const wanted = live.half ? Float32Array.from(given, (value) => halfTable()[toHalf(value)]!) : given;
    const a = Buffer.from(wanted.buffer, wanted.byteOffset, wanted.byteLength);
    const b = Buffer.from(stored.buffer);
    const changed: number[] = [];
    for (let i = 0; i < ids.length; i++) {
      const ordinal = missing.has(i) ? undefined : files.ordinalOf(ids[i]!);
      const [from, to] = [4 * i * dim, 4 * (i + 1) * dim];
      const same =
        ordinal !== undefined &&
        a.compare(b, from, to, from, to) === 0 &&
        (payloads === undefined || isDeepStrictEqual(files.payloadOf(ordinal), payloads[i]));
      if (same) this.see(ordinal);
      else changed.push(i);
    }
    return changed;
  }

  protected see(ordinal: number): void {
    if (ordinal < this.#first) this.#seen[ordinal >> 3]! |= 1 << (ordinal & 7);
  }

  /** The rows that the collection has now: some that an earlier call counted may have left. */
  async #verify(): Promise<number> {
    const { timeout, signal, withPayload } = this.options;
    let count = 0;
    for await (const { rows } of this.pages(undefined, { vectors: false })) {
      await this.paged(rows, false);
      const ids = this.ownIds(rows.ids);
      const absent: Id[] = [];
      ids.forEach((id, i) => {
        const ordinal = this.files.ordinalOf(id);
        if (this.lacking?.has(String(rows.ids[i]))) return; // not even where an older vector is here
        if (ordinal === undefined) absent.push(rows.ids[i]!);
        else {
          this.see(ordinal);
          count++;
        }
      });
      if (absent.length === 0) continue;
      const fetched = await this.source.fetch({ ids: absent, withPayload, timeout, signal });
      this.left(fetched.lacking);
      await this.write(fetched.rows);
      count += fetched.rows.ids.length;
    }
    return count;
  }

  protected async prune(): Promise<number> {
    const { files, live } = partsOf(this.index);
    const gone: Id[] = [];
    for (let ordinal = 0; ordinal < this.#first; ordinal++) {
      const seen = (this.#seen[ordinal >> 3]! >> (ordinal & 7)) & 1;
      if (!seen && live.alive(ordinal)) gone.push(files.idOf(ordinal));
    }
    return gone.length === 0 ? 0 : (await this.index.delete(gone)).count;
  }

  /** As the index has them. @throws FunnelError BAD_ID */
  protected ownIds(ids: readonly Id[]): Id[] {
    const kind = this.index.idKind ?? this.options.idKind ?? (typeof ids[0] as IdKind);
    return ids.map((id) => {
      const own = idAs(kind, id);
      if (own === undefined) throw otherKind(kind, describe(id), this.source.name);
      return own;
    });
  }

  /** Before a page is written: an index has one kind of id. @throws FunnelError BAD_ID */
  async #checkKinds(): Promise<IdKind[]> {
    const { index, options, source } = this;
    const { timeout, signal } = options;
    const kinds = (await source.idKinds?.({ timeout, signal })) ?? [];
    const [first, ...others] = kinds;
    const kind = index.idKind ?? options.idKind ?? first;
    // Text has a form for each.
    if (others.length > 0 && kind !== 'string') throw otherKind(kind!, 'integers and UUIDs', source.name);
    return kinds.length > 0 ? kinds : [(await source.info({ timeout, signal })).idKind];
  }

  #checkFinite(vectors: Float32Array, ids: readonly Id[]): void {
    const at = vectors.findIndex((value) => !Number.isFinite(value));
    if (at < 0) return;
    const { dim } = this.index;
    const where = `dim ${at % dim} of id ${String(ids[Math.floor(at / dim)])} of ${this.source.name}`;
    throw expected('NOT_FINITE', 'a finite float32', where, vectors[at]);
  }

  /** The kind of sync that this is. */
  protected get is() {
    const { name: source, scope } = this.source;
    return { source, ...(scope !== undefined && { scope }), withPayload: this.options.withPayload ?? false };
  }

  async #keep(sync: Position | undefined): Promise<void> {
    const { meta } = this.files;
    if (sync === undefined && (meta as { sync?: unknown } | null)?.sync == null) return;
    await this.files.commitSegments({ meta: withSync(meta, sync) });
  }

  /** While rows change, the mark says only what is true of all of them. */
  protected async mark(mark: KeptMark | undefined): Promise<void> {
    const { meta } = this.files;
    if (mark === undefined && isCut(meta)) return;
    await this.files.commitSegments({ meta: withMark(meta, mark) });
  }

  /** Before the first page: a sync that is cut off leaves no mark, unless all that it says stays true. */
  async #unmark(): Promise<void> {
    const mark = markOf(this.files.meta);
    const { source, scope, withPayload } = this.is;
    if (mark === undefined || !isMarkOf(mark, source, scope)) await this.mark(undefined);
    else if (!isDeepStrictEqual(mark.withPayload, withPayload)) await this.mark({ ...mark, withPayload: false });
  }
}

function otherKind(kind: IdKind, got: string, source: string): FunnelError {
  const remedy = "an index holds ids of one kind; an empty one keeps all of them as text with idKind: 'string'";
  return new FunnelError('BAD_ID', `Expected ids that are a ${kind} in the index but ${source} has ${got}: ${remedy}`);
}

function asFloats(vectors: Float32Array | Uint16Array): Float32Array {
  if (vectors instanceof Float32Array) return vectors;
  const table = halfTable();
  const out = new Float32Array(vectors.length);
  for (let i = 0; i < out.length; i++) out[i] = table[vectors[i]!]!;
  return out;
}
