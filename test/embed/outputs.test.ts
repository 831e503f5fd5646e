/** Parts of an ONNX graph and its folder are taken, or refused at load by name. */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Embedder, type EmbedderOptions } from 'funnelvec/embed';
import { realModels } from './real.js';
import {
  bytesOf,
  Folder,
  meanOf,
  onnxFolder,
  rowOf,
  safetensors,
  table,
  tokenizerJson,
  unit,
  WIDTH,
  WORDS,
} from './tiny.js';

const { missing } = await realModels();
const near = (ours: ArrayLike<number>, wanted: readonly number[], tolerance = 1e-5) => {
  assert.equal(ours.length, wanted.length);
  for (const [d, value] of wanted.entries())
    assert.ok(Math.abs(ours[d]! - value) < tolerance, `dim ${d}: ${ours[d]} ${value}`);
};
const inside = (text: string) => ['[CLS]', ...text.split(' ').filter(Boolean), '[SEP]'];
const sumOf = (text: string) => meanOf(inside(text)).map((value) => value * inside(text).length);
const st = (type: string, at = '') => ({ type: `sentence_transformers.models.${type}`, path: at });
const CLS = { '1_Pooling/config.json': { pooling_mode_cls_token: true, word_embedding_dimension: WIDTH } };
const MEAN = { '1_Pooling/config.json': { pooling_mode_mean_tokens: true, word_embedding_dimension: WIDTH } };

let graphs: Folder;
const open: Embedder[] = [];
const folders: Folder[] = [];
before(async () => {
  if (!missing) graphs = await onnxFolder();
});
after(async () => {
  await Promise.all(open.map((embedder) => embedder.close()));
  for (const one of [graphs, ...folders]) one?.remove();
});

/** A folder with a graph of tiny_onnx.py as its model, and these files. */
function folderOf(graph: string, files: Record<string, string | object> = {}, as = 'model.onnx'): string {
  const folder = new Folder().write({ 'tokenizer.json': tokenizerJson(), [as]: '', ...files });
  folders.push(folder);
  copyFileSync(path.join(graphs.path, graph), path.join(folder.path, as));
  return folder.path;
}

async function load(at: string, options: Partial<EmbedderOptions> = {}): Promise<Embedder> {
  const embedder = await Embedder.load({ path: at, threads: 1, normalise: false, ...options });
  open.push(embedder);
  return embedder;
}

