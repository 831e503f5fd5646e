/** Qdrant over @qdrant/js-client-rest. */
import { FunnelError } from '../errors.js';
import { messageOf, socketCode } from './call.js';
import { type AnyPoint, pointsOf } from './from-qdrant.js';
import { type Lift, liftVectors, parseAnswer } from './json-lift.js';
import { type QdrantDriver, type QdrantQuery, type QdrantVectors, qdrantRefusal } from './qdrant-driver.js';

/** What is used of the REST client, so that the types of this package need no client installed. */
export interface QdrantRestClient {
  getCollection(collection: string): Promise<unknown>;
  scroll(collection: string, args: { limit: number; with_payload: boolean; with_vector: boolean }): Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types differ from version to version
  query(collection: string, args: any): Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types differ from version to version
  api?: any;
}

/**
 * Node's fetch asks for gzip, and a compressed answer of more than about a kilobyte comes in chunks that meet a 40 ms
 * delayed acknowledgement. So every call asks for the plain bytes, through the client's typed API: its functions take a
 * fetch `init`, and unlike the package's `withHeaders` that works whichever copy (ESM or CommonJS) made the client.
 */
const INIT = { headers: { 'accept-encoding': 'identity' } };

type ApiCall = (payload: object, init?: object) => Promise<{ data?: { result?: unknown } }>;

export function restDriver(client: QdrantRestClient): QdrantDriver {
  /** Undefined where a later client has no such function any more; its `query()` then still works. */
  const typedApi = (name: string): ApiCall | undefined => {
    const call = typeof client.api === 'function' ? client.api()?.[name] : undefined;
    return typeof call === 'function' ? call : undefined;
  };

  return {
    idKind: 'number',

    async vectors(collection) {
      const get = typedApi('getCollection');
      const answer = get
        ? (await get({ collection_name: collection }, INIT)).data?.result
        : await client.getCollection(collection);
      return restVectors(answer);
    },

    async somePoint(collection) {
      const answer = await client.scroll(collection, { limit: 1, with_payload: false, with_vector: false });
      return pointsOf(answer)[0] as AnyPoint | undefined;
    },

    both: (a, b) => ({ must: [a, b] }),

    async query(request, signal, fast) {
      const { lifts } = request;
      const body = {
        query: Array.from(request.vector),
        using: request.using === '' ? undefined : request.using,
        limit: request.limit,
        filter: request.filter,
        params: request.exact ? { ...(request.params as object), exact: true } : request.params,
        with_payload: Array.isArray(request.withPayload) ? [...request.withPayload] : request.withPayload,
        with_vector:
          lifts.length === 0 ? false : lifts.some((lift) => lift.name === '') ? true : lifts.map((lift) => lift.name),
      };
      const queryPoints = typedApi('queryPoints');
      if (!queryPoints) {
        const points = pointsOf(await client.query(request.collection, body)) as AnyPoint[];
        return { points, at: performance.now() };
      }
      const call = () => queryPoints({ collection_name: request.collection, ...body }, INIT);
      if (!fast) {
        const { data } = await call();
        return { points: pointsOf(data?.result) as AnyPoint[], at: performance.now() };
      }
      const { bytes, value } = await withBytes(call, signal);
      const at = performance.now();
      if (!bytes) return { points: pointsOf(value.data?.result) as AnyPoint[], at };
      return { ...decode(bytes, request), at };
    },

    classify: restError,
  };
}

/** The answer's bytes as points, their vectors already packed where the lift could read them. */
function decode(bytes: Uint8Array, { lifts, limit }: QdrantQuery): { points: AnyPoint[]; packed?: Float32Array[] } {
  if (lifts.length === 0) return { points: parsedPoints(bytes), packed: [] };
  // A number takes two bytes of text at least, so a limit far beyond the collection claims no memory.
  const dims = lifts.reduce((sum, lift) => sum + lift.dim, 0);
  const most = Math.min(limit, Math.ceil(bytes.length / (2 * dims)));
  const filled: Lift[] = lifts.map(({ name, dim }) => ({ name, dim, into: new Float32Array(most * dim), count: 0 }));
  const lifted = liftVectors(bytes, filled) as { result?: { points?: AnyPoint[] } } | undefined;
  const points = lifted?.result?.points;
  if (Array.isArray(points) && filled.every((lift) => lift.count === points.length)) {
    return { points, packed: filled.map((lift) => lift.into.subarray(0, points.length * lift.dim)) };
  }
  return { points: parsedPoints(bytes) };
}

