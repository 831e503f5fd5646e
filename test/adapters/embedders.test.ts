/** Embedders in and out: models of other packages as embedders, embedders as models of the AI SDK. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EmbeddingModelV2, EmbeddingModelV3, EmbeddingModelV4 } from '@ai-sdk/provider';
import { FakeEmbeddings } from '@langchain/core/utils/testing';
import { embed, embedMany } from 'ai';
import { FunnelError } from 'funnelvec';
import { embeddingModel } from 'funnelvec/ai-sdk';
import { type EmbedFunction, embedderOf, type GivenOptions } from 'funnelvec/embed';
import { FunnelEmbeddings } from 'funnelvec/langchain';
import { refused } from '../refused.js';

/** A vector that tells texts, and their lengths, apart. */
const vectorOf = (text: string, dim = 4) => Array.from({ length: dim }, (_, d) => (text.charCodeAt(d) || 1) / 128);
const plain: EmbedFunction = async (texts) => texts.map((text) => vectorOf(text));
const float32 = (values: number[]) => Array.from(Float32Array.from(values));

/** A model of the AI SDK that notes its calls. */
function aiModel(version: 'v4' | 'v3' | 'v2', own: Partial<EmbeddingModelV4> = {}) {
  const calls: Parameters<EmbeddingModelV4['doEmbed']>[0][] = [];
  const model = {
    specificationVersion: version,
    provider: 'test',
    modelId: 'small',
    maxEmbeddingsPerCall: 3,
    supportsParallelCalls: true,
    async doEmbed(options: (typeof calls)[number]) {
      calls.push(options);
      return { embeddings: options.values.map((text) => vectorOf(text, options.dimensions ?? 4)), warnings: [] };
    },
    ...own,
  };
  return { calls, model: model as EmbeddingModelV4 & EmbeddingModelV3 & EmbeddingModelV2<string> };
}