describe('the output of a graph', { skip: missing ?? false }, () => {
  const HIDDEN = { 'config.json': { model_type: 'bert', hidden_size: WIDTH } };

  it('is dense_vecs of BGE-M3, whose sparse_vecs and colbert_vecs have three axes', async () => {
    const embedder = await load(folderOf('bge-m3.onnx', { ...HIDDEN, ...CLS }));
    assert.equal(embedder.dim, WIDTH);
    near(await embedder.embed(['one two']), sumOf('one two'));
    assert.match(embedder.decisions.join('\n'), /^output: dense_vecs of 2 axes \(the model pools itself\)$/m);
  });

  it('may have a shape that the graph leaves open', async () => {
    const at = folderOf('open-rank.onnx', { ...HIDDEN, ...MEAN });
    for (const options of [{}, { output: 'last_hidden_state' }]) {
      near(await (await load(at, options)).embed(['one two']), meanOf(inside('one two')));
    }
  });

  it('by a name that nobody knows is refused with names and shapes, unless it is named', async () => {
    const parts = folderOf('bge-m3-parts.onnx', { ...HIDDEN, ...CLS });
    const wanted = /sparse_vecs \[batch, sequence, 1\], colbert_vecs \[batch, sequence, 8\].*output: '/;
    await assert.rejects(load(parts), { code: 'UNSUPPORTED', message: wanted });
    const embedder = await load(parts, { output: 'colbert_vecs' });
    near(await embedder.embed(['one two']), rowOf(WORDS.indexOf('[CLS]')));
    assert.match(embedder.name, /output colbert_vecs/);
    for (const options of [{}, { pooling: 'mean' as const }, { pooling: 'none' as const }]) {
      const logits = load(folderOf('logits.onnx', { ...HIDDEN, ...MEAN }), options);
      await assert.rejects(logits, { code: 'UNSUPPORTED', message: /logits \[batch, sequence, 12\]/ });
    }
    await assert.rejects(load(parts, { output: 'x' }), { code: 'BAD_ARGUMENT', message: /received "x".*sparse_vecs/ });
    await assert.rejects(load(parts, { output: '' }), { code: 'BAD_ARGUMENT', message: /string for output/ });
    const none = load(parts, { output: 'colbert_vecs', pooling: 'none' });
    await assert.rejects(none, { code: 'UNSUPPORTED', message: /2 axes of output colbert_vecs.*received 3/ });
  });

  it('of another width than the folder says is refused', async () => {
    for (const files of [HIDDEN, MEAN, { 'config.json': { text_config: { hidden_size: WIDTH } } }]) {
      const wide = folderOf('wide.onnx', { ...files, ...MEAN });
      await assert.rejects(load(wide), {
        code: 'UNSUPPORTED',
        message: /8 dims of output token_embeddings.*received 12/,
      });
    }
    assert.equal((await load(folderOf('wide.onnx', HIDDEN), { pooling: 'mean', output: 'token_embeddings' })).dim, 12);
    const own = { '1_Pooling/config.json': { pooling_mode_mean_tokens: true, word_embedding_dimension: 12 } };
    assert.equal((await load(folderOf('wide.onnx', { ...HIDDEN, ...own }))).dim, 12); // projected, and said so
  });

  it('is sentence_embedding where there is one, whatever modules.json has, projections in it too', async () => {
    const modules = [st('Transformer'), st('Pooling', '1_Pooling'), st('Dense', '2_Dense')];
    for (const [graph, dim] of [
      ['vectors.onnx', WIDTH],
      ['projected.onnx', 12],
    ] as const) {
      const embedder = await load(folderOf(graph, { ...HIDDEN, ...MEAN, 'modules.json': modules }));
      assert.equal(embedder.dim, dim);
      assert.match(embedder.decisions.join('\n'), /output: sentence_embedding/);
      assert.match(embedder.decisions.join('\n'), /^pooling: by the model itself$/m);
      assert.doesNotMatch(embedder.decisions.join('\n'), /^pooling: mean/m);
      if (dim === WIDTH) near(await embedder.embed(['one two']), sumOf('one two'));
    }
    // A caller who wants tokens pooled gets that, and no step behind it is left out.
    const mean = folderOf('vectors.onnx', { ...HIDDEN, ...MEAN });
    near(await (await load(mean, { pooling: 'mean' })).embed(['one two']), meanOf(inside('one two')));
    const left = folderOf('vectors.onnx', {
      ...HIDDEN,
      ...MEAN,
      'modules.json': [...modules, st('WeightedLayerPooling')],
    });
    await assert.rejects(load(left, { pooling: 'mean' }), { code: 'UNSUPPORTED', message: /WeightedLayerPooling/ });
  });

  it('is text_embeds of three axes for Jina v3, by its preset and by its folder', async () => {
    const preset = await load(folderOf('jina-v3.onnx'), { preset: 'jina-embeddings-v3' });
    const prefixed = [...'Represent the document for retrieval:'.split(' ').map(() => '[UNK]'), '[UNK]', 'one'];
    near(await preset.embed(['one']), meanOf(['[CLS]', ...prefixed, '[SEP]']));
    near(await (await load(folderOf('jina-v3.onnx', { ...HIDDEN, ...MEAN }))).embed(['one']), meanOf(inside('one')));
  });

  it('is never the pooler_output of a family that does not embed by it, without a word', async () => {
    const at = folderOf('pooler.onnx', HIDDEN);
    await assert.rejects(load(at), { code: 'BAD_ARGUMENT', message: /pooling/ });
    near(await (await load(at, { pooling: 'none' })).embed(['one']), sumOf('one'));
    const clip = folderOf('pooler.onnx', { 'config.json': { model_type: 'clip_text_model', hidden_size: WIDTH } });
    near(await (await load(clip)).embed(['one']), sumOf('one'));
    // The whole model's vector is projected, which is another output.
    const whole = folderOf('pooler.onnx', { 'config.json': { model_type: 'clip', hidden_size: WIDTH } });
    await assert.rejects(load(whole), { code: 'BAD_ARGUMENT', message: /pooling/ });
  });

  it('normalised gives vectors of length 1', async () => {
    near(await (await load(folderOf('bge-m3.onnx', CLS), { normalise: true })).embed(['one']), unit(sumOf('one')));
  });
});

