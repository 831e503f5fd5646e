/** An embedder of the tests: words as directions. It costs nothing, and equal texts have equal vectors. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadEmbedder, ModelEmbedder } from '#dist/cli/model.js';
import { Random } from '../random.js';

export const DIM = 16;

export interface FakeOptions {
  name?: string;
  /** Milliseconds for a batch. */
  ms?: number;
  /** Called before each batch of documents. */
  onBatch?: (texts: readonly string[]) => void;
}

export function fakeVector(text: string): Float32Array {
  const vector = new Float32Array(DIM);
  for (const word of text.toLowerCase().match(/\w+/g) ?? []) {
    let seed = 7;
    for (const letter of word) seed = (seed * 31 + letter.codePointAt(0)!) >>> 0;
    const random = new Random(seed);
    for (let d = 0; d < DIM; d++) vector[d] = vector[d]! + random.gaussian();
  }
  return vector;
}

export function fakeLoader({ name = 'fake', ms = 0, onBatch }: FakeOptions = {}): LoadEmbedder & { open: number } {
  const load = async ({ dim = DIM }: { dim?: number }): Promise<ModelEmbedder> => {
    loader.open++;
    return {
      name: `${name}@${dim}`,
      dim,
      matryoshkaDims: [16, 8, 4].filter((one) => one <= dim),
      async embed(texts, { role = 'document', signal } = {}) {
        if (role === 'document') onBatch?.(texts);
        if (ms > 0) await sleep(ms, undefined, { signal });
        const out = new Float32Array(texts.length * dim);
        for (const [i, text] of texts.entries()) out.set(fakeVector(text).subarray(0, dim), i * dim);
        return out;
      },
      close() {
        loader.open--;
      },
    };
  };
  const loader = Object.assign(load, { open: 0 });
  return loader;
}
