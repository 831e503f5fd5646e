/** Static models: tables as WordLlama, sentence-transformers and model2vec write them, and the file format itself. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, describe, it } from 'node:test';
import { Embedder, type EmbedderOptions } from 'funnelvec/embed';
import { toHalf } from '#dist/core/half.js';
import { Safetensors } from '#dist/embed/safetensors.js';
import { Random, SEED } from '../random.js';
import {
  bytesOf,
  Folder,
  meanOf,
  rowOf,
  safetensors,
  staticFolder,
  table,
  tokenizerJson,
  unit,
  WIDTH,
  WORDS,
} from './tiny.js';

const folders: Folder[] = [];
const open: Embedder[] = [];
after(async () => {
  await Promise.all(open.map((embedder) => embedder.close()));
  for (const folder of folders) folder.remove();
});

async function load(folder: Folder, options: Partial<EmbedderOptions> = {}): Promise<Embedder> {
  folders.push(folder);
  const embedder = await Embedder.load({ path: folder.path, threads: 1, ...options });
  open.push(embedder);
  return embedder;
}

function near(ours: ArrayLike<number>, wanted: readonly number[], tolerance = 1e-6): void {
  assert.equal(ours.length, wanted.length);
  for (const [d, value] of wanted.entries())
    assert.ok(Math.abs(ours[d]! - value) < tolerance, `dim ${d}: ${ours[d]} ${value}`);
}

describe('a static model', () => {
  it('gives the mean of its tokens’ rows, normalised', async () => {
    const embedder = await load(staticFolder());
    assert.equal(embedder.dim, WIDTH);
    assert.deepEqual(embedder.matryoshkaDims, [WIDTH]);
    near(await embedder.embed(['one two two']), unit(meanOf(['one', 'two', 'two'])));
    near(await embedder.embed(['one ???']), unit(meanOf(['one', '[UNK]', '[UNK]', '[UNK]'])));
  });

  it('gives zeros for a text without tokens', async () => {
    const embedder = await load(staticFolder());
    near(await embedder.embed(['', '  ']), new Array(2 * WIDTH).fill(0));
  });

  it('cuts before it normalises, behind layer_norm', async () => {
    const folder = staticFolder();
    const whole = meanOf(['one', 'two']);
    const cut = await load(folder, { dim: 4, untrained: true });
    near(await cut.embed(['one two']), unit(whole.slice(0, 4)));
    assert.equal(cut.dim, 4);

    const mean = whole.reduce((sum, value) => sum + value, 0) / WIDTH;
    const variance = whole.reduce((sum, value) => sum + (value - mean) ** 2, 0) / WIDTH;
    const normed = whole.map((value) => (value - mean) / Math.sqrt(variance + 1e-5));
    near(await (await load(folder, { layerNorm: true, normalise: false })).embed(['one two']), normed);
    const both = await load(folder, { layerNorm: true, matryoshkaDims: [4] });
    near(await both.embed(['one two'], { dim: 4 }), unit(normed.slice(0, 4)));
    near(await both.embed(['one two']), unit(normed));
  });

  it('puts its role’s prefix before each text', async () => {
    const embedder = await load(staticFolder(), { prefixes: { query: 'three ', document: 'four ' } });
    near(await embedder.embed(['one']), unit(meanOf(['four', 'one'])));
    near(await embedder.embed(['one'], { role: 'query' }), unit(meanOf(['three', 'one'])));
  });

  it('takes tables of every type', async () => {
    const values = WORDS.flatMap((_, token) => rowOf(token));
    const small = values.map((value) => Math.round(100 * value));
    const halves = Uint16Array.from(values, toHalf);
    const upper = Uint16Array.from(values, (value) => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16);
    const tables = {
      F64: [Float64Array.from(values), 1e-6],
      F16: [halves, 1e-3],
      BF16: [upper, 1e-2],
      I8: [Int8Array.from(small), 3e-2],
      I16: [Int16Array.from(small), 3e-2],
      I32: [Int32Array.from(small), 3e-2],
      I64: [BigInt64Array.from(small, BigInt), 3e-2],
    } as const;
    for (const [dtype, [array, tolerance]] of Object.entries(tables)) {
      const tensor = { dtype, shape: [WORDS.length, WIDTH], values: bytesOf(array) };
      const folder = staticFolder().write({ 'model.safetensors': safetensors({ 'embedding.weight': tensor }) });
      near(await (await load(folder)).embed(['one two six']), unit(meanOf(['one', 'two', 'six'])), tolerance);
    }
  });

  it('of model2vec leaves unknown tokens out, weighs the others and finds their rows', async () => {
    // Rows in reverse; weights by token.
    const mapping = BigInt64Array.from(WORDS, (_, token) => BigInt(WORDS.length - 1 - token));
    const weights = Float32Array.from(WORDS, (_, token) => 1 + token / 10);
    const reversed = WORDS.flatMap((_, row) => rowOf(WORDS.length - 1 - row));
    const folder = new Folder().write({
      'tokenizer.json': tokenizerJson(),
      'config.json': { model_type: 'model2vec', normalize: false },
      'model.safetensors': safetensors({
        embeddings: table(reversed),
        mapping: { dtype: 'I64', shape: [WORDS.length], values: bytesOf(mapping) },
        weights: { dtype: 'F32', shape: [WORDS.length], values: bytesOf(weights) },
      }),
    });
    const embedder = await load(folder);
    const weighed = (word: string) => rowOf(WORDS.indexOf(word)).map((value) => value * weights[WORDS.indexOf(word)]!);
    const [one, two] = [weighed('one'), weighed('two')];
    near(
      await embedder.embed(['one ??? two']),
      one.map((value, d) => (value + two[d]!) / 2),
    );
    assert.equal((await embedder.countTokens(['one '.repeat(600)]))[0], 600);
    let truncated = 0;
    await embedder.embed(['one '.repeat(600)], { onProgress: (progress) => (truncated = progress.truncated) });
    assert.equal(truncated, 1); // at 512
  });

  it('of model2vec gives the vectors of its 0.10, whose files do not name it', async () => {
    interface Golden {
      words: string[];
      texts: string[];
      table: number[][];
      vectors: Record<string, number[][]>;
    }
    const golden: Golden = JSON.parse(readFileSync(resolve('test/embed/model2vec_golden.json'), 'utf8'));
    const { words, texts, vectors } = golden;
    const model = {
      type: 'WordLevel',
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      unk_token: '[UNK]',
    };
    const steps = { added_tokens: [], normalizer: null, pre_tokenizer: { type: 'Whitespace' }, post_processor: null };
    const values = Float32Array.from(golden.table.flat());
    for (const [length, rows] of Object.entries(vectors)) {
      const folder = new Folder().write({
        'tokenizer.json': { ...steps, decoder: null, model },
        'config.json': {
          ...(length !== '512' && { max_length: JSON.parse(length.toLowerCase().replace('none', 'null')) }),
          normalize: false,
        },
        'model.safetensors': safetensors({
          embeddings: { dtype: 'F32', shape: [words.length, WIDTH], values: bytesOf(values) },
        }),
      });
      const embedder = await load(folder);
      for (const [i, text] of texts.entries()) {
        let truncated = 0;
        near(
          await embedder.embed([text], { onProgress: (progress) => (truncated = progress.truncated) }),
          rows[i]!,
          2e-5,
        );
        const alike = rows[i]!.every((value, d) => Math.abs(value - vectors['None']![i]![d]!) < 1e-7);
        if (!alike) assert.equal(truncated, 1, `${length} ${text.slice(0, 20)}`);
        if (length === 'None') assert.equal(truncated, 0);
      }
    }
  });

  it('of sentence-transformers lies in a folder of its own', async () => {
    const folder = new Folder().write({
      'modules.json': [
        { idx: 0, name: '0', path: '0_StaticEmbedding', type: 'sentence_transformers.models.StaticEmbedding' },
      ],
      '0_StaticEmbedding/tokenizer.json': tokenizerJson(),
      '0_StaticEmbedding/model.safetensors': safetensors({ 'embedding.weight': table() }),
    });
    near(await (await load(folder)).embed(['one']), rowOf(WORDS.indexOf('one'))); // no Normalize among its modules
  });

  it('of sentence-transformers is cut where its tokenizer.json says so; a model2vec one is not', async () => {
    const modules = [{ idx: 0, name: '0', path: '', type: 'sentence_transformers.models.StaticEmbedding' }];
    const cut = { max_length: 2, strategy: 'LongestFirst', stride: 0 };
    const loaded = (direction: string, name: string) =>
      load(
        new Folder().write({
          'modules.json': modules,
          'tokenizer.json': { ...tokenizerJson(), truncation: { ...cut, direction } },
          'model.safetensors': safetensors({ [name]: table() }),
        }),
      );
    const text = ['one two three'];
    const embedder = await loaded('Right', 'embedding.weight');
    near(await embedder.embed(text), meanOf(['one', 'two']));
    assert.match(embedder.decisions.join(), /limit: 2 tokens.*truncation of tokenizer\.json/);
    near(await (await loaded('Left', 'embedding.weight')).embed(text), meanOf(['two', 'three']));
    near(await (await loaded('Right', 'embeddings')).embed(text), meanOf(['one', 'two', 'three']));
  });

  it('gives the same in threads, each text in its place', async () => {
    const folder = staticFolder();
    const random = new Random(SEED);
    const texts = Array.from({ length: 3000 }, () =>
      Array.from({ length: random.int(0, 10) }, () => random.pick(WORDS.slice(4))).join(' '),
    );
    const alone = await (await load(folder)).embed(texts);
    const together = await load(folder, { threads: 3 });
    const progress: number[] = [];
    const [all, again] = await Promise.all([
      together.embed(texts, { onProgress: ({ done, total }) => total === texts.length && progress.push(done) }),
      together.embed(texts.toReversed()),
    ]);
    assert.deepEqual(all, alone);
    for (const i of texts.keys()) {
      const j = texts.length - 1 - i;
      assert.deepEqual(again.subarray(j * WIDTH, (j + 1) * WIDTH), all.subarray(i * WIDTH, (i + 1) * WIDTH));
    }
    assert.equal(progress.at(-1), texts.length);
    assert.deepEqual(
      progress,
      progress.toSorted((a, b) => a - b),
    );
  });
});

describe('a safetensors file', () => {
  const folder = new Folder();
  folders.push(folder);
  const file = join(folder.path, 'it.safetensors');
  const header = (value: unknown, data = 64, length?: bigint): Buffer => {
    const json = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(length ?? BigInt(json.length));
    return Buffer.concat([size, json, Buffer.alloc(data)]);
  };
  const tensor = (more: object) => ({ t: { dtype: 'F32', shape: [4, 4], data_offsets: [0, 64], ...more } });

  it('is read when it is sound', async () => {
    writeFileSync(
      file,
      header({ ...tensor({}), __metadata__: { a: 'b' }, u: { dtype: 'F8_E4M3', shape: [2], data_offsets: [0, 2] } }),
    );
    const { tensors } = await Safetensors.open(file);
    assert.deepEqual([...tensors.keys()], ['t']);
  });

  const hostile: Record<string, Buffer> = {
    empty: Buffer.alloc(0),
    'of seven bytes': Buffer.alloc(7),
    'with a header beyond its end': header('{}', 0, 3n),
    'with a header of 2^63 bytes': header('{}', 0, 2n ** 63n),
    'with a header that is no JSON': header('{"t": '),
    'with a header that is a list': header('[]'),
    'with a header that is null': header('null'),
    'with a tensor that is null': header({ t: null }),
    'without a dtype': header(tensor({ dtype: 3 })),
    'with a shape of strings': header(tensor({ shape: ['4', '4'] })),
    'with a negative size': header(tensor({ shape: [-4, -4] })),
    'with a fractional size': header(tensor({ shape: [0.5, 32] })),
    'with a huge shape': header(tensor({ shape: [2 ** 40, 2 ** 40] })),
    'with one offset': header(tensor({ data_offsets: [64] })),
    'with negative offsets': header(tensor({ data_offsets: [-64, 0] })),
    'with offsets in reverse': header(tensor({ data_offsets: [64, 0] })),
    'with offsets beyond its end': header(tensor({ data_offsets: [64, 128] })),
    'with too few bytes for its shape': header(tensor({ data_offsets: [0, 60] })),
    'with data cut off': header(tensor({}), 60),
  };
  for (const [what, bytes] of Object.entries(hostile)) {
    it(`${what} is CORRUPT`, async () => {
      writeFileSync(file, bytes);
      await assert.rejects(Safetensors.open(file), {
        code: 'CORRUPT',
        message: /it\.safetensors to be a safetensors file with/,
      });
    });
  }

  it('with random bytes changed is read or CORRUPT', async () => {
    const sound = safetensors({ 'embedding.weight': table(), weights: table() });
    const random = new Random(SEED);
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(sound);
      for (let i = 0; i < random.int(1, 4); i++) bytes[random.int(0, 160)] = random.int(0, 255);
      writeFileSync(file, bytes);
      try {
        const file_ = await Safetensors.open(file);
        for (const [name, { shape }] of file_.tensors) {
          await file_.floats(name, new Float32Array(shape.reduce((product, size) => product * size, 1)));
        }
      } catch (error) {
        assert.equal((error as { code: string }).code, 'CORRUPT', String(error));
      }
    }
  });

  it('that has no table is refused, saying what to do', async () => {
    const bert = safetensors({ 'encoder.layer.0.weight': table() });
    await assert.rejects(load(staticFolder().write({ 'model.safetensors': bert })), {
      code: 'UNSUPPORTED',
      message: /encoder\.layer\.0\.weight.*onnx\/model\.onnx/,
    });
  });

  it('with rows that are not there is CORRUPT', async () => {
    const tensors = (mapping: number[], weights: number[]) =>
      safetensors({
        embeddings: table(),
        mapping: { dtype: 'I32', shape: [mapping.length], values: bytesOf(Int32Array.from(mapping)) },
        weights: { dtype: 'F32', shape: [weights.length], values: bytesOf(Float32Array.from(weights)) },
      });
    for (const bytes of [tensors([0, 12], [1, 1]), tensors([0, -1], [1, 1]), tensors([0, 1], [1, 1, 1])]) {
      await assert.rejects(load(staticFolder().write({ 'model.safetensors': bytes })), { code: 'CORRUPT' });
    }
  });

  it('with NaN in the row of a token makes an error that names the text', async () => {
    const values = WORDS.flatMap((word, token) => (word === 'nan' ? rowOf(token).map(() => Number.NaN) : rowOf(token)));
    const embedder = await load(
      staticFolder().write({ 'model.safetensors': safetensors({ embeddings: table(values) }) }),
    );
    await assert.rejects(embedder.embed(['one', 'two', 'one nan']), { code: 'NOT_FINITE', message: /texts\[2\]/ });
  });
});