describe('a graph without a mask', { skip: missing ?? false }, () => {
  const texts = ['one', 'one two three four', 'six five', 'two two two', 'four', 'one two'];
  const twice = (text: string) => meanOf(inside(text)).map((value) => 2 * value);

  it('that looks both ways gives each text the vector that it has alone', async () => {
    const embedder = await load(folderOf('leaky.onnx', { ...MEAN, 'config.json': { model_type: 'bert' } }));
    const all = await embedder.embed(texts);
    for (const [i, text] of texts.entries()) near(all.subarray(i * WIDTH, (i + 1) * WIDTH), twice(text));
    assert.match(embedder.decisions.join('\n'), /^padding: none, texts of one length share a run/m);
  });

  it('is refused where the folder says neither family nor length', async () => {
    const wanted = { code: 'UNSUPPORTED', message: /attention_mask.*padding.*model_type/ };
    await assert.rejects(load(folderOf('leaky.onnx', MEAN)), wanted);
    await assert.rejects(load(folderOf('siglip.onnx'), { pooling: 'none' }), wanted);
  });

  it('is filled up to the length of the folder, as SigLIP was trained', async () => {
    const config = (json: object) => ({ 'config.json': { model_type: 'siglip', ...json } });
    const padded = { ...tokenizerJson(), padding: { strategy: { Fixed: 7 }, pad_id: 0, pad_token: '[PAD]' } };
    for (const [files, length, options] of [
      [config({ text_config: { max_position_embeddings: 8 } }), 8, {}],
      [{ 'config.json': { model_type: 'siglip_text_model', max_position_embeddings: 9 } }, 9, {}],
      [{ ...config({}), 'tokenizer_config.json': { model_max_length: 10 } }, 10, {}],
      [config({}), 64, {}],
      [{ 'tokenizer.json': padded }, 7, { pooling: 'none' }],
    ] as const) {
      const embedder = await load(folderOf('siglip.onnx', files), options);
      const all = await embedder.embed([...texts, 'one '.repeat(70)]);
      const wanted = (words: string[]) => meanOf([...words, ...Array(length - words.length).fill('[PAD]')]);
      for (const [i, text] of texts.entries()) near(all.subarray(i * WIDTH, (i + 1) * WIDTH), wanted(inside(text)));
      near(all.subarray(-WIDTH), wanted(['[CLS]', ...Array(length - 2).fill('one'), '[SEP]']));
      assert.match(embedder.decisions.join('\n'), new RegExp(`^padding: to ${length} tokens always`, 'm'));
    }
  });

  it('is filled up with the token that the folder names, wherever its id is', async () => {
    const config = { 'config.json': { model_type: 'siglip', max_position_embeddings: 8 } };
    const said: Record<string, object>[] = [
      { 'tokenizer_config.json': { pad_token: 'six' } },
      { 'tokenizer_config.json': { pad_token: { content: 'six' } } },
      { 'special_tokens_map.json': { pad_token: 'six' } },
    ];
    for (const files of said) {
      const embedder = await load(folderOf('siglip.onnx', { ...config, ...files }));
      near(await embedder.embed(['one']), meanOf([...inside('one'), ...Array(5).fill('six')]));
    }
  });

  it('of CLIP, and of causal families that are pooled here, shares runs as before', async () => {
    const files = {
      'config.json': { model_type: 'clip_text_model' },
      'modules.json': [st('CLIPModel', '0_CLIPModel')],
    };
    const clip = await load(folderOf('clip.onnx', files));
    const all = await clip.embed(texts);
    for (const [i, text] of texts.entries()) {
      const top = Math.max(...inside(text).map((word) => WORDS.indexOf(word)));
      near(all.subarray(i * WIDTH, (i + 1) * WIDTH), rowOf(top));
    }
    assert.match(clip.decisions.join('\n'), /^padding: behind the text/m);
    assert.equal(clip.decisions.filter((one) => one.startsWith('padding: ')).length, 1, 'once');
    const both = { model_type: 'qwen2', is_causal: false };
    assert.match(
      (await load(folderOf('leaky.onnx', { ...MEAN, 'config.json': both }))).decisions.join('\n'),
      /padding: none/,
    );
  });
});

