/** Where documents go: an index takes them itself, a database through its client. */
import { expected, FunnelError } from '../../core/errors.js';
import { checkKeys, uuidOf } from '../../core/validate.js';
import type { Id } from '../../index.js';
import { guarded } from '../../sources/index.js';
import { refusal } from '../../sources/milvus/from-milvus.js';
import { storedVector, VECTOR_KINDS, type VectorKind } from '../../sources/milvus/vector-types.js';
import { checkWritten } from '../../sources/milvus/written.js';
import { checkUpdated } from '../../sources/qdrant/updated.js';

/** A document as a writer gets it. */
export interface WrittenPoint {
  /** The id, of the collection's own kind. */
  id: Id;
  /** The full vector. */
  vector: Float32Array;
  /** Text and metadata, under the store's `contentKey` and `metadataKey`. */
  payload: Record<string, unknown>;
}

/** A FunnelIndex is one. */
export interface PointWriter {
  /** Points whose id is there already take its place. Called again with the same points it changes nothing. */
  upsert(points: WrittenPoint[]): Promise<unknown>;
  /** Ids that no point has are ignored. */
  delete(ids: Id[]): Promise<unknown>;
  /**
   * An id of LangChain's, always text, as one of the collection's.
   *
   * @default by the kind of ids that the source says
   * @throws FunnelError BAD_ID
   */
  idOf?(text: string): Id;
}

/** The collection that a writer writes to, and its vectors. */
export interface WriterOptions {
  /** Its name. */
  collection: string;
  /** The vector, or field, of the first dims; as the source over the collection has it. Absent beside `full`: there is one alone. */
  head?: string;
  /** The vector, or field, of all dims. */
  full?: string;
}

