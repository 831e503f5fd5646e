/** Keys of sentence-transformers 5.7 and 6.2: each done as Python does it, or refused by name. */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Embedder, type EmbedderOptions } from 'funnelvec/embed';
import { Folder, meanOf, onnxFolder, rowOf, tokenizerJson, unit, WIDTH, WORDS } from './tiny.js';

let base: Folder;
const open: Embedder[] = [];
const folders: Folder[] = [];
before(async () => {
  base = await onnxFolder();
  folders.push(base);
});
after(async () => {
  await Promise.all(open.map((embedder) => embedder.close()));
  for (const one of folders) one.remove();
});

const st = (type: string, at = '') => ({ type: `sentence_transformers.models.${type}`, path: at });
const MODULES = [st('Transformer'), st('Pooling', '1_Pooling')];
const NORMALIZED = [...MODULES, st('Normalize', '2_Normalize')];
const TRANSFORMER = 'sentence_bert_config.json';
const MODEL = 'config_sentence_transformers.json';
const POOLING = '1_Pooling/config.json';

/** A folder with tokens.onnx (or another of the tiny graphs) and these files. */
async function load(files: Record<string, object>, options: Partial<EmbedderOptions> = {}, graph = 'tokens') {
  const folder = new Folder();
  folders.push(folder);
  copyFileSync(`${base.path}/${graph}.onnx`, `${folder.path}/model.onnx`);
  folder.write({
    'tokenizer.json': tokenizerJson(),
    'modules.json': MODULES,
    [POOLING]: { pooling_mode: 'mean' },
    ...files,
  });
  const embedder = await Embedder.load({ path: folder.path, threads: 1, ...options });
  open.push(embedder);
  return embedder;
}

function near(ours: ArrayLike<number>, wanted: readonly number[], message?: string) {
  assert.equal(ours.length, wanted.length, message);
  for (const [d, value] of wanted.entries()) assert.ok(Math.abs(ours[d]! - value) < 1e-5, `${message}: dim ${d}`);
}

const rows = (...words: string[]) => meanOf(words);

describe('pooling of a folder', () => {
  const text = ['[CLS]', 'one', 'two', '[SEP]'];
  const known: [object, number[]][] = [
    [{ pooling_mode: 'mean' }, rows(...text)],
    [{ pooling_mode: ['mean'] }, rows(...text)],
    [{ pooling_mode: 'cls', pooling_mode_mean_tokens: true }, rowOf(WORDS.indexOf('[CLS]'))],
    [{ pooling_mode: 'lasttoken' }, rowOf(WORDS.indexOf('[SEP]'))],
    [{ pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }, rowOf(WORDS.indexOf('[CLS]'))],
    [{ embedding_dimension: WIDTH }, rows(...text)], // Python's default
  ];
  for (const [config, wanted] of known) {
    it(`is that of ${JSON.stringify(config)}`, async () => {
      near(await (await load({ [POOLING]: config })).embed(['one two']), wanted);
    });
  }

  const refused: [object, RegExp][] = [
    [{ pooling_mode: ['mean', 'cls'] }, /"mean" and "cls", whose vectors Python puts side by side/],
    [{ pooling_mode_mean_tokens: true, pooling_mode_max_tokens: true }, /"max" and "mean"/],
    [{ pooling_mode: 'weightedmean' }, /has "weightedmean"/],
    [{ pooling_mode: 'max' }, /has "max"/],
    [{ pooling_mode: 'mean_sqrt_len_tokens' }, /has "mean_sqrt_len_tokens"/],
    [{ pooling_mode: 'newest' }, /has "newest"/],
  ];
  for (const [config, message] of refused) {
    it(`is refused: ${JSON.stringify(config)}`, async () => {
      await assert.rejects(load({ [POOLING]: config }), { code: 'UNSUPPORTED', message });
      // A caller who knows better, and a graph that pools, are not in the way.
      near(await (await load({ [POOLING]: config }, { pooling: 'mean' })).embed(['one two']), rows(...text));
      await load({ [POOLING]: config }, {}, 'vectors');
    });
  }

  it('leaves the prompt’s tokens out where include_prompt is false', async () => {
    const prompts = { [MODEL]: { prompts: { query: 'three four ', document: '' } } };
    const without = { ...prompts, [POOLING]: { pooling_mode: 'mean', include_prompt: false } };
    near(await (await load(prompts)).embed(['one'], { role: 'query' }), rows('[CLS]', 'three', 'four', 'one', '[SEP]'));
    const embedder = await load(without);
    near(await embedder.embed(['one'], { role: 'query' }), rows('one', '[SEP]')); // [CLS] goes with the prompt
    near(await embedder.embed(['one']), rows('[CLS]', 'one', '[SEP]'));
    const batch = await embedder.embed(['one', 'one two five six'], { role: 'query' });
    near(batch.subarray(0, WIDTH), rows('one', '[SEP]'));
    near(batch.subarray(WIDTH), rows('one', 'two', 'five', 'six', '[SEP]'));
    const cls = await load({ ...prompts, [POOLING]: { pooling_mode: 'cls', include_prompt: false } });
    near(await cls.embed(['one'], { role: 'query' }), rowOf(WORDS.indexOf('one')));
  });
});

