/** The place that the options of a command name. */
import { UsageError } from '../exit.js';
import { EmbeddedPlace } from './embedded.js';
import { MilvusPlace } from './milvus.js';
import { QdrantPlace } from './qdrant.js';
import type { Place } from './store.js';

export interface PlaceOptions {
  /** The folder of an embedded index. */
  store?: string;
  /** host:port */
  milvus?: string;
  /** URL of the REST interface. */
  qdrant?: string;
  collection?: string;
  /** Of an index. */
  breakLock?: boolean;
}

/** @param name of the option for an embedded index, as the command has it. @throws UsageError */
export function placeOf(
  { store, milvus, qdrant, collection, breakLock = false }: PlaceOptions,
  env: Readonly<Record<string, string | undefined>>,
  name = '--store',
): Place {
  const given = [store, milvus, qdrant].filter((one) => one !== undefined);
  if (given.length !== 1) {
    const what = `one of ${name} <folder>, --milvus <address> and --qdrant <url>`;
    throw new UsageError(`Expected ${what} but received ${given.length === 0 ? 'none' : 'several'}`);
  }
  if (store !== undefined) {
    if (collection !== undefined) throw new UsageError('Expected --collection beside --milvus or --qdrant only');
    if (store === '' || store === ':memory:')
      throw new UsageError(`Expected a folder for ${name} but received ${store}`);
    return new EmbeddedPlace(store, breakLock);
  }
  if (breakLock) throw new UsageError(`Expected --break-lock beside ${name} only`);
  if (!collection) throw new UsageError('Expected --collection <name> beside --milvus or --qdrant');
  if (milvus !== undefined) return new MilvusPlace(milvus, collection, env);
  if (!URL.canParse(qdrant!) || !/^https?:/.test(qdrant!)) {
    throw new UsageError(`Expected a URL such as http://127.0.0.1:6333 for --qdrant but received ${qdrant}`);
  }
  return new QdrantPlace(qdrant!, collection, env);
}