/** The part of the client of @qdrant/js-client-rest that we use. */
export interface QdrantWriteClient {
  /** Tells the names and sizes of the vectors; called before the first write. */
  getCollection(collection: string): Promise<unknown>;
  /** Writes `{ wait: true, points }`, in parts of some 2 million numbers. */
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types are of its generation
  upsert(collection: string, args: any): Promise<unknown>;
  /** Deletes `{ wait: true, points }`, which are ids. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  delete(collection: string, args: any): Promise<unknown>;
}

type KindOf = (field: string) => VectorKind;

/** The part of the client of @zilliz/milvus2-sdk-node that we use. */
export interface MilvusWriteClient {
  /** Tells the fields, the primary key and the dims; called before the first write or delete. */
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types are of its generation
  describeCollection(args: any): Promise<any>;
  /** Writes `{ collection_name, data }`, in parts of some 2 million numbers. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  upsert(args: any): Promise<any>;
  /** Deletes `{ collection_name, filter }`, the filter a list of keys. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  delete(args: any): Promise<any>;
}

/** Numbers of one call: some 12 bytes of JSON each. */
const VALUES = 1 << 21;

/**
 * Writes to a collection of Qdrant whose head is the first dims of its full vectors. Ids are UUIDs or whole numbers.
 *
 * @throws FunnelError BAD_ARGUMENT; calls throw REFUSED, with the client's error as cause, and BAD_RESPONSE for answers that say nothing of the rows
 */
export function qdrantWriter(client: QdrantWriteClient, options: WriterOptions): PointWriter {
  const { collection, head, full } = checkWriter(options, 'qdrantWriter()');
  for (const name of ['getCollection', 'upsert', 'delete'] as const) {
    if (typeof client?.[name] !== 'function')
      throw expected('BAD_ARGUMENT', 'a client of Qdrant (REST)', 'client', client);
  }
  const label = `Qdrant collection ${JSON.stringify(collection)}`;
  const asked = askedOf(label);
  let vectors: Promise<(vector: number[]) => unknown> | undefined;
  const shape = async () => {
    const info = (await asked(() => client.getCollection(collection))) as { config?: { params?: unknown } } | undefined;
    const params = info?.config?.params;
    if (!isRecord(params)) throw expected('BAD_RESPONSE', 'config.params', `what is told of ${label}`, info);
    // One of sparse vectors alone has none of these.
    const has = (params['vectors'] ?? {}) as Record<string, { size: number }> & { size?: number };
    const named = (what: string) =>
      new FunnelError('NO_FIELD', `Expected ${what} in Qdrant collection ${JSON.stringify(collection)}`);
    if (typeof has.size === 'number') {
      if (full) throw named(`the vector ${full}, but there is one alone, without a name,`);
      return (vector: number[]) => vector;
    }
    const names = Object.keys(has);
    if (full === undefined && names.length !== 1) {
      throw named(`one vector, or the names of head and full, but there are ${names.join(', ') || 'none'}`);
    }
    const only = full ?? names[0]!;
    const { size } = has[head ?? only] ?? {};
    if (size === undefined) throw named(`the vector ${head ?? only}`);
    if (head === undefined || head === full) return (vector: number[]) => ({ [only]: vector });
    return (vector: number[]) => ({ [head]: vector.slice(0, size), [only]: vector });
  };
  return {
    async upsert(points) {
      vectors ??= shape();
      const place = await vectors.catch((error) => {
        vectors = undefined;
        throw error;
      });
      for (const some of inParts(points)) {
        const rows = some.map(({ id, vector, payload }) => ({ id, vector: place(Array.from(vector)), payload }));
        checkUpdated(await asked(() => client.upsert(collection, { wait: true, points: rows })), label);
      }
    },
    async delete(ids) {
      if (ids.length === 0) return;
      checkUpdated(await asked(() => client.delete(collection, { wait: true, points: ids })), label);
    },
    idOf(text) {
      if (typeof text === 'string') {
        const uuid = uuidOf(text);
        if (uuid !== undefined) return uuid;
        if (/^(?:0|[1-9]\d{0,15})$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
      }
      throw expected('BAD_ID', 'a UUID or a whole number up to 2^53 − 1, as Qdrant has them,', 'an id', text);
    },
  };
}

/**
 * Writes to a collection of Milvus with dynamic fields, or with fields for what documents have, whose head is the first dims
 * of its full vectors.
 *
 * @throws FunnelError BAD_ARGUMENT; calls throw REFUSED, with the client's answer as cause, and BAD_RESPONSE as above
 */
export function milvusWriter(client: MilvusWriteClient, options: WriterOptions): PointWriter {
  const { collection, head, full } = checkWriter(options, 'milvusWriter()');
  for (const name of ['describeCollection', 'upsert', 'delete'] as const) {
    if (typeof client?.[name] !== 'function') throw expected('BAD_ARGUMENT', 'a client of Milvus', 'client', client);
  }
  const collection_name = collection;
  const label = `Milvus collection ${JSON.stringify(collection)}`;
  const asked = askedOf(label);
  type Field = {
    name: string;
    data_type?: string | number;
    dataType?: number;
    is_primary_key?: boolean;
    type_params?: { key: string; value: string | number }[];
  };
  let described:
    | Promise<{ key: string; isText: boolean; head: string | undefined; full: string; dim: number; kindOf: KindOf }>
    | undefined;
  const shape = async () => {
    const told = await asked(async () => accepted(await client.describeCollection({ collection_name })));
    const fields = (told as { schema?: { fields?: Field[] } } | undefined)?.schema?.fields;
    const primary = Array.isArray(fields) ? fields.find((one) => one?.is_primary_key) : undefined;
    if (fields === undefined || primary === undefined) {
      throw expected('BAD_RESPONSE', 'fields with a primary key', `what is told of ${label}`, told);
    }
    const dimOf = (name: string | undefined) => {
      const field = fields.find((one) => one.name === name);
      return Number(field?.type_params?.find(({ key }) => key === 'dim')?.value);
    };
    const all = full ?? fields.find(({ name }) => dimOf(name) > 0)?.name;
    const first = head === all ? undefined : head;
    for (const name of [all, first ?? all]) {
      if (dimOf(name) > 0) continue;
      throw new FunnelError(
        'NO_FIELD',
        `Expected the vector field ${name} in Milvus collection ${JSON.stringify(collection)}`,
      );
    }
    const { name: key, data_type: type } = primary;
    const kindOf = (name: string) => {
      const field = fields.find((one) => one.name === name)!;
      return VECTOR_KINDS[Number(field.dataType ?? field.data_type)] ?? 'float32';
    };
    return { key, isText: type !== 'Int64' && type !== 5, head: first, full: all!, dim: dimOf(first ?? all), kindOf };
  };
  const known = () => {
    described ??= shape().catch((error) => {
      described = undefined;
      throw error;
    });
    return described;
  };
  // Int64 as text, which the SDK hands on undamaged.
  const written = (id: Id) => (typeof id === 'string' ? id : String(id));
  return {
    async upsert(points) {
      const { key, isText, head: first, full: all, dim, kindOf } = await known();
      const odd = isText ? undefined : points.find(({ id }) => !isWhole(String(id)));
      if (odd !== undefined) throw expected('BAD_ID', `a whole number, which ${key} holds,`, 'an id', odd.id);
      for (const some of inParts(points)) {
        const data = some.map(({ id, vector, payload }) => {
          for (const name of [key, first, all]) {
            // A document that was read has its own id there.
            if (name === undefined || !Object.hasOwn(payload, name)) continue;
            if (name === key && String(payload[name]) === String(id)) continue;
            throw new FunnelError(
              'BAD_ARGUMENT',
              `Expected no ${name} in what is written of document ${id}: it is a field of Milvus collection ` +
                `${JSON.stringify(collection)}, for ${name === key ? 'the id' : 'a vector'}; use another key`,
            );
          }
          const values = Array.from(vector);
          const stored = (name: string, some: number[]) =>
            storedVector(some, kindOf(name), () => `${name} of document ${id}`);
          return {
            ...payload,
            [key]: written(id),
            [all]: stored(all, values),
            ...(first && { [first]: stored(first, values.slice(0, dim)) }),
          };
        });
        checkWritten(await asked(async () => accepted(await client.upsert({ collection_name, data }))), label);
      }
    },
    async delete(ids) {
      if (ids.length === 0) return;
      const { key, isText } = await known();
      const texts = isText ? ids.map((id) => JSON.stringify(String(id))) : ids.map(String).filter(isWhole);
      if (texts.length === 0) return; // a field of whole numbers has no other ids
      const filter = `${key} in [${texts.join(', ')}]`;
      checkWritten(await asked(async () => accepted(await client.delete({ collection_name, filter }))), label);
    },
  };
}

function checkWriter(options: WriterOptions, where: string): WriterOptions {
  checkKeys(options, ['collection', 'head', 'full'], `the options of ${where}`);
  const { collection, head, full } = options;
  if (typeof collection !== 'string' || collection === '') {
    throw expected('BAD_ARGUMENT', 'the name of a collection', 'collection', collection);
  }
  for (const [key, name] of Object.entries({ head, full })) {
    if (name !== undefined && typeof name !== 'string') throw expected('BAD_ARGUMENT', 'a name', key, name);
  }
  if (head !== undefined && full === undefined) throw expected('BAD_ARGUMENT', 'a name beside head', 'full', full);
  return { collection, ...(head !== undefined && { head }), ...(full !== undefined && { full }) };
}

function isWhole(text: string): boolean {
  return /^-?\d{1,19}$/.test(text);
}

function* inParts(points: readonly WrittenPoint[]): Generator<readonly WrittenPoint[]> {
  const size = Math.max(1, Math.floor(VALUES / (points[0]?.vector.length ?? 1)));
  for (let from = 0; from < points.length; from += size) yield points.slice(from, from + size);
}

/** The SDK answers most refusals as a status instead of throwing. */
// biome-ignore lint/suspicious/noExplicitAny: an answer of the SDK's
function accepted(answer: any): any {
  const no = refusal(answer?.status);
  if (no === undefined) return answer;
  const { reason } = answer.status;
  throw new Error(String(reason || no.code));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function askedOf(label: string): <T>(call: () => Promise<T>) => Promise<T> {
  const refused = (cause: unknown) => {
    const why = (cause as Error | undefined)?.message ?? String(cause);
    return new FunnelError('REFUSED', `${label} refused: ${why}`, { cause });
  };
  return (call) => guarded(label, {}, call, refused);
}
