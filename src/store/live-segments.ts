/** The segments of an index in memory: that of its last build, and extensions, which are coded as that is. */
import { atOnce, type Sliced } from '../core/slices.js';
import type { CodeKernels } from '../kernels/codes.js';
import { shared } from './engine/extend.js';
import { last, NOWHERE, placesOf, preparePlaces, residentBytes, type Segment } from './engine/segment.js';
import type { IndexFiles } from './files/index-files.js';
import type { Steps } from './files/step.js';
import { Retired, remask, withoutBuilding, withoutFull } from './live-memory.js';
import { loadSegment } from './segment-file.js';

/** Rows that die before others get their turn. */
const DEATHS_AT_ONCE = 4096;

/** Takes the rows that die out of a mask of a segment. */
function* without(segment: Segment, mask: Uint16Array, ordinals: readonly number[]): Sliced<void> {
  const { first, rows } = placesOf(segment);
  for (let i = 0; i < ordinals.length; i++) {
    if (i % DEATHS_AT_ONCE === DEATHS_AT_ONCE - 1) yield;
    const row = ordinals[i]! < first ? undefined : rows[ordinals[i]! - first];
    if (row !== undefined && row !== NOWHERE) mask[row >> 4]! &= ~(1 << (row & 15));
  }
}

export class LiveSegments {
  #all: Segment[] = [];
  #names: string[] = [];
  readonly retired: Retired;
  /** The masks of segments when these rows have died. */
  #expected: { ordinals: readonly number[]; masks: Map<Segment, Uint16Array> } | undefined;

  constructor(
    readonly files: IndexFiles,
    readonly codes: CodeKernels,
    readonly memory: number,
  ) {
    this.retired = new Retired(codes);
  }

  /** Another array whenever others take their place. */
  get all(): Segment[] {
    return this.#all;
  }

  /** The file of the last build; undefined in memory, and before a build. */
  get buildName(): string | undefined {
    return this.#names[0];
  }

  get bytes(): number {
    return this.#all.reduce((sum, segment) => sum + residentBytes(segment), 0);
  }

  /** Rows with codes, dead or alive. */
  get coded(): number {
    return this.#all.reduce((sum, { count }) => sum + count, 0);
  }

  /** Rows of extensions, dead or alive. */
  get extended(): number {
    return this.#all.length < 2 ? 0 : this.coded - this.#all[0]!.count;
  }

  /** The ordinal behind the last that has codes. */
  get codedTo(): number {
    return this.#all.reduce((to, { ordinals }) => Math.max(to, last(ordinals) + 1), 0);
  }

  /** Whether the plane of all dims, which spares reads of rows, fits beside the others. */
  get hasRoomForFull(): boolean {
    return this.memory >= 1.5 * this.files.rows * this.files.config.dim;
  }

  get #inMemory(): boolean {
    return this.files.path === ':memory:';
  }

  /**
   * Those of the files. What is there already is not read again.
   *
   * @param version the last one that has those of before
   * @param isSame whether the same rows live as before
   * @returns whether they are others than before
   */
  *load(version: number, alive: (ordinal: number) => boolean, isSame: boolean): Steps<boolean> {
    const names = this.files.segments.map(({ name }) => name);
    const before = new Map(this.#names.map((name, i) => [name, this.#all[i]!]));
    if (!isSame) for (const segment of this.#all) remask(segment, this.files.alive);
    if (names.join() === this.#names.join()) return false;
    const segments: Segment[] = [];
    const named = (name: string) => segments[names.indexOf(name)];
    for (const name of names) {
      const old = before.get(name);
      const read = (section: string, into?: Uint8Array) => this.files.sectionSteps(name, section, into);
      const segment = old ?? (yield* loadSegment(this.codes, name, read, alive, this.hasRoomForFull, named));
      segments.push(old ?? withoutBuilding(segment, this.#inMemory));
    }
    this.#put(segments, this.#inMemory ? [] : names, version); // files that came with bytes go
    return true;
  }

  /** A build takes the place of all others. */
  replace(segment: Segment, name: string | undefined, version: number): void {
    const kept = this.#kept(segment);
    remask(kept, this.files.alive);
    this.#put([kept], name === undefined ? [] : [name], version);
  }

  /** An extension takes the place of all but the first `staying`. */
  extend(segment: Segment, name: string | undefined, staying: number, version: number): void {
    const kept = shared(this.codes, this.#kept(segment), this.#all[0]!);
    remask(kept, this.files.alive);
    const names = name === undefined ? [] : [...this.#names.slice(0, staying), name];
    this.#put([...this.#all.slice(0, staying), kept], names, version);
  }

  drop(version: number): void {
    this.#put([], [], version);
  }

  /** Gets ready for the deaths of rows, and where they are many makes the masks that there will be. */
  *expectDeaths(ordinals: readonly number[]): Sliced<void> {
    this.#expected = undefined;
    const masks = new Map<Segment, Uint16Array>();
    for (const segment of this.#all) {
      yield* preparePlaces(segment);
      if (ordinals.length <= DEATHS_AT_ONCE) continue;
      const mask = segment.mask.slice();
      yield* without(segment, mask, ordinals);
      masks.set(segment, mask);
    }
    this.#expected = { ordinals, masks };
  }

  died(ordinals: readonly number[]): void {
    const expected = this.#expected?.ordinals === ordinals ? this.#expected.masks : undefined;
    this.#expected = undefined;
    for (const segment of this.#all) {
      const mask = expected?.get(segment);
      if (mask !== undefined) segment.mask.set(mask);
      else atOnce(without(segment, segment.mask, ordinals)); // few, or of a segment that came meanwhile
    }
  }

  #kept(segment: Segment): Segment {
    const { hasRoomForFull } = this;
    if (!hasRoomForFull) this.codes.release(segment.fullPlane);
    return withoutBuilding(hasRoomForFull ? segment : withoutFull(segment), this.#inMemory);
  }

  #put(segments: Segment[], names: string[], version: number): void {
    const gone = this.#all.filter((segment) => !segments.includes(segment));
    this.#all = segments;
    this.#names = names;
    this.retired.add(gone, segments, version);
  }
}
