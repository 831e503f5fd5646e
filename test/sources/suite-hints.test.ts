/** The suite for sources tells whoever writes one what a failure is about. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Backend, sourceConformance } from 'funnelvec/source/conformance';
import { featureConformance } from '#dist/conformance/features.js';

const backendOf = (refuses: object): Backend => ({
  supports: { idKinds: { number: 'number' }, exact: 'server', refuses },
  create: async () => {
    throw new Error('no database');
  },
  drop: async () => {},
  source: () => assert.fail('no source'),
  idOf: ({ id }) => id,
  payloadOf: ({ title, n, even, extra }) => ({ title, n, even, ...extra }),
  stop: async () => {},
});

it('names in refuses that are no features are one error, before any test, and the backend is stopped', async () => {
  let stopped = 0;
  const backend = backendOf({ 'params: exact': 'none', 'params: exct': 'none', 'queryBatch: one trip': 'none' });
  const start = async () => ({ ...backend, stop: async () => void stopped++ });
  const message = /FEATURES.*supports\.refuses but received "params: exct", "queryBatch: one trip"$/;
  await assert.rejects(sourceConformance('misspelt', start), { name: 'FunnelError', code: 'BAD_ARGUMENT', message });
  assert.equal(stopped, 1);
});

it('kinds of ids that leave out integers, which all other tests use, are an error before any test', async () => {
  const backend = { ...backendOf({}), supports: { idKinds: { string: 'string' }, exact: 'server' } } as never;
  const message = /integer ids come back.*for supports\.idKinds but received/;
  await assert.rejects(
    sourceConformance('text', async () => backend),
    { code: 'BAD_ARGUMENT', message },
  );
});

it('a function of the backend that is missing is an error before any test', async () => {
  const { idOf: _, ...rest } = backendOf({});
  await assert.rejects(
    sourceConformance('without ids', async () => rest as never),
    { code: 'BAD_ARGUMENT', message: /a function for idOf of the backend but received undefined/ },
  );
});

const bodies = new Map<string, () => Promise<void>>();
const collect = (name: string, body: () => Promise<void>) => void bodies.set(name, body);
const fails = async () => assert.fail('no database');
featureConformance(collect, backendOf({}), fails, () => assert.fail('no source'));

it('a feature that fails says, beside the error, how a source does without it', async () => {
  await assert.rejects(bodies.get('params: hnsw_ef')!, (error: Error) => {
    assert.match(
      error.message,
      /no database\nIf the source cannot do this, put "params: hnsw_ef" into supports\.refuses/,
    );
    assert.match((error.cause as Error).message, /no database/);
    return true;
  });
});
