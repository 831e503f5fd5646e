/** The indexes of a Mastra store as FunnelIndexes: one folder each, within one folder, or all in memory. */
import { randomBytes } from 'node:crypto';
import { access, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expected, FunnelError } from '../../core/errors.js';
import type { Filter } from '../../index.js';
import type { FilterNode } from '../../query/filter/ast.js';
import { Conditions } from '../../query/filter/conditions.js';
import { LMDB_FILE } from '../../store/files/lmdb-env.js';
import { FunnelIndex, type FunnelIndexOptions, type OpenIndexOptions } from '../../store/index.js';
import { replaceRows } from '../../store/replace.js';
import type { AskedSearch, FoundRow, IndexShape, StoredRow, VectorBackend } from './backend.js';
import { escapedName, unescapedName } from './names.js';

const ALL = 0xffff_ffff;
const MEMORY = ':memory:';
/** A folder that is on its way out: names of indexes have no dot when they are escaped. */
const DELETED = /^\.deleted-[0-9a-f]{16}$/;
const KEPT_OPTIONS = ['scales', 'head', 'rotation', 'precision', 'lists'];

/** Options that indexes are made and opened with, but for dims and metric, which createIndex() says. */
export type EmbeddedOptions = Omit<FunnelIndexOptions, 'dim' | 'metric'>;
type Index = FunnelIndex;

export class EmbeddedBackend implements VectorBackend {
  readonly place = { root: [] };
  /** Those that are open or being opened; in memory all that there are. */
  readonly #open = new Map<string, Promise<Index>>();
  #closed = false;

  constructor(
    private readonly path: string,
    private readonly options: EmbeddedOptions,
    private readonly readOnly: boolean,
  ) {}

  checkName(name: string): void {
    // Names of folders have 255 bytes at most.
    if (escapedName(name).length > 255) {
      throw expected(
        'BAD_ARGUMENT',
        'a name of at most 255 characters, %xx for those other than a-z, 0-9, _ and -,',
        'indexName',
        name,
      );
    }
  }

  async names(): Promise<string[]> {
    this.#checkOpen();
    if (this.path === MEMORY) return [...this.#open.keys()].sort();
    const found: string[] = [];
    for (const entry of await this.#entries()) {
      const name = entry.isDirectory() ? unescapedName(entry.name) : undefined;
      if (name !== undefined && (await isThere(join(this.path, entry.name, LMDB_FILE)))) found.push(name);
    }
    return found.sort();
  }

  async #entries() {
    try {
      return await readdir(this.path, { withFileTypes: true });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new FunnelError(
        'DISK',
        `Expected a folder that can be read but ${this.path} failed: ${(cause as Error).message}`,
        { cause },
      );
    }
  }

  async shapeOf(name: string): Promise<IndexShape | undefined> {
    const index = await this.#indexOf(name);
    return index && { dim: index.dim, metric: index.metric };
  }

  async count(name: string): Promise<number> {
    return (await this.#index(name)).count;
  }

  async create(name: string, { dim, metric }: IndexShape): Promise<void> {
    this.#checkWritable();
    await this.#sweep();
    const made = FunnelIndex.create<unknown>(this.#folderOf(name), { ...this.options, dim, metric });
    await this.#kept(name, made);
  }

  async indexKeys(name: string, keys: readonly string[]): Promise<boolean> {
    const index = await this.#index(name);
    const there = new Set(index.stats().payloadIndexes.map(({ key }) => key));
    if (this.readOnly) return keys.every((key) => there.has(key));
    for (const key of keys) if (!there.has(key)) await index.createPayloadIndex(key, 'keyword');
    return true;
  }

  async drop(name: string): Promise<void> {
    this.#checkWritable();
    const folder = this.#folderOf(name);
    const onDisk = this.path !== MEMORY;
    if (onDisk && !(await isThere(join(folder, LMDB_FILE)))) return;
    // As its writer, so that nobody else writes to it now. What is broken goes, too.
    const index = await this.#indexOf(name).catch((error: FunnelError) => {
      if (['INDEX_LOCKED', 'NOT_WRITABLE', 'CLOSED'].includes(error.code)) throw error;
      return undefined;
    });
    this.#open.delete(name);
    await index?.close();
    if (!onDisk) return;
    // At once for who looks, however long the files take.
    const away = join(this.path, `.deleted-${randomBytes(8).toString('hex')}`);
    try {
      await rename(folder, away);
    } catch (cause) {
      throw new FunnelError(
        'DISK',
        `Expected an index that can be deleted but ${folder} failed: ${(cause as Error).message}`,
        { cause },
      );
    }
    await this.#sweep();
  }