describe('the limit of a text', { skip: missing ?? false }, () => {
  const cut = async (embedder: Embedder) => {
    const words = ['one', 'two', 'three', 'four', 'five', 'six', 'one', 'two', 'three', 'four', 'five', 'six'];
    let truncated = 0;
    const ours = await embedder.embed([words.join(' ')], {
      onProgress: (progress) => (truncated = progress.truncated),
    });
    assert.equal(truncated, 1);
    for (let length = 3; length < 14; length++) {
      const wanted = meanOf(['[CLS]', ...words.slice(0, length - 2), '[SEP]']);
      if (wanted.every((value, d) => Math.abs(value - ours[d]!) < 1e-5)) return length;
    }
    return undefined;
  };

  it('is the smaller one of positions and what the tokenizer says, less the offset of padding', async () => {
    // Python would give the families' own classes steps of their own in the place of the file's.
    const tokenizer_class = 'PreTrainedTokenizerFast';
    const model = (model_type: string, json = {}) => ({
      'config.json': { model_type, ...json },
      'tokenizer_config.json': { tokenizer_class },
    });
    const says = (length: number) => ({ 'tokenizer_config.json': { tokenizer_class, model_max_length: length } });
    const own = (length: number) => ({ 'sentence_bert_config.json': { max_seq_length: length } });
    for (const [files, length] of [
      [{ ...model('bert', { max_position_embeddings: 8 }), ...says(512) }, 8],
      [{ ...model('bert', { max_position_embeddings: 512 }), ...says(7) }, 7],
      [{ ...model('bert', { max_position_embeddings: 8 }), ...own(512) }, 8],
      [{ ...model('roberta', { max_position_embeddings: 10, pad_token_id: 1 }), ...says(10 ** 30) }, 8],
      [{ ...model('xlm-roberta', { max_position_embeddings: 10, pad_token_id: 3 }), ...says(9) }, 6],
      [model('mpnet', { max_position_embeddings: 10 }), 8],
      [model('camembert', { max_position_embeddings: 11, pad_token_id: 1 }), 9],
      [model('clip', { text_config: { max_position_embeddings: 9 } }), 9],
      [{ ...model('modernbert', { max_position_embeddings: 8, global_rope_theta: 1 }), ...own(10) }, 10],
      [{ ...model('modernbert', { max_position_embeddings: 8, global_rope_theta: 1 }), ...says(10) }, 8],
    ] as const) {
      const at = folderOf('tokens.onnx', { ...MEAN, ...files });
      assert.equal(await cut(await load(at)), length, JSON.stringify(files));
    }
    const roberta = folderOf('tokens.onnx', { ...MEAN, ...model('roberta', { max_position_embeddings: 10 }) });
    await assert.rejects(load(roberta, { maxLength: 9 }), { code: 'BAD_ARGUMENT', message: /at most 8.*received 9/ });
  });

  it('is that of a graph of fixed length, whose runs are filled up', async () => {
    for (const [graph, length] of [
      ['fixed-1-6.onnx', 6],
      ['fixed-2-6.onnx', 6],
      ['fixed-3-any.onnx', undefined],
    ] as const) {
      const embedder = await load(folderOf(graph, MEAN));
      const texts = ['one', 'one two three four', '', 'six five', 'two two two', 'four', 'one two'];
      const all = await embedder.embed(texts);
      for (const [i, text] of texts.entries()) near(all.subarray(i * WIDTH, (i + 1) * WIDTH), meanOf(inside(text)));
      if (length !== undefined) {
        assert.equal(await cut(embedder), length);
        assert.match(embedder.decisions.join('\n'), /^limit: at most 6 tokens, the length of the graph$/m);
        const more = load(folderOf(graph, MEAN), { maxLength: 7 });
        await assert.rejects(more, { code: 'BAD_ARGUMENT', message: /at most 6 tokens.*received 7/ });
        assert.equal(await cut(await load(folderOf(graph, MEAN), { maxLength: 5 })), 5);
      }
    }
  });

  it('counts positions from that behind padding, where the graph wants them', async () => {
    const at = folderOf('positions.onnx', { ...MEAN, 'config.json': { model_type: 'roberta', pad_token_id: 1 } });
    near(
      await (await load(at)).embed(['one']),
      meanOf(inside('one')).map((value) => value + 3),
    ); // 2, 3 and 4
  });
});

