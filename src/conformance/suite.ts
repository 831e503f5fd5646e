/** The duties of every source, as one suite. Its oracle is a full scan in this process over the same rows. */

import assert from 'node:assert/strict';
import { after, describe } from 'node:test';
import type { Backend } from './backend.js';
import { DIM, random, randomVector } from './data.js';
import { checkBackend, featureConformance } from './features.js';
import { type FunnelData, funnelConformance } from './funnels.js';
import { mirrorConformance } from './mirror.js';
import { sameOrder, scan } from './scan-oracle.js';
import { failureTests } from './suite-failures.js';
import { headTests } from './suite-heads.js';
import { restrictionTests } from './suite-restrictions.js';
import { rowTests } from './suite-rows.js';
import { suiteTools } from './suite-tools.js';

/** Options of the suite beside the backend. */
export interface SuiteOptions {
  /** Seed of the made-up vectors. @default 20261122 */
  seed?: number;
  /** More rows and queries for the comparison of funnels over the source with a plain one. */
  funnels?: readonly FunnelData[];
}

/**
 * Runs the suite over a source, with node:test: to be awaited at the top of a test file. Collections are small, of 60 rows
 * mostly, and made by the backend, under names that no other run has; all are dropped at the end. All that a source says it
 * supports must be right, and all that it refuses be refused.
 *
 * @param name of the source, for the tests' names
 * @param start makes the backend. Where it fails the suite is skipped with the reason, and with `CI` set in the environment
 *   the failure is thrown
 *
 * @example
 * // my-source.test.mjs, to be run by `node --test`
 * await sourceConformance('My database', async () => ({ supports: { idKinds: { number: 'number' }, exact: 'server' }, ...rest }));
 */
export async function sourceConformance(
  name: string,
  start: () => Promise<Backend>,
  options: SuiteOptions = {},
): Promise<void> {
  let backend!: Backend;
  let reason = '';
  try {
    backend = await start();
  } catch (error) {
    // Continuous integration promises the servers; a laptop may lack them.
    if (process.env['CI']) throw error;
    reason = `the server did not start: ${(error as Error).message}`;
  }
  if (backend !== undefined) {
    try {
      checkBackend(backend);
    } catch (error) {
      await backend.stop?.();
      throw error;
    }
  }
  const whole = backend?.version === undefined ? name : `${name}, version ${backend.version}`;
  describe(whole, { skip: reason || false }, () => suite(backend, options));
}

function suite(backend: Backend, { seed = 20261122, funnels = [] }: SuiteOptions): void {
  const tools = suiteTools(backend);
  const { it, shared, make, open, dropAll } = tools;
  after(async () => {
    try {
      await dropAll();
    } finally {
      await backend.stop();
    }
  });
  headTests(tools);
  rowTests(tools);
  restrictionTests(tools);
  mirrorConformance(tools);

  it('searches side by side do not mix', async () => {
    const spec = await shared('cosine');
    const source = open(spec);
    const vectors = Array.from({ length: 12 }, (_, i) => randomVector(DIM, random(1000 + i)));
    const answers = await Promise.all(
      vectors.map((vector, i) => source.head({ vector, candidates: 5 + i, withPayload: i % 2 === 0 })),
    );
    answers.forEach(({ candidates }, i) => {
      sameOrder(Array.from(candidates.ids!), scan(spec, vectors[i]!, spec.headDim).slice(0, 5 + i), backend);
      assert.equal(candidates.payloads !== undefined, i % 2 === 0);
    });
  });

  funnelConformance(backend, seed, funnels);

  featureConformance(it, backend, make, open);
  failureTests(tools);
}
