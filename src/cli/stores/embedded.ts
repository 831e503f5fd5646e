/** The embedded index as a place for rows. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { FunnelError } from '../../core/errors.js';
import type { Id, Metric } from '../../core/types.js';
import { FunnelSearch } from '../../index.js';
import type { Source } from '../../query/source/source.js';
import { embeddedSource } from '../../store/embedded-source.js';
import { FunnelIndex } from '../../store/funnel-index.js';
import { STATE_FILE } from '../state.js';
import { foundBy } from './found.js';
import {
  checkIdBytes,
  type Place,
  type Request,
  type RowBatch,
  type Schema,
  type StoreAnswer,
  type StoreSearcher,
  type StoreWriter,
} from './store.js';

/** Files that an index may have in its folder; nothing else is ever removed. */
const OURS =
  /^(data\.mdb(-lock|\.writer)?|lock\.mdb|(rows|seg)-\d{6,}\.(bin|tmp)|new-[0-9a-f]{16}|funnelvec(-tune)?\.json)$/;

const LONGEST_ID = 1900;

export class EmbeddedPlace implements Place {
  readonly kind = 'embedded';
  readonly label: string;
  readonly stateFile: string;

  /** @param breakLock become the writer where the one before may be alive for all that can be seen */
  constructor(
    private readonly path: string,
    private readonly breakLock = false,
  ) {
    this.label = `the index ${path}`;
    this.stateFile = join(path, STATE_FILE);
  }

  async rows(): Promise<number | undefined> {
    try {
      const index = await FunnelIndex.open(this.path, { readOnly: true });
      try {
        return index.stats().positions;
      } finally {
        await index.close();
      }
    } catch (error) {
      if (error instanceof FunnelError && error.code === 'NO_INDEX') return undefined;
      throw error;
    }
  }

  async create({ dim, metric, head }: Schema): Promise<StoreWriter> {
    const options = { dim, metric, autoOptimize: false, ...(head !== null && { head: { prefix: head } }) };
    return new EmbeddedWriter(await FunnelIndex.create(this.path, options));
  }

  async open({ dim, metric }: Schema): Promise<StoreWriter> {
    const index = await this.#writable();
    if (index.dim === dim && index.metric === metric) return new EmbeddedWriter(index);
    const has = `${index.dim} dims and metric ${index.metric}`;
    await index.close();
    throw new FunnelError('BAD_DIMS', `Expected ${dim} dims and metric ${metric} for ${this.label} but it has ${has}`);
  }

  #writable(): Promise<FunnelIndex> {
    return FunnelIndex.open(this.path, { autoOptimize: false, breakLock: this.breakLock });
  }

  async remove(): Promise<void> {
    // Fails where another process writes.
    if ((await this.rows()) !== undefined) await (await this.#writable()).close();
    for (const name of fs.existsSync(this.path) ? fs.readdirSync(this.path) : []) {
      if (OURS.test(name)) fs.rmSync(join(this.path, name), { recursive: true, force: true });
    }
  }

  async searcher({ head }: { head?: number | undefined } = {}): Promise<StoreSearcher> {
    return new EmbeddedSearcher(await FunnelIndex.open(this.path, { readOnly: true }), head);
  }

  async close(): Promise<void> {}
}

class EmbeddedWriter implements StoreWriter {
  constructor(private readonly index: FunnelIndex) {}

  check(id: Id): void {
    checkIdBytes(id, LONGEST_ID);
  }

  async write({ ids, vectors, payloads }: RowBatch): Promise<{ replaced: number }> {
    const { replaced } = await this.index.upsert({ ids, vectors, payloads });
    return { replaced };
  }

  async finish(onProgress: (step: string, share: number) => void): Promise<void> {
    const { coded, count, dead } = this.index.stats();
    if (count === 0 || (coded === count && dead.rows <= count)) return; // rows written again leave dead ones
    await this.index.optimize({
      onProgress: ({ phase, done, total }) => onProgress(`codes: ${phase}`, total === 0 ? 1 : done / total),
    });
  }

  async count(): Promise<number> {
    return this.index.count;
  }

  close(): Promise<void> {
    return this.index.close();
  }
}

class EmbeddedSearcher implements StoreSearcher {
  readonly dim: number;
  readonly metric: Metric;
  readonly search: FunnelIndex | FunnelSearch;
  readonly source: Source;

  /** @param head searched by a prefix of so many dims, as a database is, in place of the index's own codes */
  constructor(
    private readonly index: FunnelIndex,
    head: number | undefined,
  ) {
    this.dim = index.dim;
    this.metric = index.metric;
    this.source = embeddedSource(index, head === undefined ? {} : { head });
    this.search = head === undefined ? index : new FunnelSearch({ source: this.source });
  }

  async query(request: Request): Promise<StoreAnswer> {
    if (this.search instanceof FunnelSearch) return foundBy(this.search, request);
    const { vector, limit, mode, filter, params } = request;
    const start = performance.now();
    const { hits, stats } = await this.search.query({
      vector,
      limit,
      mode,
      withPayload: true,
      ...(filter && { filter }),
      ...(params && mode === 'funnel' && { params }),
    });
    const ms = performance.now() - start;
    return {
      hits: hits.map(({ id, score, payload }) => ({ id, score, payload: payload ?? {} })),
      stages: stats.stages.map(({ name, in: read, out }) => ({ name, in: read, out })),
      ...(mode === 'exact' && { exact: stats.certified ? 'certified' : 'index' }),
      ms,
      searchMs: stats.ms,
    };
  }

  async count(): Promise<number> {
    return this.index.count;
  }

  close(): Promise<void> {
    return this.index.close();
  }
}
