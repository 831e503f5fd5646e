/** The place that the options of a command name. */
import { UsageError } from '../exit.js';
import { EmbeddedPlace } from './embedded.js';
import { MilvusPlace } from './milvus.js';
import { QdrantPlace } from './qdrant.js';
import type { NamedVectors, Place } from './store.js';

export interface PlaceOptions {
  /** The folder of an embedded index. */
  store?: string;
  /** host:port */
  milvus?: string;
  /** URL of the REST interface. */
  qdrant?: string;
  collection?: string;
  /** Dims of a prefix, of an index; the name of a vector, of a database. */
  head?: number | string;
  full?: string;
  missingVectors?: 'error' | 'skip';
  /** For an index. */
  breakLock?: boolean;
}

/**
 * @param name - of the option for an embedded index, as the command has it
 * @param dims - whether a number for --head is dims for databases, too
 * @throws UsageError
 */
export function placeOf(
  { store, milvus, qdrant, collection, head, full, missingVectors, breakLock = false }: PlaceOptions,
  env: Readonly<Record<string, string | undefined>>,
  name = '--store',
  dims = false,
): Place {
  const given = [store, milvus, qdrant].filter((one) => one !== undefined);
  if (given.length !== 1) {
    const what = `one of ${name} <folder>, --milvus <address> and --qdrant <url>`;
    throw new UsageError(`Expected ${what} but received ${given.length === 0 ? 'none' : 'several'}`);
  }
  if (store !== undefined) {
    for (const [option, value] of Object.entries({ collection, full, 'missing-vectors': missingVectors })) {
      if (value !== undefined) throw new UsageError(`Expected --${option} beside --milvus or --qdrant only`);
    }
    if (typeof head === 'string') {
      throw new UsageError(`Expected an integer of at least 1 for --head of an index but received ${head}`);
    }
    if (store === '' || store === ':memory:')
      throw new UsageError(`Expected a folder for ${name} but received ${store}`);
    return new EmbeddedPlace(store, breakLock);
  }
  if (breakLock) throw new UsageError(`Expected --break-lock beside ${name} only`);
  if (!collection) throw new UsageError('Expected --collection <name> beside --milvus or --qdrant');
  const vectors = vectorsOf(head, full, dims);
  if (milvus !== undefined) {
    if (missingVectors !== undefined) throw new UsageError('Expected --missing-vectors beside --qdrant only');
    // Its client throws a bare Error for what names no host.
    if (!URL.canParse(/^[a-z]+:\/\//i.test(milvus) ? milvus : `http://${milvus}`)) {
      throw new UsageError(`Expected an address such as 127.0.0.1:19530 for --milvus but received ${milvus}`);
    }
    return new MilvusPlace(milvus, collection, env, vectors);
  }
  if (!URL.canParse(qdrant!) || !/^https?:/.test(qdrant!)) {
    throw new UsageError(`Expected a URL such as http://127.0.0.1:6333 for --qdrant but received ${qdrant}`);
  }
  return new QdrantPlace(qdrant!, collection, env, { vectors, missingVectors });
}

/** @throws UsageError: one name without the other */
function vectorsOf(head: number | string | undefined, full: string | undefined, dims: boolean) {
  const named = typeof head === 'number' ? (dims ? undefined : String(head)) : head;
  if (named === undefined && full === undefined) return undefined;
  if (named !== undefined && full !== undefined) return { head: named, full } satisfies NamedVectors;
  const what = '--head <name> and --full <name>, the vectors of the collection (the same twice where it has one),';
  const got = named === undefined ? `--full ${full}` : `--head ${named}`;
  throw new UsageError(`Expected ${what} or neither but received ${got} alone`);
}