describe('the file of a model', { skip: missing ?? false }, () => {
  it('is found by each name that exporters write, alone in onnx/', async () => {
    for (const name of [
      ...['model_O1', 'model_O2', 'model_O3', 'model_O4', 'text_model', 'encoder_model', 'model_fp16'],
      ...['model_qint8_arm64', 'model_qint8_avx512', 'model_qint8_avx512_vnni', 'model_quint8_avx2', 'model_quantized'],
      ...['model_q4', 'model_q4f16', 'model_bnb4', 'my-own'],
    ]) {
      assert.equal((await load(folderOf('tokens.onnx', MEAN, `onnx/${name}.onnx`))).dim, WIDTH, name);
    }
  });

  it('is taken in an order: whole precision, float16, int8, four bits', async () => {
    const order = [
      'model',
      'model_O2',
      'text_model',
      'model_fp16',
      'model_quantized',
      'model_qint8_avx512',
      'model_q4',
    ];
    for (const [i, name] of order.entries()) {
      // All that come later are no models.
      const later = Object.fromEntries(order.slice(i + 1).map((one) => [`onnx/${one}.onnx`, 'none']));
      assert.equal((await load(folderOf('tokens.onnx', { ...MEAN, ...later }, `onnx/${name}.onnx`))).dim, WIDTH, name);
    }
    const int8 = folderOf('tokens.onnx', { ...MEAN, 'onnx/model.onnx': 'none' }, 'onnx/model_qint8_arm64.onnx');
    assert.equal((await load(int8, { precision: 'int8' })).dim, WIDTH);
    const half = folderOf('tokens.onnx', MEAN, 'onnx/model_fp16.onnx');
    await assert.rejects(load(half, { precision: 'int8' }), {
      code: 'NO_MODEL',
      message: /there are onnx\/model_fp16/,
    });
  });

  it('that is none of several is missed with the names of those that are there', async () => {
    const at = folderOf('tokens.onnx', { ...MEAN, 'b.onnx': 'x' }, 'onnx/a.onnx');
    const wanted = { code: 'NO_MODEL', message: /there are b\.onnx, onnx\/a\.onnx: name one as model/ };
    await assert.rejects(load(at), wanted);
    await assert.rejects(load(at, { precision: 'int8' }), wanted);
    await assert.rejects(load(at, { model: 'c.onnx' }), wanted);
    assert.equal((await load(at, { model: 'onnx/a.onnx' })).dim, WIDTH);
  });

  it('is found by any name where it is alone beside PyTorch’s weights, and missed by names where it is one of several', async () => {
    const weights = { ...MEAN, 'model.safetensors': safetensors({ 'embeddings.word_embeddings.weight': table() }) };
    assert.equal((await load(folderOf('tokens.onnx', weights, 'onnx/minilm-v2.onnx'))).dim, WIDTH);
    await assert.rejects(load(folderOf('tokens.onnx', { ...weights, 'onnx/b.onnx': 'x' }, 'onnx/a.onnx')), {
      code: 'NO_MODEL',
      message: /there are onnx\/a\.onnx, onnx\/b\.onnx: name one as model/,
    });
    // A static model's own table comes before an ONNX file of another name.
    const table2vec = {
      'config.json': { model_type: 'model2vec' },
      'model.safetensors': safetensors({ embeddings: table() }),
    };
    assert.match((await load(folderOf('tokens.onnx', table2vec, 'onnx/b.onnx'))).decisions.join(), /static model/);
  });

  it('is the text tower where the folder is of a model of texts and pictures', async () => {
    const config = {
      model_type: 'clip',
      projection_dim: WIDTH,
      text_config: { hidden_size: WIDTH },
      vision_config: {},
    };
    const at = folderOf('clip-whole.onnx', { 'config.json': config }, 'onnx/model.onnx');
    const wanted = { code: 'UNSUPPORTED', message: /it wants pixel_values, since .* export its text tower alone$/ };
    await assert.rejects(load(at), wanted);
    copyFileSync(path.join(graphs.path, 'clip.onnx'), path.join(at, 'onnx', 'text_model_quantized.onnx'));
    const tower = await load(at);
    assert.match(tower.decisions.join('\n'), /^model: .*text_model_quantized\.onnx$/m);
    near(await tower.embed(['one']), rowOf(WORDS.indexOf('one')));
    copyFileSync(path.join(graphs.path, 'clip.onnx'), path.join(at, 'onnx', 'text_model.onnx'));
    assert.match((await load(at)).decisions.join('\n'), /^model: .*text_model\.onnx$/m);
    // A model that is named is that one, and the error says which others are there.
    await assert.rejects(load(at, { model: 'onnx/model.onnx' }), {
      code: 'UNSUPPORTED',
      message: /pixel_values.* name one of those beside it as model: text_model\.onnx, text_model_quantized\.onnx$/,
    });
  });

  it('of another width than its preset has is warned of', async () => {
    const options = { preset: 'nomic-embed-text-v1.5', prefixes: { query: '', document: '' } };
    const at = folderOf('tokens.onnx', MEAN);
    assert.match(
      (await load(at, options)).warnings.join('\n'),
      /nomic-embed-text-v1\.5 is of a model of 768 dims, .* 8:/,
    );
    assert.deepEqual((await load(at, { ...options, matryoshkaDims: [WIDTH] })).warnings, []);
    assert.deepEqual(
      (await load(at)).warnings.filter((one) => /dims/.test(one)),
      [],
    );
  });

  it('whose weights are not there is missed with their name', async () => {
    await assert.rejects(load(folderOf('outside.onnx', MEAN)), {
      code: 'NO_MODEL',
      message: /outside\.onnx_data, which/,
    });
  });

  it('that is newer than the runtime, or of a type that it lacks, is not called corrupt', async () => {
    for (const [name, message] of [
      ['newer-ir', /IR version: 99.*update onnxruntime-node/s],
      ['newer-opset', /Opset 99/],
      ['bfloat16', /float32/],
    ] as const) {
      await assert.rejects(load(folderOf(`${name}.onnx`, MEAN)), { code: 'UNSUPPORTED', message });
    }
  });
});