  /** Removes folders that were deleted, also by a process that died on the way. */
  async #sweep(): Promise<void> {
    if (this.path === MEMORY) return;
    for (const { name } of await this.#entries()) {
      if (DELETED.test(name)) await rm(join(this.path, name), { recursive: true, force: true }).catch(() => {});
    }
  }

  async put(name: string, rows: readonly StoredRow[], instead?: FilterNode): Promise<void> {
    const index = await this.#index(name);
    const points = rows.map(({ id, vector, metadata }) => ({ id, vector, payload: metadata }));
    if (instead === undefined) await index.upsert(points);
    else await replaceRows(index, filterOf(instead)!, points);
  }

  async search(name: string, asked: AskedSearch): Promise<FoundRow[]> {
    const index = await this.#index(name);
    const { count } = index;
    if (count === 0) return [];
    const { vector, withVector, mode, candidates } = asked;
    const limit = Math.min(asked.limit, count);
    const params = candidates === undefined ? undefined : { candidates: Math.max(candidates, limit) };
    const filter = filterOf(asked.filter);
    const { hits } = await index.query({ vector, limit, mode, filter, withPayload: true, withVector, params });
    return hits.map(({ id, score, payload, vector: own }) => ({
      id: String(id),
      score,
      metadata: (payload ?? {}) as FoundRow['metadata'],
      ...(withVector && { vector: own! }),
    }));
  }

  async rowsOf(name: string, ids: readonly string[], withVector: boolean): Promise<StoredRow[]> {
    const points = await (await this.#index(name)).get(ids, { withVector });
    return points.filter((point) => point !== undefined).map(rowOf);
  }

  async matching(name: string, filter: FilterNode, withVector: boolean, limit?: number): Promise<StoredRow[]> {
    const index = await this.#index(name);
    const conditions = filterOf(filter);
    if (limit === undefined) {
      const { points } = await index.scroll({ filter: conditions, limit: ALL, withVector });
      return points.map(rowOf).sort(byId);
    }
    // The first ones by id, of which alone more is read.
    const { points } = await index.scroll({ filter: conditions, limit: ALL, withPayload: false });
    const ids = points.map(({ id }) => String(id)).sort();
    return this.rowsOf(name, ids.slice(0, limit), withVector);
  }

  async remove(name: string, rows: readonly string[] | FilterNode): Promise<void> {
    const index = await this.#index(name);
    await index.delete('op' in rows ? { filter: filterOf(rows)! } : rows);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#open.values()];
    this.#open.clear();
    for (const one of await Promise.allSettled(all)) if (one.status === 'fulfilled') await one.value.close();
  }

  /** @throws FunnelError NO_INDEX, and as FunnelIndex.open() */
  async #index(name: string): Promise<Index> {
    const index = await this.#indexOf(name);
    if (index !== undefined) return index;
    throw new FunnelError(
      'NO_INDEX',
      `Expected an index that is there but received ${JSON.stringify(name)}: make it by createIndex()`,
    );
  }

  async #indexOf(name: string): Promise<Index | undefined> {
    this.#checkOpen();
    const open = this.#open.get(name);
    if (open !== undefined || this.path === MEMORY) return open;
    const folder = this.#folderOf(name);
    if (!(await isThere(join(folder, LMDB_FILE)))) return undefined;
    this.#checkOpen();
    return this.#open.get(name) ?? this.#kept(name, FunnelIndex.open(folder, this.#openOptions()));
  }

  #openOptions(): OpenIndexOptions & { readOnly?: boolean } {
    const options = Object.entries(this.options).filter(([key]) => !KEPT_OPTIONS.includes(key));
    return { ...Object.fromEntries(options), ...(this.readOnly && { readOnly: true }) };
  }

  async #kept(name: string, opening: Promise<Index>): Promise<Index> {
    this.#open.set(name, opening);
    try {
      return await opening;
    } catch (error) {
      if (this.#open.get(name) === opening) this.#open.delete(name);
      throw error;
    }
  }

  #folderOf(name: string): string {
    return this.path === MEMORY ? MEMORY : join(this.path, escapedName(name));
  }

  #checkOpen(): void {
    if (this.#closed) throw new FunnelError('CLOSED', 'Expected an open store but it was closed');
  }

  #checkWritable(): void {
    this.#checkOpen();
    if (this.readOnly)
      throw new FunnelError('NOT_WRITABLE', 'Expected a store that was made for writing, not readOnly');
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function rowOf({ id, vector, payload }: { id: unknown; vector?: unknown; payload?: unknown }): StoredRow {
  return {
    id: String(id),
    vector: (vector ?? new Float32Array(0)) as Float32Array,
    metadata: (payload ?? {}) as StoredRow['metadata'],
  };
}

function byId(a: StoredRow, b: StoredRow): number {
  return a.id < b.id ? -1 : 1;
}

function filterOf(node: FilterNode | undefined): Filter | undefined {
  return node && (new Conditions(node) as unknown as Filter);
}
