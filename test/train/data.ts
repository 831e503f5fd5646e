/** Real vectors for the tests of the training side; or why there are none, which CI does not accept. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Glosses } from '../../scripts/data/glosses.mjs';
import type { MinilmGlosses } from '../../scripts/data/minilm-glosses.mjs';

/** Under WordLlama, a Matryoshka model. */
export function glosses(count: number): Promise<Glosses | string> {
  return orReason('scripts/data/glosses.mjs', (module: typeof import('../../scripts/data/glosses.mjs')) =>
    module.loadGlosses({ count }),
  );
}

/** Under all-MiniLM-L6-v2, a plain one. */
export function minilmGlosses(count: number, maxQueries: number): Promise<MinilmGlosses | string> {
  return orReason('scripts/data/minilm-glosses.mjs', (module: typeof import('../../scripts/data/minilm-glosses.mjs')) =>
    module.loadMinilmGlosses({ count, maxQueries }),
  );
}

async function orReason<Module, T>(file: string, load: (module: Module) => Promise<T>): Promise<T | string> {
  try {
    return await load((await import(pathToFileURL(resolve(file)).href)) as Module);
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return `no real vectors: ${(error as Error).message}`;
  }
}
