/**
 * An index as one run of bytes, its image: a file of sections as segments are (segment.ts), of which 'image' tells the
 * version, 'state' is the state record, 'ids', 'dead' and 'payloads' are the entries of the store, and the others the files
 * of rows and segments, by name. Everything in it has a checksum.
 */
import { Buffer } from '../../core/buffer.js';
import { expected } from '../../core/errors.js';
import { join } from '../../core/paths.js';
import { bytesOfBuffer, checkMemory } from '../../core/realm.js';
import { checkByteOrder } from './byte-order.js';
import type { Core } from './core.js';
import type { Disk } from './disk-contract.js';
import { corrupt, diskError, filesError } from './errors.js';
import { withoutStale } from './follow-changes.js';
import type { Entries } from './kv.js';
import { memoryDisk, memoryKv } from './memory.js';
import { type OpenFilesOptions, type OverCore, openInMemory } from './open-core.js';
import { DEATHS_PER_PAGE, IDS_PER_PAGE } from './pages.js';
import { openSegment, readSection, type Section, type SegmentTable, segmentName, writeSections } from './segment.js';
import { encodeState, generationOf, type State } from './state.js';
import { instant, type Steps, take, turnStep } from './step.js';
import type { Writer } from './writers.js';

const NAME = 'the image';
const IMAGE_VERSION = 1;
const FOLDER = ':memory:';
/** Entries that are read or put between two turns of the event loop. */
const AT_ONCE = 512;

/**
 * @param codes sections of segments that are in no file, of an index in memory; `nameOf` says what their files are called
 * @param check called between parts of the work; what it throws ends it
 * @returns undefined where another process has written meanwhile
 * @throws FunnelError DISK, CORRUPT, UNSUPPORTED
 */
export function* imageOf(
  core: Core,
  codes: ImagedCodes | undefined,
  check: () => void = () => {},
): Steps<Uint8Array | undefined> {
  checkByteOrder(NAME);
  const { files, options } = core;
  const state = withoutStale(core.state);
  const kept = new Set(state.segments.map(({ name }) => name));
  const leased = [...files.rows, ...files.segments.filter(({ name }) => kept.has(name))];
  for (const file of leased) files.lease(file);
  try {
    const parts = yield* entriesOf(core, state, check);
    const record = options.kv.snapshot(() => options.kv.state());
    if (record === undefined || generationOf(record) !== state.generation) return undefined;
    let imaged = state;
    for (const sections of codes?.((place) => segmentName(state.nextFile + place)) ?? []) {
      const { entry, bytes } = yield* segmentOf(core, imaged, sections);
      imaged = withSegment(imaged, entry);
      parts.push({ name: entry.name, bytes });
    }
    for (const { name, fd, entry } of leased) {
      const bytes = new Uint8Array(entry.bytes);
      const got = yield* take(options.disk.read(fd, bytes, 0));
      if (got !== bytes.length) throw corrupt(name, 'file', `ends at byte ${got} of ${bytes.length}`);
      parts.push({ name, bytes });
      check();
    }
    const version = Buffer.from(JSON.stringify({ version: IMAGE_VERSION }));
    return yield* packed(core.uuid, [
      { name: 'image', bytes: version },
      { name: 'state', bytes: encodeState(imaged) },
      ...parts,
    ]);
  } catch (error) {
    throw diskError('making an image of the index', error);
  } finally {
    for (const file of leased) files.release(file);
  }
}

/** @param nameOf the file of the first, second, ... segment */
export type ImagedCodes = (nameOf: (place: number) => string) => Iterable<Iterable<Section>>;

function withSegment(state: State, entry: { name: string; bytes: number }): State {
  return {
    ...state,
    nextFile: state.nextFile + 1,
    segments: [...state.segments, entry],
  };
}

function* segmentOf(core: Core, state: State, codes: Iterable<Section>) {
  const iterator = codes[Symbol.iterator]();
  const sections: Section[] = [];
  for (let next = iterator.next(); !next.done; next = iterator.next()) sections.push(next.value);
  const bytes = yield* packed(core.uuid, sections);
  return { entry: { name: segmentName(state.nextFile), bytes: bytes.length }, bytes };
}

function* entriesOf(core: Core, { rows }: State, check: () => void): Steps<Section[]> {
  const { kv } = core.options;
  const sections: Section[] = [];
  for (const [name, read, count] of [
    ['ids', (page: number) => kv.ids(page), Math.ceil(rows / IDS_PER_PAGE)],
    ['dead', (page: number) => kv.dead(page), Math.ceil(rows / DEATHS_PER_PAGE)],
    ['payloads', (ordinal: number) => core.stored(ordinal), rows],
  ] as const) {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for (let from = 0; from < count; from += AT_ONCE) {
      kv.snapshot(() => {
        for (let key = from; key < Math.min(count, from + AT_ONCE); key++) {
          const value = read(key);
          if (value === undefined) continue;
          const head = Buffer.alloc(8);
          head.writeUInt32LE(key);
          head.writeUInt32LE(value.length, 4);
          parts.push(head, Uint8Array.from(value)); // the bytes may be reused
          bytes += head.length + value.length;
        }
      });
      check();
      yield* take(turnStep);
    }
    sections.push({ name, bytes: yield* concatenated(parts, bytes) });
  }
  return sections;
}

