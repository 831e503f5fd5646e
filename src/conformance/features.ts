/** Every feature of a request, on every source: right, or refused as the source says. The oracle is a scan in doubles. */
import { describe } from 'node:test';
import { expected, FunnelError } from '../core/errors.js';
import type { Backend } from './backend.js';
import { rejects } from './failures.js';
import { exampleFeatures } from './feature-examples.js';
import { filterFeatures } from './feature-filters.js';
import { groupFeatures } from './feature-groups.js';
import { FEATURES, type FeatureName } from './feature-names.js';
import { requestFeatures } from './feature-requests.js';
import { stageFeatures } from './feature-stages.js';
import { featureTools, type It, type Make, type Open } from './feature-tools.js';

const CALLS = ['create', 'drop', 'source', 'idOf', 'payloadOf', 'stop'] as const;

/**
 * The functions are there, there are integer ids, and each name in refuses is a feature's. To be called before any test is
 * registered, which a later error would cancel.
 */
export function checkBackend(backend: Backend): void {
  const { supports } = backend;
  for (const name of CALLS) {
    if (typeof backend[name] !== 'function') {
      throw expected('BAD_ARGUMENT', 'a function', `${name} of the backend`, backend[name]);
    }
  }
  if (typeof supports !== 'object' || supports === null) {
    throw expected('BAD_ARGUMENT', '{ idKinds, exact, … }', 'supports of the backend', supports);
  }
  const { idKinds } = supports;
  if (idKinds?.number === undefined) {
    const what =
      "{ number, string?, big? }, whose number is the kind in which integer ids come back ('string' for text alone),";
    throw expected('BAD_ARGUMENT', what, 'supports.idKinds', idKinds);
  }
  const unknown = Object.keys(supports.refuses ?? {}).filter((name) => !(FEATURES as readonly string[]).includes(name));
  if (unknown.length === 0) return;
  const names = unknown.map((name) => JSON.stringify(name)).join(', ');
  const where = "FEATURES, which 'funnelvec/source/conformance' exports,";
  throw new FunnelError('BAD_ARGUMENT', `Expected names in ${where} for supports.refuses but received ${names}`);
}

/** To be called inside the suite of a backend, while it runs. */
export function featureConformance(it: It, backend: Backend, make: Make, open: Open): void {
  const { refuses = {} } = backend.supports;
  const bodies = featureBodies(backend, make, open);
  describe('features', () => {
    for (const name of FEATURES) {
      const refusal = refuses[name];
      const body = bodies[name];
      if (refusal === undefined) it(name, () => hinted(name, body), lacking(name, backend));
      else if (typeof refusal === 'string') it(`${name} (${refusal})`, body, refusal);
      else {
        const { code, message, why } = refusal;
        it(`${name}: refused${why === undefined ? '' : `, ${why}`}`, () => rejects(body(), code, message));
      }
    }
  });
}

/** Says beside a failure how a source may do without the feature. */
async function hinted(name: FeatureName, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (cause) {
    const hint = `If the source cannot do this, put ${JSON.stringify(name)} into supports.refuses`;
    throw new Error(`${cause instanceof Error ? cause.message : String(cause)}\n${hint}`, { cause });
  }
}

/** The reason to skip a test, where the backend lacks something that it needs. */
function lacking(name: FeatureName, { filters, searches }: Backend): string | false {
  if (name === 'filter and native filter restrict together' && filters === undefined)
    return 'no native filters (filters)';
  if (name === 'queryBatch: one round trip' && searches === undefined) return 'nobody counts searches (searches)';
  return false;
}

function featureBodies(backend: Backend, make: Make, open: Open): Record<FeatureName, () => Promise<void>> {
  const tools = featureTools(backend, make, open);
  return {
    ...filterFeatures(tools),
    ...requestFeatures(tools),
    ...exampleFeatures(tools),
    ...groupFeatures(tools),
    ...stageFeatures(tools),
  };
}
