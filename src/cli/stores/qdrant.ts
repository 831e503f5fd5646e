/** A Qdrant collection as a place for rows: named vectors `head` and `full`, or those that the command line names. */
import { guarded } from '../../core/call.js';
import { expected, FunnelError } from '../../core/errors.js';
import { nameOfMetric } from '../../core/metrics.js';
import type { Id } from '../../core/types.js';
import { uuidOf } from '../../core/validate.js';
import { load } from '../../files/packages.js';
import { FunnelSearch } from '../../index.js';
import { likelyNames, listVectors, namesFor } from '../../query/source/layout.js';
import { countIn } from '../../sources/qdrant/answers.js';
import { tappedFetch } from '../../sources/qdrant/fetch-tap.js';
import { qdrantId } from '../../sources/qdrant/ids.js';
import { qdrantSource } from '../../sources/qdrant/index.js';
import { restDriver } from '../../sources/qdrant/rest.js';
import { QDRANT_METRICS } from '../../sources/qdrant/schema.js';
import { checkUpdated } from '../../sources/qdrant/updated.js';
import { stateFileOf } from '../state.js';
import { foundBy } from './found.js';
import {
  type CollectionShape,
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

type Package = typeof import('@qdrant/js-client-rest');
type Client = InstanceType<Package['QdrantClient']>;

const USUAL: NamedVectors = { head: 'head', full: 'full' };
/** Milliseconds for what a server answers at once. */
const ASKED_MS = 30_000;
/** Milliseconds for any other call: the client's own limit is five minutes. */
const CALL_MS = 120_000;

/** @param url of the REST interface; the key is in QDRANT_API_KEY */
export class QdrantPlace implements Place {
  readonly kind = 'qdrant';
  readonly label: string;
  readonly stateFile: string;
  readonly vectors: NamedVectors | undefined;
  readonly usualVectors = USUAL;
  #client: Client | undefined;

  constructor(
    private readonly url: string,
    private readonly collection: string,
    private readonly env: Readonly<Record<string, string | undefined>>,
    private readonly more: {
      vectors?: NamedVectors | undefined;
      missingVectors?: 'error' | 'skip' | undefined;
    } = {},
  ) {
    this.vectors = more.vectors;
    this.label = `Qdrant collection ${JSON.stringify(collection)} at ${url}`;
    this.stateFile = stateFileOf(env, 'qdrant', url, collection);
  }

  async #connect(): Promise<Client> {
    if (this.#client === undefined) {
      const { QdrantClient } = await load<Package>('@qdrant/js-client-rest');
      const apiKey = this.env['QDRANT_API_KEY'];
      const options = { url: this.url, checkCompatibility: false, timeout: CALL_MS };
      this.#client = new QdrantClient({ ...options, ...(apiKey && { apiKey }) });
    }
    return this.#client;
  }

  async rows(): Promise<number | undefined> {
    const client = await this.#connect();
    const answer = await soon(client, this.label, async (signal) => {
      const { value } = await tappedFetch(() => client.collectionExists(this.collection), signal);
      return value as { exists?: unknown } | null;
    });
    if (typeof answer?.exists !== 'boolean') {
      throw expected('BAD_RESPONSE', 'whether it is there', `what is told of ${this.label}`, answer);
    }
    return answer.exists ? countOf(client, this.collection, this.label) : undefined;
  }

  async create({ dim, head, metric, vectors: names = USUAL }: Schema): Promise<StoreWriter> {
    const client = await this.#connect();
    const distance = nameOfMetric(QDRANT_METRICS, metric, 'Qdrant');
    const vectors = inPoints(names, { size: head!, distance }, { size: dim, distance });
    const made: unknown = await asked(client, this.label, () => client.createCollection(this.collection, { vectors }));
    if (made !== true) throw expected('BAD_RESPONSE', 'true', `the answer to making ${this.label}`, made);
    return new QdrantWriter(client, this.collection, this.label, { dim, head: head!, names });
  }

  async open({ dim, head, metric, vectors: names = USUAL }: Schema): Promise<StoreWriter> {
    const client = await this.#connect();
    const has = await qdrantSource(client, { collection: this.collection, ...names }).info();
    if (has.dim !== dim || has.headDim !== head) {
      const what = `${dim} dims and a head of ${head} for ${this.label} but it has ${has.dim} and ${has.headDim}`;
      throw new FunnelError('BAD_DIMS', `Expected ${what}`);
    }
    if (has.metric !== metric) {
      const what = `metric ${has.metric}, as ${this.label} has,`;
      throw new FunnelError('BAD_ARGUMENT', `Expected ${what} but received ${metric}`);
    }
    return new QdrantWriter(client, this.collection, this.label, { dim, head, names });
  }

  async shape(): Promise<CollectionShape> {
    const client = await this.#connect();
    const vectors = await this.#names(client, undefined);
    const {
      dim,
      headDim: head,
      metric,
    } = await qdrantSource(client, {
      collection: this.collection,
      ...vectors,
    }).info();
    return { dim, head, metric, vectors };
  }

  /** As the command line has them, or the state; else those of ingest, where they are there; else the only one. */
  async #names(client: Client, known: NamedVectors | undefined): Promise<NamedVectors> {
    if (this.vectors ?? known) return (this.vectors ?? known)!;
    const { dense } = await soon(client, this.label, (signal) => restDriver(client).vectors(this.collection, signal));
    if (dense.has(USUAL.head) && dense.has(USUAL.full)) return USUAL;
    const dims = new Map([...dense].filter(([, { multi }]) => !multi).map(([name, { dim }]) => [name, dim]));
    if (dims.size > 1) {
      const { head, full } = likelyNames(dims);
      const line = `--head ${JSON.stringify(head)} --full ${JSON.stringify(full)}`;
      const has = `which has several vectors: ${listVectors(dims)}`;
      throw new FunnelError('BAD_ARGUMENT', `Expected --head and --full for ${this.label}, ${has}. Write ${line}`);
    }
    return namesFor({}, dims, this.label) as NamedVectors;
  }

  async remove(): Promise<void> {
    const client = await this.#connect();
    await asked(client, this.label, () => client.deleteCollection(this.collection));
  }

  async searcher({ vectors: known }: Parameters<Place['searcher']>[0] = {}): Promise<StoreSearcher> {
    const client = await this.#connect();
    const vectors = await this.#names(client, known);
    const { missingVectors = 'error' } = this.more;
    const source = qdrantSource(client, { collection: this.collection, ...vectors, missingVectors });
    const { dim, headDim, metric } = await source.info();
    const search = new FunnelSearch({ source, rescore: true }); // scores that people compare are the same of every store
    return {
      dim,
      headDim,
      metric,
      ...(vectors !== USUAL && { vectors }),
      search,
      source,
      query: (request: Request): Promise<StoreAnswer> => foundBy(search, request),
      count: async () => (await this.rows()) ?? 0,
      close: () => this.close(),
    };
  }

  async close(): Promise<void> {
    this.#client = undefined;
  }
}

