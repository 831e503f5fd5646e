/**
 * Group commit: small writes that wait together share one commit, and with it its syncs. Each is in the commit as a whole, and
 * settles only after it.
 */
import type { Id, IdKind } from '../../core/types.js';
import { type Appended, append, appended, type Batch } from './append.js';
import type { Core } from './core.js';
import { remove, removeRows } from './delete.js';
import { orderedRows } from './ordered-rows.js';
import { inTurns, type Steps } from './step.js';
import type { WriteQueue } from './write-queue.js';

/** A commit takes so many rows and deaths, and bytes of rows and payloads, beyond its first write. */
const MOST_IDS = 1024;
const MOST_BYTES = 4 << 20;

/** Rows to add, or else ids whose rows are to die. */
interface SmallWrite {
  ids: readonly Id[];
  batch?: Batch;
}

/** The answer to a write: rows that died for a deletion, ascending. */
type Answer = Appended | number[];

export class GroupCommit {
  readonly #queue: WriteQueue;
  readonly #core: Core;
  /** The group that waits for its turn. */
  #waiting: Group | undefined;

  constructor(queue: WriteQueue, core: Core) {
    this.#queue = queue;
    this.#core = core;
  }

  /** A batch that was checked. @throws FunnelError DISK, INDEX_LOCKED, NOT_WRITABLE; BAD_ID for ids of another kind */
  append(batch: Batch): Promise<Appended> {
    return this.#write<Appended>({ ids: batch.ids, batch });
  }

  /** The ordinals that died, ascending. @throws FunnelError DISK, INDEX_LOCKED, NOT_WRITABLE */
  delete(ids: readonly Id[]): Promise<number[]> {
    return this.#write<number[]>({ ids });
  }

  #write<T extends Answer>(write: SmallWrite): Promise<T> {
    const group = this.#groupFor(write);
    const at = group.writes.push(write) - 1;
    return group.done.then((answers) => answers[at] as T);
  }

  /** The one that waits, unless other writes came behind it. */
  #groupFor(write: SmallWrite): Group {
    const waiting = this.#waiting;
    const isLast = waiting?.place === this.#queue.asked;
    if (waiting !== undefined && isLast && waiting.takes(write, this.#core.state.idKind)) return waiting;
    const group = new Group();
    this.#waiting = group;
    group.done = this.#queue.later(() => {
      if (this.#waiting === group) this.#waiting = undefined;
      return commitTogether(this.#core, group.writes);
    });
    group.place = this.#queue.asked;
    return group;
  }
}

class Group {
  readonly writes: SmallWrite[] = [];
  done!: Promise<Answer[]>;
  /** Which of all writes it is. */
  place = 0;
  /** So many of its writes were looked at: how large they are, their ids, and the kind of ids of new rows. */
  #seen = 0;
  #bytes = 0;
  #kind: IdKind | undefined;
  #ids: Set<Id> | undefined;

  /** Whether a write can be in the commit too: where two are about one row, the order of the calls tells how it ends. */
  takes(write: SmallWrite, idKind: IdKind | null): boolean {
    this.#ids ??= new Set();
    while (this.#seen < this.writes.length) this.#see(this.writes[this.#seen++]!, this.#ids);
    const taken = this.#ids;
    const { ids, batch } = write;
    if (taken.size + ids.length > MOST_IDS || this.#bytes + bytesOf(write) > MOST_BYTES) return false;
    // New rows may prove to be of the wrong kind in an index without rows: then deaths must not fail with them.
    const kind = this.#kind ?? idKind;
    if (kind === null || (batch?.kind ?? idKind) !== kind) return false;
    return !ids.some((id) => taken.has(id));
  }

  #see(write: SmallWrite, taken: Set<Id>): void {
    this.#kind ??= write.batch?.kind;
    this.#bytes += bytesOf(write);
    for (const id of write.ids) taken.add(id);
  }
}

function bytesOf({ batch }: SmallWrite): number {
  if (batch === undefined) return 0;
  return batch.payloads.reduce((sum, payload) => sum + (payload?.length ?? 0), batch.rows.byteLength);
}

/** Runs while no other write does. */
function* commitTogether(core: Core, writes: readonly SmallWrite[]): Steps<Answer[]> {
  if (writes.length === 1) return [yield* commitOne(core, writes[0]!)];
  yield* inTurns(core.prepareFind());
  const died: number[][] = [];
  for (const { ids } of writes) died.push(yield* livingOf(core, ids));
  const deleted = died.filter((_, i) => writes[i]!.batch === undefined).flat();
  const batches = writes.flatMap(({ batch }) => batch ?? []);
  let first = core.state.rows;
  if (batches.length === 0) yield* removeRows(core, deleted);
  else yield* append(core, joined(batches), deleted);
  return writes.map(({ batch }, i) => {
    if (batch === undefined) return died[i]!;
    const answer = appended(batch, first, died[i]!);
    first += answer.count;
    return answer;
  });
}

function commitOne(core: Core, { ids, batch }: SmallWrite): Steps<Answer> {
  return batch === undefined ? remove(core, ids) : append(core, batch);
}

/** Their ordinals, ascending. */
function livingOf(core: Core, ids: readonly Id[]): Steps<number[]> {
  const found = ids.map((id) => core.find(id)).filter((ordinal) => ordinal !== undefined);
  return inTurns(orderedRows(found));
}

/** Batches of one kind as one. */
function joined(batches: readonly Batch[]): Batch {
  const [{ kind, rows: model }] = batches as [Batch, ...Batch[]];
  const values = batches.reduce((sum, { rows }) => sum + rows.length, 0);
  const rows = model instanceof Float32Array ? new Float32Array(values) : new Uint16Array(values);
  let at = 0;
  for (const batch of batches) {
    rows.set(batch.rows, at);
    at += batch.rows.length;
  }
  return {
    kind,
    ids: batches.flatMap(({ ids }) => ids),
    rows,
    payloads: batches.flatMap(({ payloads }) => payloads),
  };
}
