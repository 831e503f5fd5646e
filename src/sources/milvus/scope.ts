/** Which partitions a call reads, how fresh its answer is, and the other parameters of a search, checked. */
import { expected } from '../../core/errors.js';
import { checkKeys } from '../../core/validate.js';
import { type KnownParams, numberParam, type ParamCheck } from '../../query/params.js';
import type { SearchParams } from '../../query/source/source.js';
import { checkNameList, narrowed } from '../scope.js';
import { consistencyLevel } from './consistency.js';

/** The part that a call reads, and how. */
export interface MilvusScope {
  partitions?: readonly string[] | undefined;
  /** By its name: the SDK takes the number of Strong, 0, for none at all in searches. */
  consistency?: string | undefined;
}

const checkHints: ParamCheck = (value, where) => {
  if (typeof value === 'string' && value !== '') return value;
  throw expected('BAD_ARGUMENT', "text, as 'iterative_filter',", where, value);
};

/** The params that every call may have. */
export const MILVUS_SCOPE: KnownParams = { partitions: checkNameList, consistency: consistencyLevel };

/** The params that searches may have: parameters of the indexes that have them, and of the search. */
export const MILVUS_PARAMS: KnownParams = {
  ef: 'count',
  nprobe: 'count',
  search_list: 'count',
  reorder_k: 'count',
  level: 'count',
  refine_k: numberParam(1),
  hints: checkHints,
  ...MILVUS_SCOPE,
};

/** The server's own search parameters, of all of its indexes: it ignores others without a word. */
const NATIVE = [
  'ef',
  'nprobe',
  'search_list',
  'reorder_k',
  'level',
  'refine_k',
  'hints',
  'ignore_growing',
  'itopk_size',
  'search_width',
  'min_iterations',
  'max_iterations',
  'team_size',
  'search_list_size',
  'beamwidth',
  'max_empty_result_buckets',
  'enable_recall_calculation',
  'rbq_query_bits',
  'rbq_bits_query',
  'metric_type',
  'radius',
  'range_filter',
];

/** Those options of a source. @throws FunnelError BAD_ARGUMENT */
export function checkedMilvusScope({
  partitions,
  consistency,
  params,
}: {
  partitions?: unknown;
  consistency?: unknown;
  params?: unknown;
}): MilvusScope {
  if (params !== undefined && params !== null) checkKeys(params, NATIVE, 'params');
  return {
    partitions: partitions === undefined ? undefined : checkNameList(partitions, 'partitions'),
    consistency: consistency === undefined ? undefined : consistencyLevel(consistency),
  };
}

/** The scope of a call, and what else its params say. @throws FunnelError BAD_ARGUMENT */
export function splitMilvusParams(
  { partitions, consistency, ...search }: SearchParams,
  own: MilvusScope,
  source: string,
): { search: SearchParams; scope: MilvusScope } {
  return {
    search,
    scope: {
      partitions: narrowed(own.partitions, partitions, 'params.partitions', source),
      consistency: (consistency as string | undefined) ?? own.consistency,
    },
  };
}

/** As keys of the SDK's requests. */
export function scoped({ partitions, consistency }: MilvusScope): object {
  return {
    ...(partitions !== undefined && { partition_names: [...partitions] }),
    consistency_level: consistency,
  };
}
