/**
 * Which searches stay on the calling thread. The way to another thread and back costs more than a short search does, so
 * one that is predicted to be short runs here, as long as this turn of the event loop is young.
 */

import { othersTurn, overdue } from '../core/turns.js';
import type { CheckedFilter } from './filters.js';
import type { CheckedQuery } from './request.js';

/** Milliseconds that a call may be predicted to take: the way to a thread and back adds .1 to .2 to it. */
const SHORT = 0.5;
/** Milliseconds from which on a search gains more by helpers than it takes to wake them. */
const WORTH_WAKING = 0.06;
/** Milliseconds behind a search for which its helpers are surely awake; see kAwake in cpp/team.cc. */
const AWAKE = 0.06;
/** Milliseconds of searches in one turn of the event loop. */
const STRETCH = 1;
/** Milliseconds of searches that are worth a message: it costs more than one of them where rows were written since the last. */
const WORTH_SENDING = 0.25;
/** Shapes of queries whose costs are remembered. */
const SHAPES = 64;
/** Values of rows without codes that may come along unmeasured. */
const UNSEEN = 1 << 17;

/** Measurements of a shape of which one may be long without a meaning: it may have been interrupted. */
const FORGIVEN = 64;

/** The rows that a search reads: its time depends on them beside its query. */
export interface SearchedRows {
  /** Values of the rows without codes, which every search reads. */
  values: number;
  /** The rows with codes; others in their place take another time. */
  segments?: object;
  /** How many rows pass a filter; undefined where that is not known. */
  passing?: (filter: CheckedFilter) => number | undefined;
}

interface Cost {
  /** Milliseconds a query. */
  ms: number;
  /** Values of the rows without codes that the last measured search read. */
  values: number;
  /** Measurements until one is forgiven again. */
  strict: number;
}

export class InlineSearches {
  /** Asynchronous calls that have not been answered yet, wherever they are searched. */
  underWay = 0;
  /** When the last search here ended, by performance.now(). */
  #ended = 0;
  readonly #costs = new Map<string, Cost>();
  /** The rows with codes that the costs are about. */
  #segments: object | undefined;

  /** Milliseconds that the queries will take; undefined where they are not known to be short. */
  shortTime(queries: readonly CheckedQuery[], rows: SearchedRows): number | undefined {
    if (rows.segments !== this.#segments) return undefined;
    let ms = 0;
    for (const query of queries) {
      const cost = this.#costs.get(shapeOf(query, rows));
      if (cost === undefined || rows.values > 2 * cost.values + UNSEEN) return undefined;
      ms += cost.ms;
      if (ms > SHORT) return undefined;
    }
    return ms;
  }

  /**
   * Whether helpers make a search here quicker. They sleep between requests that come now and then, as those of a server do, and
   * one that was woken takes its processor from whoever the caller waits for next.
   *
   * @param ms that it will take
   */
  gainsByHelp(ms: number, now: number): boolean {
    return this.underWay === 1 && (ms >= WORTH_WAKING || now - this.#ended < AWAKE);
  }

  /** Tells that a search here has ended. */
  hasEnded(now: number): void {
    this.#ended = now;
  }

  /**
   * Queries of several shapes tell nothing: a long one would pass for a short one, and the other way round.
   *
   * @param ms what each query took, here or in a thread
   */
  measured(queries: readonly CheckedQuery[], ms: number, rows: SearchedRows): void {
    const [shape, ...others] = new Set(queries.map((query) => shapeOf(query, rows)));
    if (shape === undefined || others.length > 0) return;
    if (rows.segments !== this.#segments) {
      this.#costs.clear();
      this.#segments = rows.segments;
    }
    const { values } = rows;
    const cost = this.#costs.get(shape);
    if (cost === undefined) {
      if (this.#costs.size >= SHAPES) this.#costs.clear();
      this.#costs.set(shape, { ms, values, strict: 0 });
      return;
    }
    // A first search pays for its compilation, and any may have been interrupted: one measurement alone decides little.
    const isLong = ms > 2 * cost.ms;
    cost.ms = (cost.ms + (isLong && cost.strict === 0 ? 2 * cost.ms : ms)) / 2;
    cost.strict = isLong ? FORGIVEN : Math.max(0, cost.strict - 1);
    cost.values = values;
  }
}

/** Some short searches that a thread makes. */
export interface SearchGroup {
  /** Sends those that have joined it, in one message; resolves when they are answered. */
  send(): Promise<void>;
}

interface Waiting<G> {
  ms: number;
  go(group: G | undefined): void;
}

/**
 * Short searches that come when their turn of the event loop is over. Each of the next turns takes some, the calling thread and threads
 * that are free about as many: a message costs a third of a short search, so they get theirs together.
 */
export class ShortSearches<G extends SearchGroup> {
  readonly #waiting: Waiting<G>[] = [];
  #isSharing = false;
  /** Groups that are not answered yet. */
  #away = 0;

  /** @param threads that may work beside this one */
  constructor(
    readonly threads: number,
    readonly newGroup: () => G,
  ) {}

  /**
   * Whose turn it is: undefined at once where the search may run here right now.
   *
   * @param ms that the search will take
   * @returns in its turn, and before anything else happens: undefined where it runs here, else the group that it is to join
   */
  turn(ms: number): Promise<G | undefined> | undefined {
    if (this.#waiting.length === 0 && !overdue(STRETCH)) return undefined;
    return new Promise((go) => {
      this.#waiting.push({ ms, go });
      if (!this.#isSharing) void this.#share();
    });
  }

  async #share(): Promise<void> {
    this.#isSharing = true;
    while (this.#waiting.length > 0) {
      await othersTurn();
      const all = this.#waiting.reduce((sum, { ms }) => sum + ms, 0);
      const free = Math.max(0, Math.min(this.threads - this.#away, Math.floor(all / WORTH_SENDING) - 1));
      const share = Math.min(STRETCH, all / (1 + free));
      for (let i = 0; i < free && this.#waiting.length > 1; i++) await this.#send(share);
      for (let ms = 0; ms < share && this.#waiting.length > 0 && !(ms > 0 && overdue(STRETCH)); ) {
        const next = this.#waiting.shift()!;
        ms += next.ms;
        next.go(undefined);
        await undefined; // it works until it waits
      }
    }
    this.#isSharing = false;
  }

  /** Those who have waited longest, but for the last of all, which runs here. */
  async #send(share: number): Promise<void> {
    const group = this.newGroup();
    for (let ms = 0; ms < share && this.#waiting.length > 1; ) {
      const next = this.#waiting.shift()!;
      ms += next.ms;
      next.go(group);
    }
    await undefined; // they join it
    this.#away++;
    void group.send().finally(() => this.#away--);
  }
}

/** The parts of a query that its time depends on. Few rows of a filter are scored one by one, more are found by codes. */
function shapeOf({ request, filter }: CheckedQuery, { passing }: SearchedRows): string {
  const { mode, k, candidates, eps, probes } = request;
  const rows = filter === undefined ? 'all' : Math.ceil(Math.log2(1 + (passing?.(filter) ?? 0)));
  return `${mode} ${k} ${candidates} ${eps} ${probes} ${rows}`;
}
