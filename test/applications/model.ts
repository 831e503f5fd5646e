/** An application beside the model of what it was told is written: default options, and sizes for CI or for a night. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';

/** FUNNELVEC_APPLICATIONS=full: the sizes at which applications run. */
export const FULL = process.env['FUNNELVEC_APPLICATIONS'] === 'full';

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

export function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-applications-'));
  folders.push(folder);
  return join(folder, 'index');
}

export interface Row {
  vector: Float32Array;
  payload: { n: number; text: string };
}

/** The rows and writes that were acknowledged. */
export class Model {
  readonly rows = new Map<number, Row>();
  readonly random = new Random(SEED);
  #writes = 0;

  constructor(
    readonly index: FunnelIndex<unknown>,
    readonly textLength = 40,
    /** Values of new rows. @default without any structure */
    readonly fill: (vectors: Float32Array, random: Random) => void = (vectors, random) => {
      for (let i = 0; i < vectors.length; i++) vectors[i] = random.next() - 0.5;
    },
  ) {}

  async write(ids: readonly number[]): Promise<void> {
    const { dim } = this.index;
    const vectors = new Float32Array(ids.length * dim);
    this.fill(vectors, this.random);
    this.#writes++;
    const text = 'x'.repeat(this.textLength);
    const payloads = ids.map((id) => ({ n: (id + this.#writes) % 1000, text: `${this.#writes} ${text}` }));
    await this.index.upsert({ ids, vectors, payloads });
    for (const [i, id] of ids.entries()) {
      this.rows.set(id, { vector: vectors.subarray(i * dim, (i + 1) * dim), payload: payloads[i]! });
    }
  }

  async delete(ids: readonly number[]): Promise<void> {
    await this.index.delete(ids);
    for (const id of ids) this.rows.delete(id);
  }

  /** Rows drawn by chance are found, as they are, and rows that were deleted are not. */
  async check(count = 5): Promise<void> {
    const { index, rows } = this;
    assert.equal(index.count, rows.size);
    const ids = [...rows.keys()];
    for (let i = 0; i < Math.min(count, ids.length); i++) {
      const id = this.random.pick(ids);
      const { vector, payload } = rows.get(id)!;
      const [point] = await index.get([id]);
      assert.deepEqual(point?.vector, vector);
      assert.deepEqual(point?.payload, payload);
      const { hits } = await index.query({ vector, limit: 3, mode: 'exact', withPayload: true });
      assert.equal(hits[0]!.id, id);
      assert.deepEqual(hits[0]!.payload, payload);
      assert.equal(await index.countMatching({ filter: { must: [{ has_id: [id] }] } } as never), 1);
    }
  }

  /** Bytes that the living rows take at least: values, and payloads as JSON. */
  get livingBytes(): number {
    let bytes = 0;
    for (const { vector, payload } of this.rows.values()) bytes += vector.byteLength + JSON.stringify(payload).length;
    return bytes;
  }
}

export const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** Bytes on disk, or where ':memory:' has its files. */
export function filed({ index }: Model): number {
  const { rows, segments, store } = index.stats().files;
  return rows + segments + store;
}

export const turn = (ms = 0) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Waits for what the index does by itself. */
export async function until(what: string, holds: () => boolean, seconds = 30): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  while (!holds()) {
    assert.ok(performance.now() < end, `${what} did not come within ${seconds} s`);
    await turn(10);
  }
}

/** Waits until nothing changes any more. */
export async function quiet(index: FunnelIndex, ms = 450): Promise<void> {
  let before = '';
  for (let last = performance.now(); performance.now() - last < ms; await turn(20)) {
    const { files, resident, coded } = index.stats();
    const now = JSON.stringify([files, resident, coded]);
    if (now !== before) last = performance.now();
    before = now;
  }
}

/** Bytes that an index may take beside two times the living rows. */
export const FLOOR = 4 << 20;

export const boundOf = (model: Model) => 2 * model.livingBytes + FLOOR;

/** The index's own work goes at half speed, and on a busy machine slower. */
export async function settled(model: Model, seconds = 60): Promise<void> {
  await quiet(model.index);
  await until('a compaction', () => filed(model) <= boundOf(model), seconds);
  await quiet(model.index);
}
