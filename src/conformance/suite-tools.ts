/** Tools of the suite's tests: collections, the sources over them, and tests for what a source need not have. */
import { test } from 'node:test';
import type { HeadRequest, Source } from '../query/source/source.js';
import type { Backend, CollectionSpec, OpenOptions } from './backend.js';
import { COUNT, DIM, HEAD, random, randomVector, rows } from './data.js';
import { unpacked } from './scan-oracle.js';

export type SuiteTools = ReturnType<typeof suiteTools>;

export function suiteTools(backend: Backend) {
  const { supports, filters } = backend;
  const { idKinds } = supports;
  const it = (name: string, body: () => Promise<void>, skip: string | false = false) =>
    void test(name, { skip, timeout: 60_000 }, body);
  /** For tests of what a source need not have: where it has not, they are skipped with a word what, and the member that says so. */
  const where =
    (has: unknown, what: string) =>
    (name: string, body: () => Promise<void>): void =>
      it(name, body, has ? false : `no ${what}`);
  const withStrings = where(idKinds.string, 'ids that are strings (supports.idKinds.string)');
  const withBigIds = where(idKinds.big, 'ids beyond 2^53 (supports.idKinds.big)');
  const withFilters = where(filters, 'native filters (filters)');
  const withTails = where(supports.tails, 'layout of head and tail (supports.tails)');
  const withDecoders = where(supports.decoders, 'two ways to read vectors (supports.decoders)');
  const withCollections = where(supports.collections, 'names of collections (supports.collections)');
  const withServer = where(supports.server, 'server (supports.server)');
  const layouts = supports.tails ? (['full', 'tail'] as const) : (['full'] as const);
  const supported = (parts: [string, Partial<CollectionSpec>][]) =>
    parts.filter(
      ([, { ids = 'number', layout }]) => idKinds[ids] !== undefined && (layout !== 'tail' || supports.tails),
    );
  const made = new Map<string, Promise<CollectionSpec>>();
  /** Made once, shared by tests that only read. */
  const shared = (key: string, part: Partial<CollectionSpec> = {}): Promise<CollectionSpec> => {
    let spec = made.get(key);
    if (!spec) {
      spec = make(key, part);
      made.set(key, spec);
    }
    return spec;
  };
  const run = nameOfRun();
  /** Collections by name, with whether they were made whole. */
  const begun = new Map<string, boolean>();
  const make = async (key: string, part: Partial<CollectionSpec> = {}): Promise<CollectionSpec> => {
    const spec: CollectionSpec = {
      collection: `conformance_${key}_${run}`,
      metric: 'cosine',
      headDim: HEAD,
      dim: DIM,
      layout: 'full',
      ids: 'number',
      rows: [],
      ...part,
    };
    if (supports.oneVector) spec.headDim = spec.dim;
    spec.rows = part.rows ?? rows(COUNT, spec.dim, spec.ids, 7);
    begun.set(spec.collection, false);
    await backend.create(spec);
    begun.set(spec.collection, true);
    return spec;
  };
  /** Drops every collection that was made here. */
  const dropAll = async (): Promise<void> => {
    let failure: unknown;
    for (const [collection, whole] of begun) {
      try {
        await backend.drop(collection);
      } catch (error) {
        if (whole) failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  };
  /** Gives a collection other rows. */
  const again = async (spec: CollectionSpec): Promise<void> => {
    if (backend.replace) return backend.replace(spec);
    await backend.drop(spec.collection);
    await backend.create(spec);
  };
  const open = (spec: CollectionSpec, options: Partial<OpenOptions> = {}): Source =>
    backend.source({
      collection: spec.collection,
      ...(spec.layout === 'tail' ? { full: { tail: 'tail', headNorm: 'norm' } } : {}),
      ...options,
    });
  const head = async (source: Source, request: HeadRequest) => unpacked((await source.head(request)).candidates);
  const query = (dim = DIM) => randomVector(dim, random(99));

  return {
    backend,
    it,
    where,
    withStrings,
    withBigIds,
    withFilters,
    withTails,
    withDecoders,
    withCollections,
    withServer,
    layouts,
    supported,
    shared,
    make,
    dropAll,
    again,
    open,
    head,
    query,
    supports,
    filters,
    idKinds,
  };
}

/** For names that no other run on the same server has. */
export function nameOfRun(): string {
  return `${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
}