class QdrantWriter implements StoreWriter {
  constructor(
    private readonly client: Client,
    private readonly collection: string,
    private readonly label: string,
    private readonly shape: { dim: number; head: number; names: NamedVectors },
  ) {}

  check(id: Id, payload: Record<string, unknown>): void {
    checkPlain(payload, this.label);
    // A number as text is a number to whoever asks for text since it is so large.
    const number = typeof id === 'bigint' || (typeof id === 'string' && /^[1-9]\d{15,19}$/.test(id));
    if (number && BigInt(id) > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw expected('BAD_ID', 'an integer within 2^53 − 1 over REST (a UUID in place of a larger one)', 'an id', id);
    }
    if (typeof id === 'string' ? uuidOf(id) !== undefined : id >= 0) return;
    const what = 'an integer of 0 or more or a UUID, as Qdrant takes them (without --id rows get numbers),';
    throw expected('BAD_ID', what, 'an id', id);
  }

  async write({ ids, vectors, payloads }: RowBatch): Promise<{ replaced: undefined }> {
    const { dim, head, names } = this.shape;
    const some = rowsOfACall(dim + head);
    for (let from = 0; from < ids.length; from += some) {
      const points = ids.slice(from, from + some).map((id, i) => {
        const full = Array.from(vectors.subarray((from + i) * dim, (from + i + 1) * dim));
        const vector = inPoints(names, full.slice(0, head), full);
        return { id: qdrantId(id, 'number', 'an id') as number | string, vector, payload: payloads[from + i]! };
      });
      const call = () => this.client.upsert(this.collection, { wait: true, points });
      checkUpdated(await asked(this.client, this.label, call), this.label);
    }
    return { replaced: undefined };
  }

  async finish(): Promise<void> {}

  async count(): Promise<number> {
    return countOf(this.client, this.collection, this.label);
  }

  async close(): Promise<void> {}
}

/** Takes a server long of very many rows. @throws FunnelError BAD_RESPONSE */
function countOf(client: Client, collection: string, label: string): Promise<number> {
  return asked(client, label, async () => countIn(await client.count(collection, { exact: true }), collection));
}

/** By name, as points and collections have what belongs to vectors; of one un-named vector as it is. */
function inPoints<T>({ head: headName, full: fullName }: NamedVectors, head: T, full: T): T | Record<string, T> {
  if (headName !== fullName) return { [headName]: head, [fullName]: full };
  return fullName === '' ? full : { [fullName]: full };
}

async function asked<T>(client: Client, label: string, call: () => Promise<T>): Promise<T> {
  const began = performance.now();
  try {
    return await call();
  } catch (error) {
    throw error instanceof FunnelError ? error : restDriver(client).classify(error, label, performance.now() - began);
  }
}

/** A question, which a server that hangs may not keep a command waiting with: its signal ends the request, too. */
function soon<T>(client: Client, label: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return guarded(label, { timeout: ASKED_MS }, call, (error) => restDriver(client).classify(error, label));
}