describe('prompts of a folder', () => {
  it('of documents are "document", "passage" or "corpus", in this order', async () => {
    for (const [prompts, word] of [
      [{ corpus: 'five ' }, 'five'],
      [{ corpus: 'five ', passage: 'four ' }, 'four'],
      [{ corpus: 'five ', document: 'three ' }, 'three'],
    ] as const) {
      const embedder = await load({ [MODEL]: { prompts } });
      near(await embedder.embed(['one']), rows('[CLS]', word, 'one', '[SEP]'), JSON.stringify(prompts));
      const isSaid = /encode_document\(\) of sentence-transformers .* puts nothing there/.test(
        embedder.warnings.join(),
      );
      assert.equal(isSaid, !('document' in prompts));
    }
    const bare = await load({ [MODEL]: { prompts: { corpus: 'five ' } } }, { prefixes: { document: '' } });
    near(await bare.embed(['one']), rows('[CLS]', 'one', '[SEP]'));
    assert.deepEqual(bare.warnings, []);
  });

  it('with a default for texts that have none are refused until it is said what they get', async () => {
    const files = { [MODEL]: { prompts: { task: 'four ', query: 'three ' }, default_prompt_name: 'task' } };
    await assert.rejects(load(files), {
      code: 'UNSUPPORTED',
      message: /prefixes: \{ document \}.*default_prompt_name "task"/,
    });
    const embedder = await load(files, { prefixes: { document: 'four ' } });
    near(await embedder.embed(['one']), rows('[CLS]', 'four', 'one', '[SEP]'));
    near(await embedder.embed(['one'], { role: 'query' }), rows('[CLS]', 'three', 'one', '[SEP]'));
    const both = { prompts: { query: 'three ', document: 'five ' }, default_prompt_name: 'query' };
    near(await (await load({ [MODEL]: both })).embed(['one']), rows('[CLS]', 'five', 'one', '[SEP]'));
    await load({ [MODEL]: { prompts: { query: '' }, default_prompt_name: null } });
  });
});