describe('Dense layers of a folder', { skip: missing ?? false }, () => {
  const matrix = (to: number, from: number, seed: number) =>
    Array.from({ length: to }, (_, o) =>
      Array.from({ length: from }, (_, d) => Math.fround(Math.cos(seed + o * from + d))),
    );
  const tensor = (values: readonly number[], shape: number[]) => {
    return { dtype: 'F32', shape, values: bytesOf(Float32Array.from(values)) };
  };
  const times = (weight: number[][], x: readonly number[], bias: readonly number[] = []) =>
    weight.map((row, o) => row.reduce((sum, value, d) => sum + value * x[d]!, bias[o] ?? 0));
  const activation = (name: string) => ({ activation_function: `torch.nn.modules.${name}` });
  const [first, second] = [matrix(12, WIDTH, 1), matrix(4, 12, 2)];
  const layer = (at: string, weight: number[][], config: object, bias?: readonly number[]) => ({
    [`${at}/config.json`]: {
      in_features: weight[0]!.length,
      out_features: weight.length,
      bias: bias !== undefined,
      ...config,
    },
    [`${at}/model.safetensors`]: safetensors({
      'linear.weight': tensor(weight.flat(), [weight.length, weight[0]!.length]),
      ...(bias && { 'linear.bias': tensor(bias, [bias.length]) }),
    }),
  });
  const modules = (...more: object[]) => ({
    'modules.json': [st('Transformer'), st('Pooling', '1_Pooling'), ...more],
  });
  const identity = activation('linear.Identity');
  const two = { ...layer('2_Dense', first, identity), ...layer('3_Dense', second, identity) };
  const x = meanOf(inside('one two'));

  it('are done behind pooling, two without a bias, before the vector gets length 1', async () => {
    const files = { ...MEAN, ...modules(st('Dense', '2_Dense'), st('Dense', '3_Dense'), st('Normalize', '4')), ...two };
    const embedder = await load(folderOf('tokens.onnx', files), { normalise: undefined });
    assert.equal(embedder.dim, 4);
    near(await embedder.embed(['one two']), unit(times(second, times(first, x))));
    assert.match(
      embedder.decisions.join('\n'),
      /step: Dense of 8 dims to 12, no bias, Identity \(2_Dense\)\nstep: Dense of 12 dims to 4/,
    );
    // So are those of EmbeddingGemma, whose preset counts on a graph that does them, where it does not.
    const preset = await load(folderOf('tokens.onnx', files), {
      preset: 'embeddinggemma-300m',
      prefixes: { query: '', document: '' },
      normalise: undefined,
    });
    near(await preset.embed(['one two']), unit(times(second, times(first, x))));
  });

  it('are done in the order of modules.json', async () => {
    const between = modules(st('Dense', '2_Dense'), st('Normalize', '4'), st('Dense', '3_Dense'));
    const embedder = await load(folderOf('tokens.onnx', { ...MEAN, ...between, ...two }), { normalise: undefined });
    near(await embedder.embed(['one two']), times(second, unit(times(first, x)))); // and no length 1 at the end
  });

  it('have a bias and an activation', async () => {
    const bias = [0.5, -0.25, 1, 2];
    const weight = matrix(4, WIDTH, 3);
    const plain = times(weight, x, bias.map(Math.fround));
    const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));
    for (const [config, rule] of [
      [activation('activation.Tanh'), Math.tanh],
      [{}, Math.tanh], // the class's default
      [identity, (value: number) => value],
      [activation('activation.ReLU'), (value: number) => Math.max(0, value)],
      [activation('activation.Sigmoid'), sigmoid],
      [activation('activation.SiLU'), (value: number) => value * sigmoid(value)],
    ] as const) {
      const at = folderOf('tokens.onnx', {
        ...MEAN,
        ...modules(st('Dense', '2')),
        ...layer('2', weight, config, bias),
      });
      near(await (await load(at)).embed(['one two']), plain.map(rule));
    }
    // Φ(x) of tables, to six digits: GELU is x Φ(x).
    const known = [
      [1, 0.841345],
      [-1, 0.158655],
      [2, 0.97725],
      [-3, 0.00135],
    ] as const;
    const zeros = known.map(() => Array<number>(WIDTH).fill(0));
    const gelu = layer(
      '2',
      zeros,
      activation('activation.GELU'),
      known.map(([value]) => value),
    );
    const at = folderOf('tokens.onnx', { ...MEAN, ...modules(st('Dense', '2')), ...gelu });
    near(
      await (await load(at)).embed(['one']),
      known.map(([value, share]) => value * share),
    );
  });

  it('that are not done here are refused by name', async () => {
    const one = modules(st('Dense', '2_Dense'));
    const refused: [object, string, RegExp][] = [
      [{ ...one }, 'NO_MODEL', /2_Dense.model\.safetensors.*pytorch_model\.bin is not read/],
      [{ ...one, ...layer('2_Dense', first, activation('activation.Softmax')) }, 'UNSUPPORTED', /GELU.*Softmax/],
      [{ ...one, ...layer('2_Dense', first, { activation_function: 'my.Own' }) }, 'UNSUPPORTED', /"my\.Own"/],
      [{ ...one, ...layer('2_Dense', first, { use_residual: true }) }, 'UNSUPPORTED', /use_residual false.*true/],
      [
        { ...one, ...layer('2_Dense', first, { module_input_name: 'token_embeddings' }) },
        'UNSUPPORTED',
        /token_embeddings/,
      ],
      [{ ...one, ...layer('2_Dense', first, { out_features: 3 }) }, 'CORRUPT', /out_features 12.*received 3/],
      [{ ...one, ...layer('2_Dense', first, { bias: true }) }, 'CORRUPT', /12 values of linear\.bias.*received 0/],
      [{ ...one, ...layer('2_Dense', second, identity) }, 'UNSUPPORTED', /12 dims before the Dense layer.*received 8/],
      [modules(st('LayerNorm', '2')), 'UNSUPPORTED', /has LayerNorm/],
      [
        { 'modules.json': [st('Transformer'), st('Dense', '1'), st('Pooling', '1_Pooling')] },
        'UNSUPPORTED',
        /has Pooling/,
      ],
    ];
    for (const [files, code, message] of refused) {
      const at = folderOf('tokens.onnx', { ...MEAN, ...files });
      await assert.rejects(load(at), { code, message });
    }
  });
});

it('a quantised model gives a text one vector always with batchSize: 1', { skip: missing ?? false }, async () => {
  const texts = ['one', 'two', 'six', 'four', 'five', 'one two', 'three', 'zero'];
  const at = folderOf('quantised.onnx', MEAN);
  const differ = async (options: Partial<EmbedderOptions>) => {
    const embedder = await load(at, options);
    const all = await embedder.embed(texts);
    let most = 0;
    for (const [i, text] of texts.entries()) {
      const alone = await embedder.embed([text]);
      for (const [d, value] of alone.entries()) most = Math.max(most, Math.abs(value - all[i * WIDTH + d]!));
    }
    return most;
  };
  assert.ok((await differ({})) > 1e-4); // the model is one of that kind
  assert.equal(await differ({ batchSize: 1 }), 0);
});
