/** A source of several layouts: pairs of head and full vectors under names, one of which each request is to name. */
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

const LAYOUT_KEYS = ['head', 'full', 'metric', 'headOf', 'prefixes'] as const;

/**
 * The source that a database's options describe: of one layout, or of several by name.
 *
 * @param make a source of one layout
 * @throws FunnelError BAD_ARGUMENT
 */
export function sourceOf<Options extends { collection: string } & Layout>(
  given: (Omit<Options, keyof Layout> & { collection: string }) &
    Partial<Layout> & { vectors?: Record<string, Layout> | undefined },
  make: (options: Options) => Source,
  nameOf: (collection: string) => string,
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
    if (rest[key] !== undefined) throw expected('BAD_ARGUMENT', `no ${key} beside vectors`, key, rest[key]);
  }
  return namedLayouts(nameOf(options.collection), vectors, (layout) => one({ ...rest, ...layout } as never, true));
}

/**
 * @param make a source of one layout
 * @throws FunnelError BAD_ARGUMENT
 */
function namedLayouts(
  name: string,
  vectors: Readonly<Record<string, Layout>>,
  make: (layout: Layout) => Source,
): Source {
  const entries = typeof vectors === 'object' && vectors !== null ? Object.entries(vectors) : [];
  if (entries.length === 0) throw expected('BAD_ARGUMENT', '{ name: { head, full } }', 'vectors', vectors);
  for (const [key, layout] of entries) {
    checkKeys(layout, LAYOUT_KEYS, `vectors.${key} (other options stand beside vectors)`);
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
