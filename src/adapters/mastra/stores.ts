/** Stores of Mastra: FunnelVector over embedded indexes, MilvusVector over Milvus. */
import { expected } from '../../core/errors.js';
import { checkInteger, checkKeys } from '../../core/validate.js';
import type { SearchManner } from './backend.js';
import { EmbeddedBackend, type EmbeddedOptions } from './embedded.js';
import { mastraError } from './errors.js';
import { MilvusBackend, type MilvusStoreClient } from './milvus.js';
import { BackedVector, checkedManner } from './vector.js';

/** Where a FunnelVector keeps its indexes. */
export interface FunnelVectorConfig extends SearchManner {
  /** The id of the store in Mastra. */
  id: string;
  /** A folder, which is made when needed and has one folder for each index; or ':memory:'. */
  path: string;
  /** Reads alone, beside the process that writes. @default false */
  readOnly?: boolean;
  /** How indexes are made and opened: `{ precision: 'float16', memory: 2e9 }`. */
  index?: EmbeddedOptions;
}

/** Where a MilvusVector keeps its indexes. */
export interface MilvusVectorConfig extends SearchManner {
  /** The id of the store in Mastra. */
  id: string;
  /** A MilvusClient of @zilliz/milvus2-sdk-node, which stays yours to close. */
  client: MilvusStoreClient;
  /** The beginning of the names of its collections. @default 'mastra_' */
  prefix?: string;
  /**
   * For Matryoshka vectors: indexes with more dims than this keep so many first ones in a field of their own, which Milvus searches;
   * what it finds is scored in full here. @default Milvus searches all dims
   */
  head?: number;
}

const INDEX_KEYS = [
  ...['threads', 'memory', 'durability', 'breakLock', 'autoOptimize', 'fullScanThreshold'],
  ...['scales', 'head', 'rotation', 'precision', 'lists'],
];

/**
 * A vector store of Mastra over embedded indexes. One process writes to a folder at a time, and one FunnelVector in it.
 *
 * @example
 * const store = new FunnelVector({ id: 'films', path: './vectors' });
 * const mastra = new Mastra({ vectors: { films: store } });
 */
export class FunnelVector extends BackedVector {
  /** @throws MastraError, with a FunnelError as cause */
  constructor(config: FunnelVectorConfig) {
    const { id, backend, manner } = constructed(() => {
      checkKeys(config, ['id', 'path', 'readOnly', 'index', 'mode', 'candidates'], 'the config of FunnelVector');
      const { path, readOnly = false, index = {} } = config;
      if (typeof path !== 'string' || path === '')
        throw expected('BAD_ARGUMENT', "a folder, or ':memory:',", 'path', path);
      if (typeof readOnly !== 'boolean') throw expected('BAD_ARGUMENT', 'a boolean', 'readOnly', readOnly);
      if (readOnly && path === ':memory:')
        throw expected('BAD_ARGUMENT', "a folder beside readOnly, not ':memory:',", 'path', path);
      checkKeys(index, INDEX_KEYS, 'index');
      return {
        id: config.id,
        backend: new EmbeddedBackend(path, { ...index }, readOnly),
        manner: checkedManner(config),
      };
    });
    super(id, backend, manner);
  }
}

/**
 * A vector store of Mastra over Milvus: one collection for each index.
 *
 * @example
 * const store = new MilvusVector({ id: 'films', client: new MilvusClient({ address: '127.0.0.1:19530' }) });
 */
export class MilvusVector extends BackedVector {
  /** @throws MastraError, with a FunnelError as cause */
  constructor(config: MilvusVectorConfig) {
    const { id, backend, manner } = constructed(() => {
      checkKeys(config, ['id', 'client', 'prefix', 'head', 'mode', 'candidates'], 'the config of MilvusVector');
      const { client, prefix = 'mastra_', head } = config;
      if (typeof prefix !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(prefix)) {
        throw expected('BAD_ARGUMENT', 'letters, digits and _, with no digit first,', 'prefix', prefix);
      }
      if (head !== undefined) checkInteger(head, 1, 32_768, 'head');
      return { id: config.id, backend: new MilvusBackend(client, prefix, head), manner: checkedManner(config) };
    });
    super(id, backend, manner);
  }
}

function constructed<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw mastraError('CONSTRUCTOR', undefined, error);
  }
}
