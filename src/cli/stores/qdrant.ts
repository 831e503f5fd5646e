/** A Qdrant collection as a place for rows: named vectors `head` and `full`. */
import { expected, FunnelError } from '../../errors.js';
import { FunnelSearch } from '../../index.js';
import { qdrantSource } from '../../sources/qdrant.js';
import { restDriver } from '../../sources/qdrant-rest.js';
import type { Id, Metric } from '../../types.js';
import { load } from '../packages.js';
import { stateFileOf } from '../state.js';
import { foundBy } from './found.js';
import {
  type Batch,
  checkPlain,
  type Found,
  type Place,
  type Request,
  rowsOfACall,
  type Schema,
  type Searcher,
  type Target,
} from './store.js';

type Package = typeof import('@qdrant/js-client-rest');
type Client = InstanceType<Package['QdrantClient']>;

const HEAD = 'head';
const FULL = 'full';
const DISTANCES = { cosine: 'Cosine', dot: 'Dot', euclid: 'Euclid' } as const satisfies Record<Metric, string>;
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/** @param url of the REST interface; the key is in QDRANT_API_KEY */
export class QdrantPlace implements Place {
  readonly kind = 'qdrant';
  readonly label: string;
  readonly stateFile: string;
  #client: Client | undefined;

  constructor(
    private readonly url: string,
    private readonly collection: string,
    private readonly env: Readonly<Record<string, string | undefined>>,
  ) {
    this.label = `Qdrant collection ${JSON.stringify(collection)} at ${url}`;
    this.stateFile = stateFileOf(env, 'qdrant', url, collection);
  }

  async #connect(): Promise<Client> {
    if (this.#client === undefined) {
      const { QdrantClient } = await load<Package>('@qdrant/js-client-rest');
      const apiKey = this.env['QDRANT_API_KEY'];
      this.#client = new QdrantClient({ url: this.url, checkCompatibility: false, ...(apiKey && { apiKey }) });
    }
    return this.#client;
  }

  async rows(): Promise<number | undefined> {
    const client = await this.#connect();
    return asked(client, this.label, async () => {
      const { exists } = await client.collectionExists(this.collection);
      return exists ? (await client.count(this.collection, { exact: true })).count : undefined;
    });
  }

  async create({ dim, head, metric }: Schema): Promise<Target> {
    const client = await this.#connect();
    const distance = DISTANCES[metric];
    await asked(client, this.label, () =>
      client.createCollection(this.collection, {
        vectors: { [HEAD]: { size: head!, distance }, [FULL]: { size: dim, distance } },
      }),
    );
    return new QdrantTarget(client, this.collection, this.label, { dim, head: head! });
  }

  async open({ dim, head }: Schema): Promise<Target> {
    const client = await this.#connect();
    const has = await asked(client, this.label, () => client.getCollection(this.collection));
    const vectors = has.config.params.vectors as Record<string, { size?: number } | undefined> | undefined;
    const [headSize, size] = [vectors?.[HEAD]?.size, vectors?.[FULL]?.size];
    if (size === dim && headSize === head) {
      return new QdrantTarget(client, this.collection, this.label, { dim, head: head! });
    }
    const what = `${dim} dims and a head of ${head} for ${this.label} but it has ${size} and ${headSize}`;
    throw new FunnelError('BAD_DIMS', `Expected ${what}`);
  }

  async remove(): Promise<void> {
    const client = await this.#connect();
    await asked(client, this.label, () => client.deleteCollection(this.collection));
  }

  async searcher(): Promise<Searcher> {
    const client = await this.#connect();
    const source = qdrantSource(client, { collection: this.collection, head: HEAD, full: FULL });
    const { dim, metric } = await source.info();
    const search = new FunnelSearch({ source });
    return {
      dim,
      metric,
      search,
      source,
      query: (request: Request): Promise<Found> => foundBy(search, request),
      count: async () => (await this.rows()) ?? 0,
      close: () => this.close(),
    };
  }

  async close(): Promise<void> {
    this.#client = undefined;
  }
}

class QdrantTarget implements Target {
  constructor(
    private readonly client: Client,
    private readonly collection: string,
    private readonly label: string,
    private readonly dims: { dim: number; head: number },
  ) {}

  check(id: Id, payload: Record<string, unknown>): void {
    checkPlain(payload, this.label);
    if (typeof id === 'number' ? id >= 0 : UUID.test(String(id))) return;
    const what = 'an integer of 0 or more or a UUID, as Qdrant takes them (without --id rows get numbers),';
    throw expected('BAD_ID', what, 'an id', id);
  }

  async write({ ids, vectors, payloads }: Batch): Promise<{ replaced: undefined }> {
    const { dim, head } = this.dims;
    const some = rowsOfACall(dim + head);
    for (let from = 0; from < ids.length; from += some) {
      const points = ids.slice(from, from + some).map((id, i) => {
        const full = Array.from(vectors.subarray((from + i) * dim, (from + i + 1) * dim));
        const vector = { [HEAD]: full.slice(0, head), [FULL]: full };
        return { id: id as number | string, vector, payload: payloads[from + i]! };
      });
      await asked(this.client, this.label, () => this.client.upsert(this.collection, { wait: true, points }));
    }
    return { replaced: undefined };
  }

  async finish(): Promise<void> {}

  async count(): Promise<number> {
    const { client, label } = this;
    return (await asked(client, label, () => client.count(this.collection, { exact: true }))).count;
  }

  async close(): Promise<void> {}
}

async function asked<T>(client: Client, label: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw error instanceof FunnelError ? error : restDriver(client).classify(error, label);
  }
}
