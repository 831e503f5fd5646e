/** Random queries of an index that others write meanwhile, and what can be said of each answer at once. */

import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Filter, FunnelIndex } from 'funnelvec/store';
import { Random } from '../random.js';
import { type Payload, Times, type TimesSummary, type Usage, vectorOf, wrongHits } from './world.js';

/** Hits wanted, and those found or as good, of mode 'funnel'. */
export interface Recall {
  wanted: number;
  found: number;
}

export interface Asked {
  /** For at most 100 hits. */
  query?: TimesSummary;
  /** For 1,000 or 10,000. */
  deep?: TimesSummary;
  filtered?: TimesSummary;
  groups?: TimesSummary;
  recall: Recall;
  /** The longest that the event loop stood, in milliseconds. */
  blocked: number;
  usage: Usage;
}

const LIMITS = [10, 10, 10, 10, 10, 10, 100, 100, 100, 1000, 10_000];

export class Asker {
  readonly #query = new Times();
  readonly #deep = new Times();
  readonly #filtered = new Times();
  readonly #groups = new Times();
  readonly #loop = monitorEventLoopDelay({ resolution: 5 });
  readonly #random: Random;
  #recall: Recall = { wanted: 0, found: 0 };

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#loop.enable();
  }

  /** One request. @throws when the answer cannot be right */
  async ask(index: FunnelIndex<Payload>): Promise<void> {
    const random = this.#random;
    const vector = vectorOf(random.int(0, 2 ** 30));
    const kind = random.next();
    if (kind < 0.5) await this.#nearest(index, vector);
    else if (kind < 0.75) await this.#matching(index, vector);
    else if (kind < 0.9) await this.#grouped(index, vector);
    else await this.#paged(index);
  }

  async #nearest(index: FunnelIndex<Payload>, vector: Float32Array): Promise<void> {
    const limit = this.#random.pick(LIMITS);
    const times = limit <= 100 ? this.#query : this.#deep;
    const { hits } = await times.of(() => index.query({ vector, limit, withPayload: true }));
    check(
      wrongHits(vector, hits, () => true),
      'query',
    );
    if (!this.#random.chance(0.3)) return;
    // Both of one moment: one batch.
    const [funnel, exact] = await index.queryBatch([
      { vector, limit },
      { vector, limit, mode: 'exact' },
    ]);
    const wanted = exact!.hits.length;
    check(funnel!.hits.length === wanted ? undefined : `${funnel!.hits.length} hits, not ${wanted}`, 'mode funnel');
    if (wanted === 0) return;
    const last = exact!.hits.at(-1)!.score - 1e-9;
    this.#recall.wanted += wanted;
    this.#recall.found += funnel!.hits.filter(({ score }) => score >= last).length;
  }

  async #matching(index: FunnelIndex<Payload>, vector: Float32Array): Promise<void> {
    const from = this.#random.int(0, 45);
    const filter: Filter<Payload> = { must: [{ key: 'n', range: { gte: from, lt: from + 5 } }] };
    const request = { vector, limit: this.#random.pick(LIMITS), filter, withPayload: true };
    const { hits } = await this.#filtered.of(() => index.query(request));
    check(
      wrongHits(vector, hits, ({ n }) => n >= from && n < from + 5),
      'a filtered query',
    );
  }

  async #grouped(index: FunnelIndex<Payload>, vector: Float32Array): Promise<void> {
    const request = { vector, groupBy: 'group', limit: 4, groupSize: 3, withPayload: true };
    const { groups } = await this.#groups.of(() => index.queryGroups(request));
    for (const { id, hits } of groups) {
      check(hits.length > 3 ? 'too many hits' : undefined, 'a group');
      check(
        wrongHits(vector, hits as never, ({ group }) => group === id),
        'a group',
      );
    }
  }

  async #paged(index: FunnelIndex<Payload>): Promise<void> {
    const match = { value: `g${this.#random.int(0, 15)}` };
    const { points } = await index.scroll({ filter: { must: [{ key: 'group', match }] }, limit: 50 });
    for (const { payload } of points) check(payload?.group === match.value ? undefined : 'of another group', 'a page');
  }

  /** Since the last look. */
  take(): Asked {
    const blocked = this.#loop.max / 1e6;
    this.#loop.reset();
    const recall = this.#recall;
    this.#recall = { wanted: 0, found: 0 };
    const [query, deep, filtered, groups] = [this.#query, this.#deep, this.#filtered, this.#groups].map((t) =>
      t.take(),
    );
    return {
      ...(query && { query }),
      ...(deep && { deep }),
      ...(filtered && { filtered }),
      ...(groups && { groups }),
      recall,
      blocked,
      usage: usage(),
    };
  }
}

function check(wrong: string | undefined, what: string): void {
  if (wrong !== undefined) throw new Error(`${what}: ${wrong}`);
}

function usage(): Usage {
  const { rss, heapUsed: heap, arrayBuffers: buffers } = process.memoryUsage();
  const memory = { rss, heap, buffers };
  if (process.platform !== 'linux') return memory;
  return { ...memory, threads: readdirSync('/proc/self/task').length, files: readdirSync('/proc/self/fd').length };
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
