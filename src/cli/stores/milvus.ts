/** A Milvus collection as a place for rows: a head and a full field, as the tutorial has them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, reachReason } from '../../core/call.js';
import { FunnelError } from '../../core/errors.js';
import { nameOfMetric } from '../../core/metrics.js';
import type { Id } from '../../core/types.js';
import { load } from '../../files/packages.js';
import { FunnelSearch } from '../../index.js';
import { refused } from '../../sources/milvus/errors.js';
import { refusal } from '../../sources/milvus/from-milvus.js';
import { type MilvusSourceOptions, milvusSource } from '../../sources/milvus/index.js';
import { MILVUS_METRICS } from '../../sources/milvus/schema.js';
import { storedVector, VECTOR_KINDS, type VectorKind } from '../../sources/milvus/vector-types.js';
import { checkWritten } from '../../sources/milvus/written.js';
import { stateFileOf } from '../state.js';
import { foundBy } from './found.js';
import {
  checkIdBytes,
  checkNames,
  checkPlain,
  type NamedVectors,
  type Place,
  type Request,
  type RowBatch,
  rowsOfACall,
  type Schema,
  type StoreAnswer,
  type StoreSearcher,
  type StoreWriter,
} from './store.js';

type Sdk = typeof import('@zilliz/milvus2-sdk-node');
type Client = InstanceType<Sdk['MilvusClient']>;

const ID = 'id';
const USUAL: NamedVectors = { head: 'head_embedding', full: 'embedding' };
/** Bytes of an id that is text. */
const LONGEST_ID = 512;
const LOAD_MS = 600_000;

/** @param address host:port; the token is in MILVUS_TOKEN */
export class MilvusPlace implements Place {
  readonly kind = 'milvus';
  readonly label: string;
  readonly stateFile: string;
  readonly usualVectors = USUAL;
  #connected: Promise<{ client: Client; sdk: Sdk }> | undefined;

  constructor(
    private readonly address: string,
    private readonly collection: string,
    private readonly env: Readonly<Record<string, string | undefined>>,
    readonly vectors?: NamedVectors,
  ) {
    this.label = `Milvus collection ${JSON.stringify(collection)} at ${address}`;
    this.stateFile = stateFileOf(env, 'milvus', address, collection);
  }

  #connect(): Promise<{ client: Client; sdk: Sdk }> {
    this.#connected ??= this.#newClient();
    return this.#connected;
  }

  async #newClient(): Promise<{ client: Client; sdk: Sdk }> {
    const sdk = await load<Sdk>('@zilliz/milvus2-sdk-node');
    const token = this.env['MILVUS_TOKEN'];
    const client = new sdk.MilvusClient({ address: this.address, ...(token && { token }) });
    try {
      await client.connectPromise;
    } catch (error) {
      await client.closeConnection().catch(() => {});
      throw classified(error, `Milvus at ${this.address}`);
    }
    return { client, sdk };
  }

  async rows(): Promise<number | undefined> {
    const { client } = await this.#connect();
    const collection_name = this.collection;
    return asked(this.label, async () => {
      const has = await client.hasCollection({ collection_name });
      accept(has.status, this.label);
      if (!has.value) return undefined;
      return countOf(client, collection_name, this.label);
    });
  }

  async create({ dim, head, metric, idKind, vectors: names = USUAL }: Schema): Promise<StoreWriter> {
    const { client, sdk } = await this.#connect();
    const { DataType } = sdk;
    const collection_name = this.collection;
    const metric_type = nameOfMetric(MILVUS_METRICS, metric, 'Milvus');
    const id =
      idKind === 'string'
        ? { name: ID, data_type: DataType.VarChar, max_length: LONGEST_ID }
        : { name: ID, data_type: DataType.Int64 };
    await asked(this.label, async () => {
      accept(
        await client.createCollection({
          collection_name,
          enable_dynamic_field: true,
          fields: [
            { ...id, is_primary_key: true, autoID: false },
            ...(names.head === names.full
              ? []
              : [{ name: names.head, data_type: DataType.FloatVector, dim: head! } as const]),
            { name: names.full, data_type: DataType.FloatVector, dim },
          ],
        }),
        this.label,
      );
      for (const field_name of new Set([names.head, names.full])) {
        const index = { collection_name, field_name, index_type: 'FLAT', metric_type };
        accept(await client.createIndex(index), this.label);
      }
    });
    return new MilvusWriter(client, collection_name, this.label, { dim, head: head!, names });
  }

  async open({ dim, head, vectors: names = USUAL }: Schema): Promise<StoreWriter> {
    const { client } = await this.#connect();
    const source = milvusSource(client, { collection: this.collection, ...names });
    const has = await source.info();
    if (has.dim === dim && has.headDim === head) {
      const { schema } = await asked(this.label, () => client.describeCollection({ collection_name: this.collection }));
      const kinds = new Map(schema?.fields?.map(({ name, dataType }) => [name, VECTOR_KINDS[Number(dataType)]]));
      return new MilvusWriter(client, this.collection, this.label, { dim, head: head!, names, kinds });
    }
    const what = `${dim} dims and a head of ${head} for ${this.label} but it has ${has.dim} and ${has.headDim}`;
    throw new FunnelError('BAD_DIMS', `Expected ${what}`);
  }

  async remove(): Promise<void> {
    const { client } = await this.#connect();
    await asked(this.label, async () =>
      accept(await client.dropCollection({ collection_name: this.collection }), this.label),
    );
  }

  /** As the command line has them, or the state; else those of ingest; undefined where it has others. */
  async #names(client: Client, known: NamedVectors | undefined): Promise<NamedVectors | undefined> {
    if (this.vectors ?? known) return this.vectors ?? known;
    const { schema } = await asked(this.label, () => client.describeCollection({ collection_name: this.collection }));
    const fields = schema?.fields?.map(({ name }) => name) ?? [];
    // A collection that is not there gets the usual names, since the source then says that it is missing.
    return fields.length === 0 || (fields.includes(USUAL.head) && fields.includes(USUAL.full)) ? USUAL : undefined;
  }

  async searcher({ vectors: known }: Parameters<Place['searcher']>[0] = {}): Promise<StoreSearcher> {
    const { client } = await this.#connect();
    const vectors = await this.#names(client, known);
    const options = { collection: this.collection, ...vectors, scalars: 'ask' };
    const source = milvusSource(client, options as MilvusSourceOptions);
    const { dim, headDim, metric } = await source.info();
    const search = new FunnelSearch({ source });
    return {
      dim,
      headDim,
      metric,
      ...(vectors !== USUAL && { vectors }),
      search,
      source,
      query: (request: Request): Promise<StoreAnswer> => foundBy(search, request),
      count: () => asked(this.label, () => countOf(client, this.collection, this.label)),
      close: () => this.close(),
    };
  }

  async close(): Promise<void> {
    const connected = await this.#connected?.catch(() => undefined);
    this.#connected = undefined;
    await connected?.client.closeConnection();
  }
}

