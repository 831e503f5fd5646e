/** Syncs of a follower: all rows, or those that stamps or checksums say have changed. */

import { expected, FunnelError } from '../core/errors.js';
import type { Id } from '../core/types.js';
import type { Path } from '../query/filter/ast.js';
import { valuesAt } from '../query/filter/evaluate.js';
import type { PackedRows, Source } from '../query/source/source.js';
import type { Checksums } from './checksums.js';
import { isDeepStrictEqual } from './equal.js';
import type { SearchedIndex } from './searched-index.js';
import { asFloat64, laterThan, type Stamped, stampOf } from './stamps.js';
import { Sync } from './sync.js';
import { type KeptMark, markOf, type Position, positionOf, type Since, withChecked } from './sync-mark.js';
import type { SyncOptions } from './sync-types.js';

/** Milliseconds between commits of where a round of checksums is. */
const KEEP_EVERY = 1000;

export class FollowSync extends Sync {
  /** Rows that the server was asked for. */
  read = 0;
  deleted = 0;
  /** Rows without a stamp that it saw. */
  #unstamped = 0;
  /** The value that one of them has at the key. */
  #other: unknown;
  /** Own ids of rows that it saw, where there are few. */
  readonly #ids = new Set<Id>();
  /** The largest stamp that it saw. */
  largest: Stamped | undefined;
  /** The stamp that changes() went by: those of the rows that it read are later. */
  from: Stamped | undefined;

  /** @param pace called after each page with its rows */
  constructor(
    index: SearchedIndex,
    source: Source,
    options: SyncOptions,
    private readonly key: Path | undefined,
    private readonly pace: (rows: number) => Promise<void>,
  ) {
    super(index, source, options);
  }

  /** After all rows were seen: see the mark. */
  get uncounted(): number {
    return this.#unstamped - (this.lacking?.size ?? 0);
  }

  /** Rows here that changes() did not see: that is how many earlier stamps the collection has, unless some are gone. */
  get others(): number {
    let seen = 0;
    for (const id of this.#ids) if (this.files.ordinalOf(id) !== undefined) seen++;
    return this.index.count - seen;
  }

  protected override async paged(rows: PackedRows, whole: boolean): Promise<void> {
    if (whole) this.#look(rows);
    this.read += rows.ids.length;
    await this.pace(rows.ids.length);
  }

  /** Changes that were committed meanwhile stay. */
  protected override marked(mark: KeptMark): KeptMark {
    const { key, largest, uncounted } = this;
    const now = markOf(this.files.meta);
    const same = now !== undefined && now.source === mark.source && now.scope === mark.scope;
    const at = same ? Math.max(mark.at, now.at) : mark.at;
    if (key === undefined) return { ...mark, at };
    this.#checkStamps(key);
    const known = same && now.since?.key === key.text && isDeepStrictEqual(now.withPayload, mark.withPayload);
    if (known) return { ...mark, at, uncounted, since: now.since };
    const since: Since = {
      key: key.text,
      kind: largest?.kind ?? 'number',
      seen: largest ? [[String(largest.value), mark.at, Date.now()]] : [],
    };
    return { ...mark, at, uncounted, since };
  }

  async commit(mark: KeptMark): Promise<void> {
    await this.mark(mark);
  }

  /** Rows with later stamps; without one all, and those that are gone go: ids and stamps are read first, then what differs. */
  async changes(from: Stamped | undefined): Promise<void> {
    try {
      await this.#changesBehind(from);
    } catch (error) {
      // Refused before the first page: stamps of nanoseconds are larger integers than some databases compare.
      const isLarge = error instanceof FunnelError && error.code === 'UNSUPPORTED' && typeof from?.value === 'bigint';
      if (!isLarge) throw error;
      await this.#changesBehind(asFloat64(from));
    }
  }

  async #changesBehind(from: Stamped | undefined): Promise<void> {
    this.from = from;
    const key = this.key!;
    const { batch = 1000 } = this.options;
    const filter = from && laterThan(from, key);
    const part = { vectors: false, withPayload: [key.text], ...(filter && { filter }) };
    for await (const { rows } of this.pages(undefined, part)) {
      this.#look(rows);
      const other = this.#differing(rows);
      for (let at = 0; at < other.length; at += batch) await this.#fetch(other.slice(at, at + batch));
      this.read += rows.ids.length;
      await this.pace(rows.ids.length + other.length);
    }
    if (from !== undefined) return;
    this.deleted = await this.prune();
    this.#checkStamps(key);
  }

