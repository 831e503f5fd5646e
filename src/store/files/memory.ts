/** The disk and the store of ':memory:' indexes: the same operations on plain memory. Nothing survives. */

import { LargeMap } from '../../core/large-map.js';
import { sharedBuffer } from '../../core/shared.js';
import { atOnce, copyInto, inSlices, type Sliced } from '../../core/slices.js';
import type { Disk } from './disk-contract.js';
import { filesError } from './errors.js';
import type { Commit, Entries, Kv } from './kv.js';
import { type FileStep, instant } from './step.js';

/** Entries that are put before others get their turn. */
const PUT_AT_ONCE = 1024;

interface MemoryFile {
  bytes: Uint8Array;
  size: number;
}

/** Search threads read rows where they are. */
function shared(bytes: number): Uint8Array {
  return new Uint8Array(sharedBuffer(bytes));
}

function slicedStep<T>(work: () => Sliced<T>): FileStep<T> {
  return { now: () => atOnce(work()), later: () => inSlices(work()) };
}

/** Other memory takes the place of the file's. Readers of the old one go on with it. */
function* moved(file: MemoryFile, capacity: number): Sliced<void> {
  const bytes = shared(capacity);
  yield* copyInto(bytes, file.bytes.subarray(0, file.size));
  file.bytes = bytes;
}

function* written(file: MemoryFile, bytes: Uint8Array, position: number): Sliced<void> {
  const end = position + bytes.length;
  if (end > file.bytes.length) yield* moved(file, Math.max(end, file.bytes.length * 2));
  file.bytes.set(bytes, position);
  file.size = Math.max(file.size, end);
}

function* truncated(file: MemoryFile, bytes: number): Sliced<void> {
  file.size = Math.min(file.size, bytes);
  if (file.bytes.length > 1.25 * file.size + 4096) yield* moved(file, file.size);
}

export function memoryDisk(): Disk {
  const names = new Map<string, MemoryFile>();
  const open = new Map<number, MemoryFile>();
  let next = 1;
  const of = (fd: number) => open.get(fd) as MemoryFile;
  const missing = (path: string) => filesError('DISK', `Expected ${path} in memory but there is none`);
  return {
    open: (path, how) =>
      instant(() => {
        if (how === 'create') names.set(path, { bytes: shared(4096), size: 0 });
        const file = names.get(path);
        if (file === undefined) throw missing(path);
        open.set(next, file);
        return next++;
      }),
    close: (fd) => instant(() => void open.delete(fd)),
    size: (fd) => of(fd).size,
    read: (fd, into, position) =>
      instant(() => {
        const { bytes, size } = of(fd);
        const part = bytes.subarray(position, Math.min(size, position + into.length));
        into.set(part);
        return part.length;
      }),
    write: (fd, bytes, position) => slicedStep(() => written(of(fd), bytes, position)),
    sync: () => instant(() => {}),
    truncate: (fd, bytes) => slicedStep(() => truncated(of(fd), bytes)),
    rename: (from, to) =>
      instant(() => {
        const file = names.get(from);
        if (file === undefined) throw missing(from);
        names.delete(from);
        names.set(to, file);
      }),
    unlink: (path) => instant(() => void names.delete(path)),
    list: () => [...names.keys()],
    syncDir: () => instant(() => {}),
    bytesOf: (fd) => of(fd).bytes.subarray(0, of(fd).size),
  };
}

export function memoryKv(): Kv {
  let state: Uint8Array | undefined;
  const ids = new Map<number, Uint8Array>();
  const dead = new Map<number, Uint8Array>();
  const payloads = new LargeMap<number, Uint8Array>();
  let bytes = 0;
  function* put(into: Map<number, Uint8Array> | LargeMap<number, Uint8Array>, entries: Entries): Sliced<void> {
    for (let i = 0; i < entries.length; i++) {
      if (i % PUT_AT_ONCE === PUT_AT_ONCE - 1) yield;
      const [key, value] = entries[i]!;
      bytes += (value?.length ?? 0) - (into.get(key)?.length ?? 0);
      value === undefined ? into.delete(key) : into.set(key, value);
    }
  }
  // Others may read between two slices. They see the index as before all the same: of rows that come, die or get their first
  // payload core.ts knows only afterwards, and it has the payloads that are replaced.
  function* putAll({ payloads: edited, ...commit }: Commit): Sliced<void> {
    yield* put(payloads, edited);
    yield* put(ids, commit.ids);
    yield* put(dead, commit.dead);
    state = commit.state;
  }
  return {
    file: ':memory:',
    state: () => state,
    ids: (page) => ids.get(page),
    dead: (page) => dead.get(page),
    payload: (ordinal) => payloads.get(ordinal),
    changes: () => undefined, // nobody else reads it
    edits: () => undefined,
    snapshot: (read) => read(),
    claim: () => {},
    commit: (commit) => slicedStep(() => putAll(commit)),
    isLong: () => instant(() => false), // a commit runs in slices
    stage: () => instant(() => false),
    unstage: () => instant(() => {}),
    reopen: () => {},
    bytes: () => bytes,
    hasSlack: () => false,
    giveBack: () => undefined,
    close: () => instant(() => {}),
  };
}