class MilvusWriter implements StoreWriter {
  constructor(
    private readonly client: Client,
    private readonly collection: string,
    private readonly label: string,
    private readonly shape: {
      dim: number;
      head: number;
      names: NamedVectors;
      /** By field; FloatVector where nothing is said. */
      kinds?: ReadonlyMap<string, VectorKind | undefined>;
    },
  ) {}

  check(id: Id, payload: Record<string, unknown>): void {
    const { head, full } = this.shape.names;
    checkIdBytes(id, LONGEST_ID);
    checkNames(payload, [...new Set([ID, head, full])], this.label);
    checkPlain(payload, this.label);
  }

  async write({ ids, vectors, payloads }: RowBatch): Promise<{ replaced: undefined }> {
    const { dim, head, names, kinds } = this.shape;
    const some = rowsOfACall(dim + head);
    for (let from = 0; from < ids.length; from += some) {
      const data = ids.slice(from, from + some).map((id, i) => {
        const full = Array.from(vectors.subarray((from + i) * dim, (from + i + 1) * dim));
        const stored = (name: string, values: number[]) =>
          storedVector(values, kinds?.get(name) ?? 'float32', () => `${name} of row ${id}`);
        // Int64 as text, which the SDK hands on undamaged.
        return {
          ...payloads[from + i],
          [ID]: typeof id === 'number' ? String(id) : id,
          [names.head]: stored(names.head, full.slice(0, head)),
          [names.full]: stored(names.full, full),
        };
      });
      await asked(this.label, async () => {
        const answer = await this.client.upsert({ collection_name: this.collection, data: data as never });
        accept(answer.status, this.label);
        checkWritten(answer, this.label);
      });
    }
    return { replaced: undefined };
  }

  async finish(onProgress: (step: string, share: number) => void): Promise<void> {
    const { client, label, collection: collection_name } = this;
    await asked(label, async () => {
      onProgress('flush', 0);
      await client.flushSync({ collection_names: [collection_name] });
      // Milvus Lite searches several times faster in what it has loaded from disk.
      await client.releaseCollection({ collection_name });
      accept(await client.loadCollectionAsync({ collection_name }), label);
      for (const end = performance.now() + LOAD_MS; ; await sleep(100)) {
        const { status, progress } = await client.getLoadingProgress({ collection_name });
        accept(status, label);
        onProgress('load', Number(progress) / 100);
        if (Number(progress) >= 100) return;
        if (performance.now() > end) {
          throw new FunnelError('TIMEOUT', `Expected ${label} to be loaded within ${LOAD_MS / 60_000} minutes`);
        }
      }
    });
  }

  count(): Promise<number> {
    return asked(this.label, () => countOf(this.client, this.collection, this.label));
  }

  async close(): Promise<void> {}
}

async function countOf(client: Client, collection_name: string, label: string): Promise<number> {
  const { status, data } = await client.count({ collection_name });
  accept(status, label);
  return Number(data);
}

/** The SDK answers most refusals as a status instead of throwing. */
function accept(status: unknown, label: string): void {
  const no = refusal(status);
  if (no) throw refused(label, (status as { code?: number }).code || no.code, no.reason, status);
}

async function asked<T>(label: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw classified(error, label);
  }
}

/** gRPC's codes for "nobody there" and "too late". */
function classified(error: unknown, label: string): FunnelError {
  if (error instanceof FunnelError) return error;
  const { code } = (error ?? {}) as { code?: unknown };
  if (code === 14) {
    return new FunnelError('UNREACHABLE', `${label} cannot be reached (${reachReason(error)})`, { cause: error });
  }
  if (code === 4) return new FunnelError('TIMEOUT', `${label} did not answer in time`, { cause: error });
  return new FunnelError('REFUSED', `${label} failed (${messageOf(error)})`, { cause: error });
}
