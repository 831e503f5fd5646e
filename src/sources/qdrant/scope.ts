/** Which shards and replicas answer a call, and how long the server tries: checked, and in the form of either client. */
import { expected } from '../../core/errors.js';
import { checkKeys } from '../../core/validate.js';
import { type KnownParams, numberParam, objectParam, type ParamCheck } from '../../query/params.js';
import type { SearchParams } from '../../query/source/source.js';
import { narrowed } from '../scope.js';

/** The part that a call reads, and how. */
export interface QdrantScope {
  shardKey?: readonly (string | number)[] | undefined;
  consistency?: number | string | undefined;
  /** Milliseconds. */
  serverTimeout?: number | undefined;
}

/** As the server numbers them. */
const LEVELS = ['all', 'majority', 'quorum'];

const checkShardKey: ParamCheck = (value, where) => {
  const keys: unknown[] = Array.isArray(value) ? value : [value];
  const fine = keys.every((key) =>
    typeof key === 'string' ? key !== '' : Number.isSafeInteger(key) && Number(key) >= 0,
  );
  if (fine && keys.length > 0) return keys.slice();
  throw expected('BAD_ARGUMENT', 'a shard key (text, or an integer of at least 0), or an array of some,', where, value);
};

const checkConsistency: ParamCheck = (value, where) => {
  if (LEVELS.includes(value as string) || (Number.isSafeInteger(value) && Number(value) > 0)) return value;
  throw expected('BAD_ARGUMENT', "a number of replicas, 'majority', 'quorum' or 'all'", where, value);
};

const checkServerTimeout: ParamCheck = (value, where) => {
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
  throw expected('BAD_ARGUMENT', 'a positive number of milliseconds', where, value);
};

/** The params that every call may have. */
export const QDRANT_SCOPE: KnownParams = {
  shardKey: checkShardKey,
  consistency: checkConsistency,
  serverTimeout: checkServerTimeout,
};

/** The params that searches may have. */
export const QDRANT_PARAMS: KnownParams = {
  exact: 'flag',
  hnsw_ef: 'count',
  indexed_only: 'flag',
  quantization: objectParam({ ignore: 'flag', rescore: 'flag', oversampling: numberParam(1) }),
  acorn: objectParam({ enable: 'flag', max_selectivity: numberParam(0, 1) }),
  ...QDRANT_SCOPE,
};

/** The server's own, with the keys of those that are objects: it ignores others without a word. */
const NATIVE: Readonly<Record<string, readonly string[] | undefined>> = {
  hnsw_ef: undefined,
  exact: undefined,
  indexed_only: undefined,
  quantization: ['ignore', 'rescore', 'oversampling'],
  acorn: ['enable', 'max_selectivity'],
};

/** Params of a source in the REST client's form: no key that the server would ignore. @throws FunnelError BAD_ARGUMENT */
export function checkNativeParams(params: unknown): void {
  if (params === undefined || params === null) return;
  checkKeys(params, Object.keys(NATIVE), 'params');
  for (const [name, keys] of Object.entries(NATIVE)) {
    const part = (params as Record<string, unknown>)[name];
    if (keys !== undefined && typeof part === 'object' && part !== null) checkKeys(part, keys, `params.${name}`);
  }
}

/** Those options of a source. @throws FunnelError BAD_ARGUMENT */
export function checkedQdrantScope(options: {
  shardKey?: unknown;
  consistency?: unknown;
  serverTimeout?: unknown;
}): QdrantScope {
  const scope: Record<string, unknown> = {};
  for (const [name, check] of Object.entries(QDRANT_SCOPE)) {
    const value = options[name as keyof typeof options];
    if (value !== undefined) scope[name] = (check as (value: unknown, where: string) => unknown)(value, name);
  }
  return scope;
}

/** The scope of a call, and what else its params say. @throws FunnelError BAD_ARGUMENT */
export function splitQdrantParams(
  { shardKey, consistency, serverTimeout, ...search }: SearchParams,
  own: QdrantScope,
  source: string,
): { search: SearchParams; scope: QdrantScope } {
  const asked = shardKey as QdrantScope['shardKey'];
  return {
    search,
    scope: {
      shardKey: narrowed(own.shardKey, asked, 'params.shardKey', source),
      consistency: consistency ?? own.consistency,
      serverTimeout: serverTimeout ?? own.serverTimeout,
    },
  };
}

/** Whether one call of the server can have both: its shard keys may differ, search by search. */
export function sameCall(a: QdrantScope | undefined, b: QdrantScope | undefined): boolean {
  return a?.consistency === b?.consistency && a?.serverTimeout === b?.serverTimeout;
}

const seconds = (ms: number): number => Math.ceil(ms / 1000);

/** As keys of the REST client; of what is not set there are none. */
export function restShards({ shardKey }: QdrantScope = {}): object {
  return shardKey === undefined ? {} : { shard_key: shardKey.length === 1 ? shardKey[0] : shardKey };
}

/** As keys of the REST client that stand once in a call, whatever searches it has. */
export function restCall({ consistency, serverTimeout }: QdrantScope = {}): object {
  return {
    ...(consistency !== undefined && { consistency }),
    ...(serverTimeout !== undefined && { timeout: seconds(serverTimeout) }),
  };
}

/** As keys of the gRPC client. */
export function grpcShards({ shardKey }: QdrantScope = {}): object {
  if (shardKey === undefined) return {};
  const shardKeys = shardKey.map((key) => ({
    key: typeof key === 'string' ? { case: 'keyword', value: key } : { case: 'number', value: BigInt(key) },
  }));
  return { shardKeySelector: { shardKeys } };
}

/** As keys of the gRPC client that stand once in a call, whatever searches it has. */
export function grpcCall({ consistency, serverTimeout }: QdrantScope = {}): object | undefined {
  if (consistency === undefined && serverTimeout === undefined) return undefined;
  const value =
    typeof consistency === 'string'
      ? { case: 'type', value: LEVELS.indexOf(consistency) }
      : { case: 'factor', value: BigInt(consistency ?? 0) };
  return {
    ...(consistency !== undefined && { readConsistency: { value } }),
    ...(serverTimeout !== undefined && { timeout: BigInt(seconds(serverTimeout)) }),
  };
}