describe('the transformer’s keys', () => {
  const refused: [string, object, RegExp][] = [
    ['lengths of roles', { query_length: 4, document_length: 8 }, /query_length 4 and document_length 8/],
    ['a length of queries', { query_length: 4 }, /query_length 4 and document_length null/],
    ['query expansion', { query_expansion: { strategy: 'fixed' } }, /query_expansion/],
    ['a chat template', { modality_config: { text: { method: 'forward' }, message: {} } }, /"message".*chat template/],
    ['another method', { modality_config: { text: { method: 'get_sense' } } }, /method "get_sense"/],
    [
      'an output of another layer',
      { modality_config: { text: { method: 'forward', method_output_name: ['hidden_states', -2] } } },
      /method_output_name \["hidden_states",-2\]/,
    ],
    [
      'the pooler’s output as that of tokens',
      {
        modality_config: { text: { method: 'forward', method_output_name: 'pooler_output' } },
        module_output_name: 'token_embeddings',
      },
      /method_output_name "pooler_output"/,
    ],
    ['another task', { transformer_task: 'fill-mask' }, /transformer_task "fill-mask"/],
    [
      'no truncation',
      { processing_kwargs: { text: { truncation: false } } },
      /processing_kwargs\.text\.truncation false/,
    ],
    ['padding', { processing_kwargs: { common: { padding: 'max_length' } } }, /processing_kwargs\.common\.padding/],
    ['no special tokens', { processing_kwargs: { text: { add_special_tokens: false } } }, /add_special_tokens false/],
    ['tokenizer arguments', { processor_kwargs: { model_max_length: 3 } }, /processor_kwargs\.model_max_length/],
  ];
  for (const [what, config, message] of refused) {
    it(`refuse ${what}`, async () => {
      await assert.rejects(load({ [TRANSFORMER]: config }), { code: 'UNSUPPORTED', message });
    });
  }

  it('that decide no vector load', async () => {
    await load({
      [TRANSFORMER]: {
        transformer_task: 'feature-extraction',
        modality_config: { text: { method: 'forward', method_output_name: ['last_hidden_state'] } },
        module_output_name: 'token_embeddings',
        unpad_inputs: false,
        query_expansion: null,
        model_kwargs: { attn_implementation: 'sdpa' },
        processing_kwargs: { text: { truncation: true, padding: true }, image: { size: 3 } },
      },
    });
  });

  it('have lower case done by the normaliser, where added tokens are found before and a final sigma is none', async () => {
    const lower = { [TRANSFORMER]: { do_lower_case: true } };
    const whole = tokenizerJson();
    const model = whole['model'] as { vocab: Record<string, number> };
    const vocab = { ...model.vocab, οσ: WORDS.indexOf('one'), ος: WORDS.indexOf('two') };
    const embedder = await load({ ...lower, 'tokenizer.json': { ...whole, model: { ...model, vocab } } });
    near(await embedder.embed(['ONE [SEP] ΟΣ']), rows('[CLS]', 'one', '[SEP]', 'one', '[SEP]'));
    assert.match(embedder.decisions.join(), /do_lower_case of sentence_bert_config\.json/);
    near(await (await load({})).embed(['ONE']), rows('[CLS]', '[UNK]', '[SEP]'));
  });

  it('and all files of the transformer may lie in a folder of their own', async () => {
    const modules = [st('Transformer', '0_Transformer'), st('Pooling', '1_Pooling')];
    const whole = tokenizerJson();
    const folder = new Folder();
    folders.push(folder);
    folder.write({
      'modules.json': modules,
      [POOLING]: { pooling_mode: 'cls' },
      '0_Transformer/tokenizer.json': whole,
      '0_Transformer/tokenizer_config.json': { model_max_length: 4, truncation_side: 'left', pad_token: 'six' },
      '0_Transformer/config.json': { model_type: 'tiny', max_position_embeddings: 8 },
    });
    copyFileSync(`${base.path}/tokens.onnx`, `${folder.path}/0_Transformer/model.onnx`);
    const embedder = await Embedder.load({ path: folder.path, threads: 1, pooling: 'mean' });
    open.push(embedder);
    near(await embedder.embed(['one two five six']), rows('[CLS]', 'five', 'six', '[SEP]'));
    assert.match(embedder.decisions.join(), /limit: 4 tokens/);
  });

  it('may say that the model pools itself, by its pooler', async () => {
    const pooler = {
      modality_config: { text: { method: 'forward', method_output_name: 'pooler_output' } },
      module_output_name: 'sentence_embedding',
    };
    const embedder = await load({ 'modules.json': [st('Transformer')], [TRANSFORMER]: pooler }, {}, 'pooler');
    assert.match(embedder.decisions.join(), /output: pooler_output of 2 axes/);
    await assert.rejects(load({ 'modules.json': [st('Transformer')], [TRANSFORMER]: pooler }), {
      code: 'UNSUPPORTED',
      message: /pooler_output/,
    });
  });

  it('limit a text as Python does', async () => {
    const cut = rows('[CLS]', 'one', '[SEP]');
    for (const config of [
      { query_length: 3, document_length: 3 },
      { max_seq_length: 5, processing_kwargs: { text: { max_length: 3 } } },
    ]) {
      near(await (await load({ [TRANSFORMER]: config })).embed(['one two three']), cut, JSON.stringify(config));
    }
    // The configuration by an older name, in the folder of its module.
    const modules = [st('Transformer', '0_Transformer'), st('Pooling', '1_Pooling')];
    const older = { 'modules.json': modules, '0_Transformer/sentence_roberta_config.json': { max_seq_length: 3 } };
    near(await (await load(older)).embed(['one two three']), cut);
  });

  it('cut the beginning of a text off where truncation_side is "left"', async () => {
    const wanted = rows('[CLS]', 'five', 'six', '[SEP]');
    const limit = { [TRANSFORMER]: { max_seq_length: 4 } };
    const ways: Record<string, object>[] = [
      { 'tokenizer_config.json': { truncation_side: 'left' } },
      {
        'tokenizer.json': {
          ...tokenizerJson(),
          truncation: { direction: 'Left', max_length: 4, strategy: 'LongestFirst', stride: 0 },
        },
      },
    ];
    for (const files of ways) {
      const embedder = await load({ ...limit, ...files });
      let truncated = 0;
      near(await embedder.embed(['one two five six'], { onProgress: (now) => (truncated = now.truncated) }), wanted);
      assert.equal(truncated, 1);
      near(await embedder.embed(['five six']), wanted);
      assert.deepEqual([...(await embedder.countTokens(['one two five six']))], [6]);
    }
    const right = {
      'tokenizer.json': { ...tokenizerJson(), truncation: { direction: 'Left' } },
      'tokenizer_config.json': { truncation_side: 'right' },
    };
    near(await (await load({ ...limit, ...right })).embed(['one two five six']), rows('[CLS]', 'one', 'two', '[SEP]'));
  });
});