describe('embedderOf()', () => {
  it('takes a plain function: vectors in the order of the texts, batch by batch', async () => {
    const batches: string[][] = [];
    const embedder = await embedderOf(
      async (texts, options) => {
        batches.push(texts);
        // The first batch answers last.
        await new Promise((resolve) => setTimeout(resolve, texts[0] === 'a' ? 20 : 0));
        return plain(texts, options);
      },
      { batchSize: 2, dim: 4, name: 'mine' },
    );
    const texts = ['a', 'b', 'c', 'd', 'e'];
    assert.deepEqual(Array.from(await embedder.embed(texts)), float32(texts.flatMap((text) => vectorOf(text))));
    assert.deepEqual(batches, [['a', 'b'], ['c', 'd'], ['e']]);
    assert.equal(embedder.dim, 4);
    assert.equal(embedder.name, 'mine');
    assert.equal((await embedder.embed([])).length, 0);
  });

  it('finds the dims by one text where nobody says them', async () => {
    const embedder = await embedderOf(plain);
    assert.equal(embedder.dim, 4);
    assert.deepEqual(embedder.matryoshkaDims, [4]);
  });

  for (const version of ['v4', 'v3', 'v2'] as const) {
    it(`takes an EmbeddingModel ${version} of the AI SDK, no more texts a call than it says`, async () => {
      const { model, calls } = aiModel(version);
      const embedder = await embedderOf(model, {
        prefixes: { query: 'q:' },
        providerOptions: { query: { test: { a: 1 } } },
      });
      assert.equal(embedder.name, 'test/small');
      const texts = ['abcd', 'bcde', 'cdef', 'defg'];
      const vectors = await embedder.embed(texts, { role: 'query' });
      assert.deepEqual(Array.from(vectors), float32(texts.flatMap((text) => vectorOf(`q:${text}`))));
      assert.deepEqual(
        calls.slice(1).map(({ values }) => values.length),
        [3, 1],
      );
      assert.deepEqual(calls[1]!.providerOptions, { test: { a: 1 } });
      await embedder.embed(['a']);
      assert.equal(calls.at(-1)!.providerOptions, undefined);
    });
  }

  it('asks a model of v4 for dims; cuts what comes longer, where the model was trained for it, to length 1', async () => {
    const four = aiModel('v4');
    const asked = await embedderOf(four.model, { dim: 2 });
    assert.deepEqual(Array.from(await asked.embed(['abcd'])), float32(vectorOf('abcd', 2)));
    assert.equal(four.calls[0]!.dimensions, 2);
    const deaf = aiModel('v3');
    await assert.rejects(
      (await embedderOf(deaf.model, { dim: 2 })).embed(['a']),
      refused('BAD_DIMS', /matryoshkaDims: \[2\]/),
    );
    const cut = await (await embedderOf(deaf.model, { dim: 2, matryoshkaDims: [2] })).embed(['ab']);
    assert.ok(Math.abs(Math.hypot(...cut) - 1) < 1e-6);
    assert.ok(Math.abs(cut[0]! / cut[1]! - 97 / 98) < 1e-6);
    await assert.rejects(
      (await embedderOf(deaf.model, { dim: 8 })).embed(['a']),
      refused('BAD_DIMS', /at least 8 dims/),
    );
  });

  it('cuts a call shorter where dims are declared, and refuses others', async () => {
    const embedder = await embedderOf(plain, { matryoshkaDims: [2], normalise: true });
    assert.deepEqual(embedder.matryoshkaDims, [4, 2]);
    const vector = await embedder.embed(['ab'], { dim: 2 });
    assert.equal(vector.length, 2);
    assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6);
    await assert.rejects(embedder.embed(['ab'], { dim: 3 }), refused('BAD_DIMS', /one of 4, 2 for dim but received 3/));
  });

  it('takes Embeddings of LangChain, documents and queries each by their own method', async () => {
    const seen: string[] = [];
    class Noting extends FakeEmbeddings {
      override async embedQuery(text: string) {
        seen.push(`query ${text}`);
        return vectorOf(text);
      }
      override async embedDocuments(texts: string[]) {
        seen.push(`documents ${texts}`);
        return texts.map((text) => vectorOf(text));
      }
    }
    const embedder = await embedderOf(new Noting(), { dim: 4 });
    await embedder.embed(['a', 'b']);
    await embedder.embed(['c'], { role: 'query' });
    assert.deepEqual(seen, ['documents a,b', 'query c']);
  });

  it('returns an embedder of this package as it is, and refuses options beside it', async () => {
    const embedder = await embedderOf(plain, { dim: 4 });
    assert.equal(await embedderOf(embedder), embedder);
    await assert.rejects(
      embedderOf(embedder, { retries: 1 }),
      refused('BAD_ARGUMENT', /no options beside an embedder/),
    );
  });

  it('tries again what failed by chance, as often as said, and nothing that is refused for good', async () => {
    let calls = 0;
    const failing = (error: unknown, times: number): EmbedFunction => {
      calls = 0;
      return async (texts, options) => {
        if (calls++ < times) throw error;
        return plain(texts, options);
      };
    };
    const quick: GivenOptions = { dim: 4, retryDelay: 1, retries: 2 };
    const busy = Object.assign(new Error('busy'), { statusCode: 429 });
    assert.equal((await (await embedderOf(failing(busy, 2), quick)).embed(['a'])).length, 4);
    assert.equal(calls, 3);
    await assert.rejects(
      (await embedderOf(failing(new Error('reset'), 9), quick)).embed(['a', 'b']),
      refused('MODEL_FAILED', /for texts 0 to 1 but it failed \(3 attempts\): reset/),
    );
    const denied = Object.assign(new Error('no key'), { status: 401 });
    await assert.rejects(
      (await embedderOf(failing(denied, 9), quick)).embed(['a']),
      refused('MODEL_FAILED', /failed: no key/),
    );
    assert.equal(calls, 1);
    const final = Object.assign(new Error('too long'), { isRetryable: false });
    await assert.rejects(
      (await embedderOf(failing(final, 9), quick)).embed(['a']),
      refused('MODEL_FAILED', /too long/),
    );
    assert.equal(calls, 1);
  });

  it('uses nothing of an answer that is short, ragged or not of numbers', async () => {
    const answers: [unknown, RegExp][] = [
      [undefined, /an array of 2 vectors/],
      [
        [vectorOf('a')],
        /an array of 2 vectors, one for each text, for the answer from liar but received an array of length 1/,
      ],
      [[vectorOf('a'), [1, 2]], /4 dims for the vector of text 1 from liar/],
      [[vectorOf('a'), null], /an array of numbers for the vector of text 1/],
      [[vectorOf('a'), 'AACAPwAAgD8='], /an array of numbers for the vector of text 1/],
      [[[1, 2, 3, null], vectorOf('b')], /a finite number for dim 3 of the vector of text 0/],
      [[[1, 2, 3, Number.NaN], vectorOf('b')], /dim 3 of the vector of text 0/],
      [[[1, 2, 3, 1e39], vectorOf('b')], /dim 3/],
      [[[], []], /some dims for the vector of text 0/],
    ];
    for (const [answer, text] of answers) {
      const embedder = await embedderOf(async () => answer as number[][], { dim: 4, name: 'liar' });
      await assert.rejects(embedder.embed(['a', 'b']), refused('BAD_RESPONSE', text));
    }
    let width = 8;
    const moody = await embedderOf(async (texts) => texts.map((text) => vectorOf(text, width--)), {
      ...{ batchSize: 1, concurrency: 1, dim: 4, matryoshkaDims: [4] },
    });
    await assert.rejects(moody.embed(['a', 'b']), refused('BAD_RESPONSE', /8 dims for the vector of text 1/));
  });

  it('makes as many calls at one time as said, one where the model takes no more', async () => {
    let at = 0;
    let most = 0;
    const counting = async ({ values }: { values: string[] }) => {
      most = Math.max(most, ++at);
      await new Promise((resolve) => setTimeout(resolve, 5));
      at--;
      return { embeddings: values.map((text) => vectorOf(text)), warnings: [] };
    };
    const texts = Array.from({ length: 12 }, (_, i) => `t${i}`);
    await (
      await embedderOf(aiModel('v4', { doEmbed: counting }).model, { dim: 4, batchSize: 1, concurrency: 3 })
    ).embed(texts);
    assert.equal(most, 3);
    most = 0;
    const single = aiModel('v4', { doEmbed: counting, supportsParallelCalls: Promise.resolve(false) });
    await (await embedderOf(single.model, { dim: 4, batchSize: 1 })).embed(texts);
    assert.equal(most, 1);
  });

  it('stops at once where the signal fires, also between attempts, and tells the model', async () => {
    let told: AbortSignal | undefined;
    const slow = await embedderOf((_, { signal }) => new Promise<never>(() => (told = signal)), { dim: 4 });
    const controller = new AbortController();
    const pending = slow.embed(['a'], { signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(pending, refused('ABORTED', /aborted/));
    assert.equal(told!.aborted, true);
    await assert.rejects(slow.embed(['a'], { signal: AbortSignal.abort() }), refused('ABORTED', /aborted/));
    const broken = await embedderOf(() => Promise.reject(new Error('down')), { dim: 4, retryDelay: 60_000 });
    await assert.rejects(broken.embed(['a'], { signal: AbortSignal.timeout(20) }), refused('ABORTED', /aborted/));
  });

  it('ends the other calls when one fails', async () => {
    const calls: string[] = [];
    const embedder = await embedderOf(
      async ([text]) => {
        calls.push(text!);
        if (text === 'b') throw Object.assign(new Error('bad'), { isRetryable: false });
        await new Promise((resolve) => setTimeout(resolve, 10));
        return [vectorOf(text!)];
      },
      { dim: 4, batchSize: 1, concurrency: 2 },
    );
    await assert.rejects(embedder.embed(['a', 'b', 'c', 'd']), refused('MODEL_FAILED', /texts 1 to 1/));
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.deepEqual(calls, ['a', 'b']);
  });

  it('refuses what is no model, and options that are none', async () => {
    await assert.rejects(
      embedderOf('text-embedding-3-small' as never),
      refused('BAD_ARGUMENT', /for model but received "text-/),
    );
    await assert.rejects(
      embedderOf({ specificationVersion: 'v5', doEmbed() {} } as never),
      refused('UNSUPPORTED', /'v4', 'v3' or 'v2'/),
    );
    const bad: [object, RegExp][] = [
      [{ dims: 3 }, /Expected one of name, dim/],
      [{ dim: 0 }, /dim/],
      [{ batchSize: 0 }, /batchSize/],
      [{ concurrency: 1.5 }, /concurrency/],
      [{ retries: -1 }, /retries/],
      [{ prefixes: { passage: 'x' } }, /prefixes/],
      [{ prefixes: { query: 3 } }, /prefixes\.query/],
      [{ matryoshkaDims: 4 }, /matryoshkaDims/],
      [{ normalise: 'yes' }, /normalise/],
      [{ name: '' }, /name/],
      [{ providerOptions: { query: {} } }, /a model of the AI SDK beside providerOptions/],
    ];
    for (const [options, text] of bad) {
      await assert.rejects(embedderOf(plain, options as GivenOptions), (error) => {
        assert.match((error as FunnelError).message, text);
        return error instanceof FunnelError;
      });
    }
  });
});

describe('embeddingModel() of funnelvec/ai-sdk', () => {
  const roles: (string | undefined)[] = [];
  const embedder = {
    ...{ name: 'tiny', dim: 4, matryoshkaDims: [4, 2], close() {} },
    async embed(texts: readonly string[], { role, dim = 4 }: { role?: string; dim?: number } = {}) {
      roles.push(role);
      return Float32Array.from(texts.flatMap((text) => vectorOf(text, dim)));
    },
  };

  it('has the types of both contracts', () => {
    const four: EmbeddingModelV4 = embeddingModel(embedder);
    const three: EmbeddingModelV3 = embeddingModel(embedder, { version: 'v3' });
    assert.deepEqual([four.specificationVersion, three.specificationVersion], ['v4', 'v3']);
    assert.equal(four.modelId, 'tiny');
  });

  for (const version of ['v4', 'v3'] as const) {
    it(`embeds by embedMany() and embed() of the package ai, as ${version}`, async () => {
      const model = embeddingModel(embedder, { version }) as EmbeddingModelV4;
      const { embeddings, warnings } = await embedMany({ model, values: ['ab', 'cd'] });
      assert.deepEqual(embeddings, [float32(vectorOf('ab')), float32(vectorOf('cd'))]);
      assert.ok(embeddings.every(Array.isArray), 'arrays of numbers, which JSON keeps');
      assert.deepEqual(warnings, []);
      // embedMany() makes up for what lacks; the contract has it, and others may not.
      assert.deepEqual((await model.doEmbed({ values: ['ab'] })).warnings, []);
      assert.equal(roles.at(-1), 'document');
      const { embedding } = await embed({ model, value: 'ab', providerOptions: { funnelvec: { role: 'query' } } });
      assert.deepEqual(embedding, float32(vectorOf('ab')));
      assert.equal(roles.at(-1), 'query');
    });

    it(`tells the tokens of a call where the embedder counts them, as ${version}`, async () => {
      const counting = {
        ...embedder,
        countTokens: async (texts: readonly string[], { role }: { role?: string } = {}) =>
          Uint32Array.from(texts, (text) => text.length + (role === 'query' ? 10 : 0)),
      };
      const model = embeddingModel(counting, { version }) as EmbeddingModelV4;
      assert.deepEqual((await embedMany({ model, values: ['ab', 'cde'] })).usage, { tokens: 5 });
      const asked = { model, value: 'ab', providerOptions: { funnelvec: { role: 'query' } } };
      assert.deepEqual((await embed(asked)).usage, { tokens: 12 });
      assert.equal('usage' in (await embeddingModel(embedder, { version }).doEmbed({ values: ['ab'] })), false);
    });
  }

  it('cuts to the dimensions of a call', async () => {
    const { embedding } = await embed({ model: embeddingModel(embedder), value: 'ab', dimensions: 2 });
    assert.deepEqual(embedding, float32(vectorOf('ab', 2)));
  });

  it('refuses what is no embedder, version or role', async () => {
    assert.throws(() => embeddingModel({} as never), refused('BAD_ARGUMENT', /an embedder/));
    assert.throws(() => embeddingModel(embedder, { version: 'v2' } as never), refused('BAD_ARGUMENT', /'v4' or 'v3'/));
    assert.throws(
      () => embeddingModel(embedder, { role: 'passage' } as never),
      refused('BAD_ARGUMENT', /'query' or 'document'/),
    );
    const call = (options: object) =>
      embeddingModel(embedder).doEmbed({ values: ['a'], providerOptions: { funnelvec: options } } as never);
    await assert.rejects(call({ role: 'passage' }), refused('BAD_ARGUMENT', /providerOptions\.funnelvec\.role/));
    await assert.rejects(call({ dim: 2 }), refused('BAD_ARGUMENT', /providerOptions\.funnelvec/));
  });

  it('goes there and back with the same bits', async () => {
    const back = await embedderOf(embeddingModel(embedder), { dim: 4 });
    assert.deepEqual(await back.embed(['xy', 'zz']), await embedder.embed(['xy', 'zz']));
  });
});

describe('FunnelEmbeddings of funnelvec/langchain', () => {
  it('embeds documents and queries by role, as arrays of numbers', async () => {
    const roles: string[] = [];
    const embeddings = new FunnelEmbeddings(
      await embedderOf(
        async (texts, { role }) => {
          roles.push(role);
          return texts.map((text) => vectorOf(text));
        },
        { dim: 4 },
      ),
    );
    assert.deepEqual(await embeddings.embedDocuments(['a', 'b']), [float32(vectorOf('a')), float32(vectorOf('b'))]);
    assert.deepEqual(await embeddings.embedQuery('c'), float32(vectorOf('c')));
    assert.deepEqual(await embeddings.embedDocuments([]), []);
    assert.deepEqual(roles, ['document', 'query']);
    assert.throws(
      () => new FunnelEmbeddings(new FakeEmbeddings() as never),
      refused('BAD_ARGUMENT', /an embedder \(see embedderOf/),
    );
  });
});
