/** An open index: the parts that the methods of FunnelIndex share, and the state that they are in. */
import { FunnelError } from '../core/errors.js';
import { atOnce, inSlices, type Sliced } from '../core/slices.js';
import { othersTurn, overdue } from '../core/turns.js';
import type { CodeKernels } from '../kernels/codes.js';
import type { Kernels, Metric } from '../kernels/kernels.js';
import type { IndexKernels } from './backend.js';
import { Searcher } from './engine/search.js';
import type { IndexFiles } from './files/index-files.js';
import { runLater } from './files/step.js';
import type { Filtered } from './filters.js';
import { InlineSearches } from './inline.js';
import type { IndexConfig } from './input.js';
import type { Live } from './live.js';
import { LongReads } from './long-reads.js';
import { oneMoment } from './one-moment.js';
import type { IndexParts } from './parts.js';
import { PayloadIndexes } from './payload/indexes.js';
import type { Pool } from './pool.js';
import { FULL_SCAN_THRESHOLD } from './restrict.js';
import { Restrictions } from './restrictions.js';
import type { OpenIndexOptions } from './types.js';
import { Upkeep, type Work } from './upkeep.js';

export class OpenIndex implements IndexParts {
  readonly kernels: Kernels;
  readonly codes: CodeKernels;
  readonly dim: number;
  readonly metric: Metric;
  readonly indexes: PayloadIndexes;
  readonly searcher: Searcher;
  /** Searches that stay on the calling thread. */
  readonly inline = new InlineSearches();
  readonly restrictions: Restrictions;
  readonly upkeep: Upkeep;
  readonly longReads = new LongReads();
  /** Whether it does anything that nobody asked for. */
  readonly auto: boolean;
  #warming: Promise<void> = Promise.resolve();
  /** The files have more than is in memory. */
  #isBehind = false;
  /** Sees one moment. */
  #isStill = false;
  #closing: Promise<void> | undefined;
  #closed = false;

  /** @param work does what upkeep.ts decides on */
  constructor(
    readonly files: IndexFiles,
    readonly live: Live,
    readonly pool: Pool,
    { kernels, codes }: IndexKernels,
    options: OpenIndexOptions,
    work: {
      run(index: OpenIndex, work: Work): Promise<void>;
      extend(index: OpenIndex, check: () => void): Promise<void>;
    },
  ) {
    this.kernels = kernels;
    this.codes = codes;
    this.dim = files.config.dim;
    this.metric = files.config.metric;
    this.indexes = new PayloadIndexes(files, live.alive);
    this.searcher = new Searcher(kernels, codes);
    const automatic = options.autoOptimize ?? true;
    this.auto = automatic === true;
    const few = options.fullScanThreshold ?? FULL_SCAN_THRESHOLD;
    this.restrictions = new Restrictions({ files, live, indexes: this.indexes }, codes, few);
    this.upkeep = new Upkeep(
      {
        files,
        live,
        isOpen: () => !this.#closed,
        wantsQueries: () => this.wantsQueries,
        run: (what) => work.run(this, what),
        extend: (check) => work.extend(this, check),
      },
      files.readOnly ? false : automatic,
    );
    files.onChange(
      (died) => {
        if (this.#closed) return;
        live.died(died);
        live.rowsChanged();
      },
      (dying) => live.expectDeaths(dying),
    );
    files.onPayloads((ordinals) => this.indexes.changed(ordinals));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether a build needs sample queries: rotation 'balanced', before there is a basis. */
  get wantsQueries(): boolean {
    return this.config.rotation === 'balanced' && !this.live.segments[0]?.coding.basis;
  }

  get config(): IndexConfig {
    return this.files.config.options as IndexConfig;
  }

  /** Rows come into memory while searches read them from the files. */
  warm(): void {
    this.#warming = this.#warming.then(() => runLater(this.live.warm(() => !this.#closed)));
  }

  /** A readOnly index takes in what its writer has committed since. @throws FunnelError CLOSED */
  follow(): void {
    this.checkOpen();
    if (this.#isStill || !this.files.readOnly || !(this.files.refresh() || this.#isBehind)) return;
    this.#isBehind = true; // until all of it is done, whatever throws
    this.live.reload();
    this.indexes.follow();
    this.#isBehind = false;
    if (this.live.isCold) this.warm();
  }

  readonly still = <T>(run: () => T): T => {
    const outer = this.#isStill;
    this.#isStill = true;
    try {
      return run();
    } finally {
      this.#isStill = outer;
    }
  };

  /** Up to date. */
  followed(): this {
    this.follow();
    return this;
  }

  /** Up to date, to evaluate filters on. */
  filtered(): Filtered {
    return this.followed();
  }

  /** In slices; once more where rows died, whose successors are not seen, or payloads were replaced of which some were read. */
  async later<T>(begin: () => Sliced<T>): Promise<T> {
    const ask = async (hold: () => boolean) => {
      const { files, live } = this;
      const { staleReads } = files;
      const { deaths } = live;
      const value = await inSlices(begin(), this.checkOpen);
      return { value, isWhole: live.deaths === deaths && files.staleReads === staleReads && hold() };
    };
    const result = await oneMoment(
      () => this.followed().files,
      ask,
      () => atOnce(begin()),
    );
    // Many short calls are a long one, too.
    if (overdue()) await othersTurn();
    return result;
  }

  /**
   * The same within a write, when it is its turn: nothing else is written then. A writer is up to date, and close() waits for
   * the writes that were called before it.
   */
  withinWrite<T>(begin: (on: Filtered) => Sliced<T>): Promise<T> {
    return inSlices(begin(this));
  }

  /** @throws FunnelError CLOSED */
  readonly checkOpen = (): void => {
    if (this.#closed) throw new FunnelError('CLOSED', 'Expected an open index but it was closed');
  };

  /** @throws FunnelError CLOSED, NOT_WRITABLE */
  checkWritable(): void {
    this.checkOpen();
    if (this.files.readOnly) {
      throw new FunnelError('NOT_WRITABLE', 'Expected an index opened for writing, not readOnly');
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.longReads.close();
      await this.files.written(); // by filters, too, which need what ends below
      await this.#warming;
      await this.pool.close();
      await this.indexes.close();
      await this.upkeep.close();
    } finally {
      this.restrictions.clear();
      this.live.close();
      await this.files.close();
    }
  }

  closeSync(): void {
    if (this.#closed) return;
    if (this.upkeep.busy || this.upkeep.extending || this.indexes.busy || this.longReads.busy) throw underWay();
    this.live.close();
    try {
      this.files.closeSync();
    } catch (error) {
      if (error instanceof FunnelError && error.code === 'NOT_WRITABLE') this.live.rowsChanged();
      else this.#ended();
      throw error;
    }
    this.#ended();
  }

  #ended(): void {
    this.#closed = true;
    this.restrictions.clear();
    void this.pool.close();
  }
}

export function underWay(): FunnelError {
  return new FunnelError(
    'NOT_WRITABLE',
    'Expected no optimize(), backup(), verify() or toBytes() under way; wait for it, or use the asynchronous call',
  );
}

/** Only create() and open() make an index: their class takes nothing else. @throws FunnelError BAD_ARGUMENT */
export function opened(index: unknown): OpenIndex {
  if (index instanceof OpenIndex) return index;
  throw new FunnelError(
    'BAD_ARGUMENT',
    'Expected FunnelIndex.create(path, { dim }) or FunnelIndex.open(path), which make indexes, but received new',
  );
}
