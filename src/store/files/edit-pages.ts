/**
 * Pages of changed payloads. A change of very many rows has to show in one commit, and one with an entry for each row keeps the
 * event loop from turning while it is queued. So that commit holds pages of them, and readers look there first; afterwards the
 * payloads are put in their places, in parts, and a last commit drops the pages. Who dies in between leaves that to the next
 * writer.
 *
 * Entry 0 has the first ordinal of each page, as u32; entry n is page n: u32 count, then ordinals and sizes as u32 pairs, all
 * under the checksum, and behind them the payloads, each with its own.
 */
import { Buffer } from '../../core/buffer.js';
import { corrupt } from './errors.js';
import type { Entries, Kv } from './kv.js';
import { firstNotBelow } from './ordered-rows.js';
import { seal, unseal } from './pages.js';
import { type Steps, take, turnStep } from './step.js';

/** A page takes no more payloads beyond these numbers. */
const MOST = 256;
const MOST_BYTES = 1 << 18;
const CRC = 4;
/** The entry with the first ordinals. */
const LIST = 0;
const HEAD = CRC + 4;

/** @param payloads sealed; ascending by ordinal */
export function* encodeEdits(uuid: Uint8Array, payloads: Entries): Steps<{ entries: Entries; firsts: Uint32Array }> {
  const entries: Entries = [];
  const firsts: number[] = [];
  for (let from = 0; from < payloads.length; ) {
    let bytes = 0;
    let to = from;
    while (to < payloads.length && to < from + MOST && bytes < MOST_BYTES) bytes += payloads[to++]![1]!.length;
    firsts.push(payloads[from]![0]);
    entries.push([firsts.length, pageOf(uuid, firsts.length, payloads.slice(from, to))]);
    from = to;
    yield* take(turnStep);
  }
  const list = Buffer.alloc(CRC + 4 * firsts.length);
  for (const [i, first] of firsts.entries()) list.writeUInt32LE(first, CRC + 4 * i);
  return { entries: [[LIST, seal(uuid, 'edits', LIST, list)], ...entries], firsts: Uint32Array.from(firsts) };
}

/** The pages of a commit, within a snapshot of it. @throws FunnelError CORRUPT */
export function readEdits(place: EditsPlace, pages: number): EditPages {
  const { kv, uuid } = place;
  const list = unseal(uuid, 'edits', LIST, kv.edits(LIST) ?? new Uint8Array(0), kv.file);
  if (list.length !== 4 * pages) throw corrupt(kv.file, 'edits', `have ${list.length / 4} pages, not ${pages}`);
  return new EditPages(
    place,
    Uint32Array.from({ length: pages }, (_, i) => list.readUInt32LE(4 * i)),
  );
}

function pageOf(uuid: Uint8Array, page: number, payloads: Entries): Buffer {
  const head = Buffer.alloc(HEAD + 8 * payloads.length);
  head.writeUInt32LE(payloads.length, CRC);
  for (const [i, [ordinal, value]] of payloads.entries()) {
    head.writeUInt32LE(ordinal, HEAD + 8 * i);
    head.writeUInt32LE(value!.length, HEAD + 8 * i + 4);
  }
  return Buffer.concat([seal(uuid, 'edits', page, head), ...payloads.map(([, value]) => value!)]);
}

/** Where the pages are kept. */
interface EditsPlace {
  kv: Kv;
  uuid: Uint8Array;
}

/** Those of a commit. A page that is there no more has its payloads in their places. */
export class EditPages {
  readonly #place: EditsPlace;
  /** The first ordinal of each page. */
  readonly #firsts: Uint32Array;
  /** The page that was read last: who reads many payloads goes from row to row. */
  #page = 0;
  #payloads: ReadonlyMap<number, Uint8Array> = new Map();

  constructor(place: EditsPlace, firsts: Uint32Array) {
    this.#place = place;
    this.#firsts = firsts;
  }

  /** The payload of a row, sealed; undefined where it is in its place, as of the same snapshot. @throws FunnelError CORRUPT */
  get(ordinal: number): Uint8Array | undefined {
    const page = firstNotBelow(ordinal + 1, this.#firsts);
    if (page === 0) return undefined;
    if (page !== this.#page) this.#read(page);
    return this.#payloads.get(ordinal);
  }

  /** All of them. */
  *all(): Steps<Entries> {
    const payloads: Entries = [];
    for (let page = 1; page <= this.#firsts.length; page++) {
      this.#read(page);
      for (const entry of this.#payloads) payloads.push(entry);
      yield* take(turnStep);
    }
    return payloads;
  }

  /** Entries that drop them. */
  get removed(): Entries {
    return Array.from({ length: this.#firsts.length + 1 }, (_, at): [number, undefined] => [at, undefined]);
  }

  #read(page: number): void {
    const { kv, uuid } = this.#place;
    const value = kv.edits(page);
    this.#payloads = value === undefined ? new Map() : payloadsOf(value, uuid, page, kv.file);
    this.#page = value === undefined ? 0 : page;
  }
}

function payloadsOf(value: Uint8Array, uuid: Uint8Array, page: number, file: string): Map<number, Uint8Array> {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  const end = bytes.length < HEAD ? 0 : HEAD + 8 * bytes.readUInt32LE(CRC);
  const head = unseal(uuid, 'edits', page, bytes.subarray(0, end), file);
  const payloads = new Map<number, Uint8Array>();
  let at = end;
  for (let i = 4; i < head.length; i += 8) {
    const size = head.readUInt32LE(i + 4);
    payloads.set(head.readUInt32LE(i), bytes.subarray(at, at + size));
    at += size;
  }
  return payloads;
}