  /**
   * All rows by their ids, the payload that is kept and a number of each vector: those that differ are read, those that are gone
   * go. A round that was cut off is gone on with.
   *
   * @returns when the round that is done now began; undefined where the database gives no such numbers
   */
  async checked(checksums: Checksums, now: number): Promise<number | undefined> {
    const { meta } = this.files;
    const was = positionOf(meta, this.is, 'checked');
    // A later sync has looked at all rows since.
    const from = was?.began !== undefined && was.began > (markOf(meta)?.at ?? 0) ? was : undefined;
    const began = from?.began ?? now;
    let done = from?.done ?? 0;
    let kept = Date.now();
    const { withPayload = false } = this.options;
    for await (const { rows, next } of this.pages(from?.after, { vectors: false, withPayload })) {
      if (!(await this.#compare(rows, checksums))) return undefined;
      done += rows.ids.length;
      if (next === undefined || Date.now() - kept < KEEP_EVERY) continue;
      await this.#keepChecked({ ...this.is, after: next, done, began });
      kept = Date.now();
    }
    // Those before the place where it went on: their vectors were compared, but some may be gone.
    if (from !== undefined) {
      for await (const { rows } of this.pages(undefined, { vectors: false, withPayload })) await this.#compare(rows);
    }
    this.deleted = await this.prune();
    if (positionOf(this.files.meta, this.is, 'checked') !== undefined) await this.#keepChecked(undefined);
    return began;
  }

  async #keepChecked(position: Position | undefined): Promise<void> {
    const { meta } = this.files;
    await this.files.commitSegments({ meta: withChecked(meta, position) });
  }

  /** @returns false where the database gives no checksums */
  async #compare({ ids, payloads }: PackedRows, checksums?: Checksums): Promise<boolean> {
    const { batch = 1000, timeout, signal } = this.options;
    const { dim } = this.index;
    const own = this.ownIds(ids);
    const stored = new Float32Array(checksums ? ids.length * dim : 0);
    if (checksums) this.index.gather(own, stored);
    const ordinals = own.map((id) => this.files.ordinalOf(id));
    const here = ids.filter((_, i) => ordinals[i] !== undefined);
    const scores = here.length === 0 ? new Map<Id, number>() : await checksums?.of(here, { timeout, signal });
    if (checksums && scores === undefined) return false;
    const other: Id[] = [];
    const errors: (number | undefined)[] = [];
    for (const [i, id] of ids.entries()) {
      const ordinal = ordinals[i];
      const error =
        ordinal === undefined ? undefined : checksums?.error(scores!.get(id), stored.subarray(i * dim, (i + 1) * dim));
      const same =
        ordinal !== undefined &&
        (error === undefined || checksums!.isSame(error)) &&
        (payloads === undefined || isDeepStrictEqual(this.files.payloadOf(ordinal), payloads[i]));
      if (same) this.see(ordinal);
      else {
        other.push(id);
        errors.push(error);
      }
    }
    for (let at = 0; at < other.length; at += batch) {
      const some = other.slice(at, at + batch);
      const { rows, changed } = await this.#fetch(some);
      if (checksums === undefined || changed.length === rows.ids.length) continue;
      const written = new Set(changed);
      const errorOf = new Map(some.map((id, i) => [id, errors[at + i]]));
      for (const [i, id] of rows.ids.entries()) {
        const error = written.has(i) ? undefined : errorOf.get(id);
        if (error !== undefined) checksums.learn(error);
      }
    }
    this.read += ids.length;
    await this.pace(ids.length + other.length);
    return true;
  }

  /** After all rows were seen: changes of rows without stamps would be found by the next pass over all rows alone. */
  #checkStamps(key: Path): void {
    if (this.#unstamped === 0 || this.largest !== undefined) return;
    const { message } = expected(
      'BAD_ARGUMENT',
      'a number or a date',
      `${JSON.stringify(key.text)} (since) of the rows of ${this.source.name}`,
      this.#other,
    );
    throw new FunnelError('BAD_ARGUMENT', `${message}. Name a key that all writes set, or leave out since`);
  }

  #differing({ ids, payloads }: PackedRows): Id[] {
    const { files, key } = this;
    const other: Id[] = [];
    this.ownIds(ids).forEach((id, i) => {
      this.#ids.add(id);
      const ordinal = files.ordinalOf(id);
      const same =
        ordinal !== undefined &&
        isDeepStrictEqual(valuesAt(files.payloadOf(ordinal), key!), valuesAt(payloads?.[i], key!));
      if (same) this.see(ordinal);
      else other.push(ids[i]!);
    });
    return other;
  }

  /** @returns the rows, and the places of those that were new or other than here */
  async #fetch(ids: readonly Id[]): Promise<{ rows: PackedRows; changed: readonly number[] }> {
    const { timeout, signal, withPayload } = this.options;
    const { rows, lacking } = await this.source.fetch({ ids, withPayload, timeout, signal });
    this.left(lacking);
    this.read += ids.length;
    return { rows, changed: await this.write(rows) };
  }

  #look({ ids, payloads }: PackedRows): void {
    const { key } = this;
    if (key === undefined) return;
    for (let i = 0; i < ids.length; i++) {
      const payload = payloads?.[i];
      const one = stampOf(payload, key);
      if (one === undefined) {
        this.#unstamped++;
        this.#other ??= valuesAt(payload, key)[0];
        continue;
      }
      if (this.largest && (one.kind !== this.largest.kind || one.value <= this.largest.value)) continue;
      this.largest = one;
    }
  }
}
