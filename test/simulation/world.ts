/**
 * The world that a simulation's processes agree on: a row is made of its version alone, so that anybody can judge any
 * answer.
 */
import { Random } from '../random.js';

export const DIM = 64;
const TOPICS = 200;

export interface Payload {
  version: number;
  n: number;
  group: string;
  /** The simulated hour at which it expires. */
  until: number;
  text: string;
}

export const NEVER = 1e6;

let topics: Float32Array[] | undefined;

/** Around a topic; early dims are larger. */
export function vectorOf(version: number): Float32Array {
  if (topics === undefined) {
    const random = new Random(7);
    topics = Array.from({ length: TOPICS }, () => random.vector(DIM));
  }
  const random = new Random(Math.imul(version, 0x9e3779b1));
  const topic = topics[random.int(0, TOPICS - 1)]!;
  return topic.map((value, j) => (value + 0.8 * (random.next() + random.next() - 1)) * Math.exp((-2 * j) / DIM));
}

export function payloadOf(version: number, until: number): Payload {
  return { version, n: version % 50, group: `g${version % 16}`, until, text: `row ${version} `.repeat(6) };
}

export function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let j = 0; j < a.length; j++) {
    dot += a[j]! * b[j]!;
    aa += a[j]! * a[j]!;
    bb += b[j]! * b[j]!;
  }
  return dot / Math.sqrt(aa * bb);
}

export interface Hit {
  id: unknown;
  score: number;
  payload?: Payload;
}

/** A fault in hits for this query, at whatever moment; undefined when there is none. */
export function wrongHits(vector: Float32Array, hits: readonly Hit[], passes: (payload: Payload) => boolean) {
  const seen = new Set<unknown>();
  let before = Number.POSITIVE_INFINITY;
  for (const [i, { id, score, payload }] of hits.entries()) {
    if (seen.has(id)) return `id ${id} comes twice`;
    seen.add(id);
    if (payload === undefined) return `id ${id} has no payload`;
    if (score > before) return `id ${id} comes behind a worse one`;
    before = score;
    if (!passes(payload)) return `id ${id} does not pass the filter: ${JSON.stringify(payload)}`;
    // Some of many hits are checked, so that the event loop is the index's.
    if (i >= 50 && i % Math.ceil(hits.length / 50) !== 0) continue;
    const wanted = cosine(vector, vectorOf(payload.version));
    if (Math.abs(wanted - score) > 1e-9) return `id ${id} of version ${payload.version} scores ${score}, not ${wanted}`;
  }
  return undefined;
}

/** Times of calls since the last look, in milliseconds. */
export class Times {
  #times: number[] = [];

  async of<T>(run: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const result = await run();
    this.#times.push(performance.now() - began);
    return result;
  }

  take(): TimesSummary | undefined {
    const times = this.#times.sort((a, b) => a - b);
    this.#times = [];
    if (times.length === 0) return undefined;
    const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))]!;
    return { calls: times.length, p50: at(0.5), p99: at(0.99), max: times.at(-1)! };
  }
}

export interface TimesSummary {
  calls: number;
  p50: number;
  p99: number;
  max: number;
}

/** The resources of a process, now. */
export interface Usage {
  rss: number;
  /** Bytes of JavaScript objects, and of buffers, those for row images included. */
  heap: number;
  buffers: number;
  /** Threads and descriptors; undefined where there is no /proc. */
  threads?: number;
  files?: number;
}