describe('the model’s keys', () => {
  it('cut vectors to truncate_dim, after they are normalised', async () => {
    const files = { 'modules.json': NORMALIZED, [MODEL]: { truncate_dim: 4 } };
    const whole = unit(rows('[CLS]', 'one', '[SEP]'));
    const embedder = await load(files);
    assert.equal(embedder.dim, 4);
    near(await embedder.embed(['one']), whole.slice(0, 4));
    assert.match(embedder.name, /dim 4, l2, cut last\)$/);
    // A cut that the caller wants comes first, as ever.
    near(await (await load(files, { dim: 4 })).embed(['one']), unit(whole.slice(0, 4)));
    near(await (await load(files, { dim: WIDTH })).embed(['one']), whole);
    assert.equal((await load({ [MODEL]: { truncate_dim: 100 } })).dim, WIDTH);
  });

  it('refuse a truncate_dim that is no number of dims', async () => {
    for (const truncate_dim of [-4, 0, 2.5, '4']) {
      await assert.rejects(load({ [MODEL]: { truncate_dim } }), { code: 'UNSUPPORTED', message: /truncate_dim/ });
    }
    await load({ [MODEL]: { truncate_dim: null } });
  });

  it('refuse models of another kind, and a Normalize of tokens', async () => {
    await assert.rejects(load({ [MODEL]: { model_type: 'SparseEncoder' } }), {
      code: 'UNSUPPORTED',
      message: /model_type "SparseEncoder"/,
    });
    const tokens = { 'modules.json': NORMALIZED, '2_Normalize/config.json': { module_input_name: 'token_embeddings' } };
    await assert.rejects(load(tokens), { code: 'UNSUPPORTED', message: /module_input_name "token_embeddings"/ });
    await load({ [MODEL]: { model_type: 'SentenceTransformer', similarity_fn_name: 'dot', __version__: {} } });
  });

  it('that nobody knows are warned of, in each file', async () => {
    const warned = await warningsOf(() =>
      load({ [MODEL]: { flavour: 1 }, [TRANSFORMER]: { mood: 2 }, [POOLING]: { pooling_mode: 'mean', depth: 3 } }),
    );
    assert.match(
      warned.join(),
      /depth of 1_Pooling\/config\.json, flavour of config_sent.*, mood of sentence_bert_config/,
    );
    assert.deepEqual(await warningsOf(() => load({})), []);
  });
});

describe('a tokenizer whose template gives tokens types other than 0', () => {
  it('is refused by name', async () => {
    const whole = tokenizerJson();
    const last = { SpecialToken: { id: '[SEP]', type_id: 2 } };
    const { single, ...steps } = whole['post_processor'] as { single: object[] };
    const typed = { ...whole, post_processor: { ...steps, single: [...single.slice(0, 2), last] } };
    await assert.rejects(load({ 'tokenizer.json': typed }), { code: 'UNSUPPORTED', message: /type_id 0 alone/ });
  });
});

describe('an export without the model’s own files', () => {
  it('is warned of: neither pooling nor prompts are said', async () => {
    const folder = new Folder();
    folders.push(folder);
    copyFileSync(`${base.path}/vectors.onnx`, `${folder.path}/model.onnx`);
    folder.write({ 'tokenizer.json': tokenizerJson() });
    const at = async (options: Partial<EmbedderOptions>) => {
      open.push(await Embedder.load({ path: folder.path, threads: 1, ...options }));
    };
    assert.match((await warningsOf(() => at({}))).join(), /neither pooling nor prompts.*prefixes: \{ query/);
    assert.match((await warningsOf(() => at({ pooling: 'mean' }))).join(), /says no prompts/);
    assert.deepEqual(await warningsOf(() => at({ prefixes: {} })), []);
  });
});

async function warningsOf(run: () => Promise<unknown>): Promise<string[]> {
  const found: string[] = [];
  const listen = (warning: Error & { code?: string }) => {
    if (warning.code === 'FUNNELVEC_MODEL') found.push(warning.message);
  };
  process.on('warning', listen);
  await run();
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  return found;
}
