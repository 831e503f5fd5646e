/**
 * A stand-in for Qdrant's REST server that answers every search with the same bytes. Like the real one it compresses when asked
 * to, in chunks, with Nagle's algorithm on: that is what makes a compressed answer wait for a delayed acknowledgement.
 */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

export interface StandIn {
  url: string;
  /** The accept-encoding of every search. */
  encodings: string[];
  close(): Promise<void>;
}

export interface RecordedOptions {
  count: number;
  dim: number;
  headDim: number;
  seed?: number;
}

/** An answer as Qdrant writes it: numbers in the shortest form that reads back as the same float32. */
export function recordedAnswer({ count, dim, seed = 5 }: RecordedOptions): string {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.fround((state / 0x7fffffff - 0.5) * 0.15);
  };
  const points = Array.from({ length: count }, (_, i) => {
    const vector =
      dim > 0 ? `,"vector":{"full":[${Array.from({ length: dim }, () => shortest(next())).join(',')}]}` : '';
    return `{"id":${i * 7 + 1},"version":${i},"score":${shortest(Math.fround(0.99 - i / 1000))}${vector}}`;
  });
  return `{"result":{"points":[${points.join(',')}]},"status":"ok","time":0.000521}`;
}

export async function standIn(
  answer: string,
  { dim, headDim }: Pick<RecordedOptions, 'dim' | 'headDim'>,
): Promise<StandIn> {
  const encodings: string[] = [];
  const plain = Buffer.from(answer);
  const zipped = gzipSync(plain);
  const vectors = {
    head: { size: headDim, distance: 'Cosine' },
    full: { size: Math.max(dim, headDim), distance: 'Cosine' },
  };
  const small: Record<string, unknown> = {
    GET: { config: { params: { vectors } }, points_count: 1000 },
    scroll: { points: [{ id: 1 }], next_page_offset: null },
  };
  const server = http.createServer({ noDelay: false }, async (request, response) => {
    for await (const _ of request);
    const search = request.url!.includes('/points/query');
    const type = { 'content-type': 'application/json' };
    if (!search) {
      const result = request.url!.includes('/points/scroll') ? small['scroll'] : small[request.method!];
      const body = JSON.stringify({ result, status: 'ok', time: 0 });
      response.writeHead(200, { ...type, 'content-length': Buffer.byteLength(body) }).end(body);
      return;
    }
    const encoding = String(request.headers['accept-encoding'] ?? '');
    encodings.push(encoding);
    if (!/gzip/.test(encoding)) {
      response.writeHead(200, { ...type, 'content-length': plain.length }).end(plain);
      return;
    }
    response.writeHead(200, { ...type, 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' });
    // The compressor hands over its header and first block as they come, as the server's does.
    const half = Math.max(10, zipped.length >> 1);
    response.write(zipped.subarray(0, half));
    setImmediate(() => response.end(zipped.subarray(half)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    encodings,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The same request as a bare keep-alive exchange: what the transport costs, whoever drives it. */
export function bareRequest(url: string, body: string): { run(): Promise<Buffer>; close(): void } {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const target = new URL('/collections/films/points/query', url);
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'accept-encoding': 'identity',
  };
  return {
    run: () =>
      new Promise((resolve, reject) => {
        const request = http.request(target, { method: 'POST', agent, headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => resolve(Buffer.concat(chunks)));
          response.on('error', reject);
        });
        request.on('error', reject);
        request.end(body);
      }),
    close: () => agent.destroy(),
  };
}

/** Medians of runs that take turns, so that a slow moment of the machine meets them all. */
export async function medians<Name extends string>(
  runs: Record<Name, () => Promise<unknown>>,
  rounds: number,
): Promise<Record<Name, number>> {
  const names = Object.keys(runs) as Name[];
  const times = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (let round = -Math.ceil(rounds / 4); round < rounds; round++) {
    for (const name of names) {
      const began = performance.now();
      await runs[name]();
      if (round >= 0) times.get(name)!.push(performance.now() - began);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times.get(name)!)])) as Record<Name, number>;
}

/** The bare request takes about so many milliseconds, at most, on two cores of its own. */
const QUIET_MS = 0.4;
const ATTEMPTS = 40;

/**
 * Milliseconds that `ours` takes more than `bare`. Other work on the machine only ever adds, so the quietest of several
 * medians is the one to believe; and where even the bare request is slow, because processors are shared, ours is slow in
 * proportion.
 *
 * @param wanted so little ends the search
 * @param patience attempts after the first forty, when what disturbs may have ended: they need only reach `bound`
 */
export async function leastOverhead(
  runs: Record<'bare' | 'ours', () => Promise<unknown>>,
  { wanted, bound = wanted, patience = 0 }: { wanted: number; bound?: number; patience?: number },
): Promise<{ over: number; bare: number; ours: number }> {
  // Fetch and client take some hundred calls until they are compiled.
  await medians(runs, 300);
  let best = { over: Number.POSITIVE_INFINITY, bare: 0, ours: 0 };
  for (let attempt = 0; attempt < ATTEMPTS + patience; attempt++) {
    if (best.over <= (attempt < ATTEMPTS ? wanted : bound)) break;
    if (attempt >= ATTEMPTS) await new Promise((resolve) => setTimeout(resolve, 250));
    const times = await medians(runs, 40);
    const over = (times.ours - times.bare) / Math.max(1, times.bare / QUIET_MS);
    if (over < best.over) best = { over, ...times };
  }
  return best;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

function shortest(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const text = String(Number(value.toPrecision(digits)));
    if (Math.fround(Number(text)) === value) return text;
  }
  return String(Number(value.toPrecision(9)));
}