function parsedPoints(bytes: Uint8Array): AnyPoint[] {
  const { result } = parseAnswer(new TextDecoder().decode(bytes)) as { result?: unknown };
  return pointsOf(result) as AnyPoint[];
}

/**
 * Runs one call of the client and takes the body of its answer before the client parses it. The client looks up the global
 * fetch while the call is being made, synchronously, so the stand-in is in place for that moment only and no other code can
 * meet it. A client that fetches later, or by other means, is simply not tapped, and its own answer is used.
 */
async function withBytes<T>(call: () => Promise<T>, signal: AbortSignal): Promise<{ value: T; bytes?: Uint8Array }> {
  const real = globalThis.fetch;
  let bytes: Uint8Array | undefined;
  const tapped = async (input: string | URL | Request, init: RequestInit = {}) => {
    const { signal: either, release } = eitherOf(init.signal, signal);
    let response: Response;
    try {
      response = await real(input, { ...init, signal: either });
      if (response.status !== 200) return response;
      bytes = new Uint8Array(await response.arrayBuffer());
    } finally {
      release();
    }
    // As much of a Response as the client looks at; a real one costs a tenth of a millisecond.
    const { ok, status, statusText, headers, url } = response;
    return {
      ok,
      status,
      statusText,
      headers,
      url,
      text: async () => '{}',
      json: async () => ({}),
    } as unknown as Response;
  };
  let answer: Promise<T>;
  try {
    globalThis.fetch = tapped;
    answer = call();
  } finally {
    globalThis.fetch = real;
  }
  const value = await answer;
  return { value, bytes };
}

/** Fires when one of the two does, until released. (AbortSignal.any keeps its listeners for as long as the signals live.) */
function eitherOf(a: AbortSignal | null | undefined, b: AbortSignal): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const releases: (() => void)[] = [];
  for (const one of [a, b]) {
    if (!one) continue;
    const abort = () => controller.abort(one.reason);
    if (one.aborted) abort();
    one.addEventListener('abort', abort, { once: true });
    releases.push(() => one.removeEventListener('abort', abort));
  }
  return {
    signal: controller.signal,
    release: () => {
      for (const release of releases) release();
    },
  };
}

/** `params.vectors` is one un-named vector's, or an object of them. */
function restVectors(answer: unknown): QdrantVectors {
  type Params = { size?: unknown; distance?: unknown; multivector_config?: unknown };
  const config = (answer as { config?: { params?: { vectors?: unknown } } } | undefined)?.config?.params?.vectors;
  if (typeof config !== 'object' || config === null) return new Map();
  const entries =
    typeof (config as Params).size === 'number'
      ? [['', config as Params] as const]
      : Object.entries<Params>(config as never);
  return new Map(
    entries.map(([name, { size, distance, multivector_config }]) => [
      name,
      { dim: Number(size), distance: String(distance), multi: Boolean(multivector_config) },
    ]),
  );
}

function restError(error: unknown, where: string): FunnelError {
  const { name, status, data } = (error ?? {}) as {
    name?: string;
    status?: unknown;
    data?: { status?: { error?: unknown } };
  };
  if (typeof status === 'number') {
    const reason = typeof data?.status?.error === 'string' ? data.status.error : messageOf(error);
    return qdrantRefusal(where, `HTTP ${status}: ${reason}`, status === 404, error);
  }
  if (name === 'QdrantClientTimeoutError') {
    return new FunnelError('TIMEOUT', `${where} gave no answer within the client's own timeout`, { cause: error });
  }
  const code = socketCode(error);
  if (code !== undefined || (error instanceof TypeError && error.message === 'fetch failed')) {
    return new FunnelError('UNREACHABLE', `Cannot reach ${where} (${code ?? 'fetch failed'})`, { cause: error });
  }
  if (name === 'QdrantClientResourceExhaustedError') {
    return new FunnelError('REFUSED', `${where} refused the request: ${messageOf(error)}`, { cause: error });
  }
  return new FunnelError(
    'BAD_RESPONSE',
    `Expected a readable answer from ${where} but the client failed: ${messageOf(error)}`,
    {
      cause: error,
    },
  );
}
