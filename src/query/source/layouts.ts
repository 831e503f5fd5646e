/**
 * The check of a source that a search is given, and a source of several layouts: pairs of head and full vectors under names, one of
 * which each request is to name.
 */
import { describe, expected, FunnelError } from '../../core/errors.js';
import type { Metric } from '../../core/types.js';
import { checkKeys } from '../../core/validate.js';
import { checkLayout, checkMetric, type GivenNames, type HeadOf } from './layout.js';
import type { Source } from './source.js';

/** Where the vectors of a layout are. */
interface Layout extends GivenNames {
  metric?: Metric | undefined;
  headOf?: HeadOf | undefined;
  prefixes?: readonly string[] | undefined;
}

/** The keys that say where vectors are. */
export const LAYOUT_KEYS: readonly string[] = ['head', 'full', 'metric', 'headOf', 'prefixes'];

/**
 * The source that a database's options describe: of one layout, or of several by name.
 *
 * @param make a source of one layout
 * @param keys those of a layout under a name
 * @throws FunnelError BAD_ARGUMENT
 */
export function sourceOf<Options extends { collection: string } & Layout>(
  given: (Omit<Options, keyof Layout> & { collection: string }) &
    Partial<Layout> & { vectors?: Record<string, Layout> | undefined },
  make: (options: Options) => Source,
  nameOf: (collection: string) => string,
  keys = LAYOUT_KEYS,
): Source {
  const one = (own: Options, named = false): Source => {
    checkLayout(own, named);
    checkMetric(own.metric);
    return make(own);
  };
  if (typeof given !== 'object' || given === null) return one(given as never);
  const options = { ...given }; // read once
  if (options.vectors === undefined) return one(options as never);
  const { vectors, ...rest } = options;
  for (const key of LAYOUT_KEYS) {
    const value = (rest as Record<string, unknown>)[key];
    if (value !== undefined) throw expected('BAD_ARGUMENT', `no ${key} beside vectors`, key, value);
  }
  const inside = (layout: Layout) => one({ ...rest, ...layout } as never, true);
  return namedLayouts(nameOf(options.collection), vectors, inside, keys);
}

/**
 * @param make a source of one layout
 * @throws FunnelError BAD_ARGUMENT
 */
function namedLayouts(
  name: string,
  vectors: Readonly<Record<string, Layout>>,
  make: (layout: Layout) => Source,
  keys: readonly string[],
): Source {
  const entries = typeof vectors === 'object' && vectors !== null ? Object.entries(vectors) : [];
  if (entries.length === 0) throw expected('BAD_ARGUMENT', '{ name: { head, full } }', 'vectors', vectors);
  for (const [key, layout] of entries) {
    checkKeys(layout, keys, `vectors.${key} (other options stand beside vectors)`);
  }
  const layouts = new Map(entries.map(([key, layout]) => [key, make(layout)]));
  const refuse = async (): Promise<never> => {
    throw new FunnelError('BAD_ARGUMENT', `Expected one of the layouts ${listOf(layouts)} of ${name} to be named`);
  };
  return { name, layouts, info: refuse, head: refuse, full: refuse, fetch: refuse, scan: refuse };
}

/**
 * The source that `using` names; the source itself where it has one layout and nothing is named.
 *
 * @throws FunnelError BAD_ARGUMENT, UNSUPPORTED
 */
export function layoutOf(source: Source, using: unknown): Source {
  const { layouts, name } = source;
  if (layouts === undefined) {
    if (using === undefined) return source;
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected no using for ${name}, which has one layout of vectors, but received ${describe(using)}`,
    );
  }
  const found = layouts.get(using as string);
  if (found === undefined) throw expected('BAD_ARGUMENT', `one of ${listOf(layouts)}, as ${name} has,`, 'using', using);
  return found;
}

function listOf(layouts: ReadonlyMap<string, Source>): string {
  return [...layouts.keys()].map((key) => JSON.stringify(key)).join(', ');
}

/** Members that a search calls; others are for mirrors and comparisons. */
const CALLED = ['info', 'head', 'fetch'] as const;

/** @throws FunnelError BAD_ARGUMENT naming the members that are missing */
export function checkSource(source: Source): void {
  const missing = CALLED.filter((member) => typeof source?.[member] !== 'function');
  if (missing.length === 0) return;
  const what = 'a source (of qdrantSource, milvusSource, embeddedSource, or your own, see Source in funnelvec/source)';
  const { message } = expected('BAD_ARGUMENT', what, 'source', source);
  const object = typeof source === 'object' && source !== null;
  throw new FunnelError(
    'BAD_ARGUMENT',
    object ? `${message} without ${missing.map((member) => `${member}()`).join(', ')}` : message,
  );
}
