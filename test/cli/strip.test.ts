/** A collection whose texts were stripped is searched so, whatever the command says of its model. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ModelChoice, type ModelEmbedder, modelFor, specOf } from '#dist/cli/model.js';

const embedder = (name: string): ModelEmbedder => ({
  name,
  dim: 8,
  matryoshkaDims: [8],
  embed: async () => new Float32Array(8),
  close() {},
});

async function loaded(state: ModelChoice, given?: ModelChoice): Promise<ModelChoice> {
  let spec: ModelChoice = {};
  const load = async (wanted: ModelChoice) => {
    spec = wanted;
    return embedder('model');
  };
  await modelFor({ name: 'model', spec: state, dim: 8 }, given, 'films', load);
  return spec;
}

describe('--strip', () => {
  it('is kept in a store and used by its searches, another place of the model or not', async () => {
    const made = specOf({ model: './films', strip: true })!;
    assert.equal(made.strip, true);
    assert.equal((await loaded(made)).strip, true);
    assert.equal((await loaded(made, specOf({ model: './moved' }))).strip, true);
    const plain = specOf({ model: './films' })!;
    assert.equal((await loaded(plain)).strip, undefined);
    assert.equal((await loaded(plain, specOf({ model: './moved' }))).strip, undefined);
  });

  it('without a model is refused', () => {
    assert.throws(() => specOf({ strip: true }), /--model beside --strip/);
  });
});