function* concatenated(parts: readonly Uint8Array[], bytes: number): Steps<Uint8Array> {
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const [i, part] of parts.entries()) {
    all.set(part, at);
    at += part.length;
    if (i % AT_ONCE === AT_ONCE - 1) yield* take(turnStep);
  }
  return all;
}

/** Sections as the bytes of a file of them. */
function* packed(uuid: Uint8Array, sections: readonly Section[]): Steps<Uint8Array> {
  const room = sections.reduce((sum, { name, bytes }) => {
    return sum + bytes.length + 4096 + 2 * name.length + 80 + 12 * Math.ceil(bytes.length / 2 ** 20);
  }, 8192);
  const all = new Uint8Array(room);
  const write: Disk['write'] = (_fd, bytes, position) => instant(() => all.set(bytes, position));
  const iterator = sections[Symbol.iterator]();
  const next = instant(() => iterator.next().value as Section | undefined);
  const { bytes } = yield* writeSections({ ...memoryDisk(), write }, 0, uuid, next, () => {});
  return all.subarray(0, bytes);
}

/**
 * The index of an image, in memory. The bytes are read before the first step that may wait ends, and copied.
 *
 * @throws FunnelError BAD_ARGUMENT, CORRUPT, UNSUPPORTED, UNSUPPORTED_FORMAT
 */
export function* openImage<T extends Writer>(image: unknown, options: OpenFilesOptions, make: OverCore<T>): Steps<T> {
  const bytes = bytesOf(image);
  checkByteOrder(NAME);
  if (bytes.length < 64) throw corrupt(NAME, 'header', `ends at byte ${bytes.length} of 64`);
  const read: Disk['read'] = (_fd, into, position) =>
    instant(() => {
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    });
  const source: Disk = { ...memoryDisk(), read, size: () => bytes.length };
  const table = yield* openSegment(source, 0, { name: NAME, bytes: bytes.length }, bytes.slice(12, 28));
  const disk = memoryDisk();
  const kv = memoryKv();
  const section = (name: string) => sectionOf(source, table, name);
  checkVersion(yield* section('image'));
  const state = yield* section('state');
  for (const name of ['ids', 'dead', 'payloads'] as const) {
    const entries = yield* entriesIn(section, name);
    // At least one commit, so that there is a state.
    for (let from = 0; from === 0 || from < entries.length; from += AT_ONCE) {
      const part = entries.slice(from, from + AT_ONCE);
      yield* take(kv.commit({ state, ids: [], dead: [], payloads: [], [name]: part })); // nobody sees them one by one
      yield* take(turnStep);
    }
  }
  for (const { name } of table.slice(PLAIN.length)) {
    const fd = yield* take(disk.open(join(FOLDER, name), 'create'));
    yield* take(disk.write(fd, yield* section(name), 0));
    yield* take(disk.close(fd));
  }
  return yield* openInMemory(disk, kv, options, make);
}

/** The sections that are no files, which come first. */
const PLAIN = ['image', 'state', 'ids', 'dead', 'payloads'];

function bytesOf(image: unknown): Uint8Array {
  // By their kind: a worker, a frame or a test may be another realm, with classes of its own.
  const kind = Object.prototype.toString.call(image);
  if (ArrayBuffer.isView(image) && kind === '[object Uint8Array]') {
    checkMemory(image, 'the bytes of an index');
    return new Uint8Array(image.buffer, image.byteOffset, image.byteLength);
  }
  if (kind === '[object ArrayBuffer]' || kind === '[object SharedArrayBuffer]') {
    return bytesOfBuffer(image as ArrayBuffer, 'the bytes of an index');
  }
  throw expected('BAD_ARGUMENT', 'a Uint8Array or an ArrayBuffer that toBytes() gave', 'the bytes of an index', image);
}

function* sectionOf(source: Disk, table: SegmentTable, name: string): Steps<Uint8Array> {
  const entry = table.find((one) => one.name === name);
  if (entry === undefined) throw corrupt(NAME, `section ${name}`, 'is missing');
  const bytes = new Uint8Array(entry.bytes);
  yield* readSection(source, 0, NAME, entry, bytes);
  return bytes;
}

function checkVersion(bytes: Uint8Array): void {
  const { version } = JSON.parse(Buffer.from(bytes).toString()) as { version: unknown };
  if (version === IMAGE_VERSION) return;
  throw filesError(
    'UNSUPPORTED_FORMAT',
    `Expected version ${IMAGE_VERSION} of an image but received ${version}: a newer funnelvec made it`,
  );
}

function* entriesIn(section: (name: string) => Steps<Uint8Array>, name: string): Steps<Entries> {
  const { buffer, byteOffset, length } = yield* section(name);
  const bytes = Buffer.from(buffer as ArrayBuffer, byteOffset, length);
  const entries: Entries = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 > bytes.length ? Number.POSITIVE_INFINITY : at + 8 + bytes.readUInt32LE(at + 4);
    if (end > bytes.length) throw corrupt(NAME, `section ${name}`, 'ends within an entry');
    entries.push([bytes.readUInt32LE(at), bytes.subarray(at + 8, end)]);
    if (entries.length % AT_ONCE === 0) yield* take(turnStep);
    at = end;
  }
  return entries;
}
