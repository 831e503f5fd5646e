/** A name covers every byte that decides a vector, and is made once for as long as nothing is touched. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { Embedder, type EmbedderOptions } from 'funnelvec/embed';
import { modelIdentityOf } from '#dist/embed/identity.js';
import { Folder, safetensors, staticFolder, table, tokenizerJson, WIDTH } from './tiny.js';

const folders: Folder[] = [];
const before = process.env['XDG_CACHE_HOME'];
const cache = new Folder();
folders.push(cache);
process.env['XDG_CACHE_HOME'] = cache.path;
after(() => {
  if (before === undefined) delete process.env['XDG_CACHE_HOME'];
  else process.env['XDG_CACHE_HOME'] = before;
  for (const one of folders) one.remove();
});

async function namesOf(at: string, options: Partial<EmbedderOptions> = {}) {
  const embedder = await Embedder.load({ path: at, threads: 1, name: 'm', ...options });
  const { name, formerName } = embedder;
  await embedder.close();
  return { name, formerName };
}

function folder(): Folder {
  const made = staticFolder();
  folders.push(made);
  return made;
}

/** Values in the midst of a file of more than two MiB. */
function longTable(middle: number): Buffer {
  const values = new Array<number>(WIDTH * 100_000).fill(0.5);
  values[WIDTH * 50_000] = middle;
  return safetensors({ 'embedding.weight': table(values) });
}

describe('the name of an embedder', () => {
  it('is another where a byte in the midst of the weights is another', async () => {
    const [one, two] = [
      folder().write({ 'model.safetensors': longTable(1) }),
      folder().write({ 'model.safetensors': longTable(2) }),
    ];
    const [a, b] = [await namesOf(one.path), await namesOf(two.path)];
    assert.notEqual(a.name, b.name);
    assert.equal(a.formerName, b.formerName); // the fault of versions before
    assert.match(a.name, /^m [0-9a-f]{12} \(mean, dim 8, l2\)$/);
  });

  it('is another where tokenizer or configuration is, and the same where only their form is', async () => {
    const made = folder();
    const { name } = await namesOf(made.path);
    const json = tokenizerJson();
    const changes: [string, object][] = [
      ['tokenizer.json', { ...json, normalizer: null }],
      ['tokenizer_config.json', { do_lower_case: true }],
      ['sentence_bert_config.json', { max_seq_length: 3 }],
      ['config.json', { max_position_embeddings: 7 }],
      ['special_tokens_map.json', { unk_token: '[UNK]' }],
    ];
    const seen = new Set([name]);
    for (const [file, content] of changes) seen.add((await namesOf(folder().write({ [file]: content }).path)).name);
    assert.equal(seen.size, changes.length + 1);
    const written = (text: string) => namesOf(folder().write({ 'config_sentence_transformers.json': text }).path);
    const plain = await written('{"prompts": {"query": "three "}, "truncate_dim": 8}');
    assert.equal(
      (await written('{ "truncate_dim":8, "__version__": {"pytorch": "2"},\n "prompts": {"query": "three "} }')).name,
      plain.name,
    );
    assert.notEqual((await namesOf(made.path, { maxLength: 5 })).name, name);
  });

  it('covers 1_Pooling without modules.json, and older names of the transformer’s configuration', async () => {
    const seen = new Set<string>();
    const changes: Record<string, string>[] = [
      {},
      { '1_Pooling/config.json': '{"pooling_mode": "mean"}' },
      { '1_Pooling/config.json': '{"pooling_mode": "mean", "include_prompt": false}' },
      { 'sentence_roberta_config.json': '{"max_seq_length": 7}' },
      { 'sentence_roberta_config.json': '{"max_seq_length": 5}' },
    ];
    for (const files of changes) seen.add((await namesOf(folder().write(files).path)).name);
    assert.equal(seen.size, changes.length);
  });

  it('covers modules, and weights that an ONNX file keeps in others', async () => {
    const made = folder();
    const location = (name: string) => `\x0a\x08location\x12${String.fromCharCode(name.length)}${name}`;
    // Long enough that names lie across the seams of what is read at once.
    for (const at of [10, (4 << 20) - 12, (4 << 20) - 3, (4 << 20) + 5]) {
      const bytes = Buffer.alloc(5 << 20);
      bytes.write(location('weights.bin'), at, 'latin1');
      const files = {
        folder: made.path,
        model: path.join(made.path, 'x.onnx'),
        tokenizer: path.join(made.path, 'tokenizer.json'),
      };
      const seen = new Set<string>();
      made.write({ 'x.onnx': bytes });
      for (const content of ['a', 'b']) {
        made.write({ 'weights.bin': content });
        seen.add(await modelIdentityOf(files, []));
      }
      made.write({ '2_Dense/model.safetensors': `dense ${at}` });
      seen.add(await modelIdentityOf(files, ['2_Dense']));
      assert.equal(seen.size, 3, `at ${at}`);
    }
  });

  it('is remembered, and made anew for a file of the same size and times', async () => {
    const made = folder();
    const file = path.join(made.path, 'model.safetensors');
    const big = (middle: number) => Buffer.concat([longTable(middle), Buffer.alloc(8 << 20)]);
    const touched = Date.now();
    writeFileSync(file, big(1));
    const files = { folder: made.path, model: file, tokenizer: path.join(made.path, 'tokenizer.json') };
    // Whole seconds, which every file system keeps as they are.
    const long = new Date(Math.floor(Date.now() / 1000 - 3600) * 1000);
    utimesSync(file, long, long);
    const records = () => {
      try {
        return readdirSync(path.join(cache.path, 'funnelvec', 'models'));
      } catch {
        return [];
      }
    };
    const first = await modelIdentityOf(files, []);
    if (Date.now() - touched < 1500) {
      assert.equal(records().length, 0, 'touched a moment ago: another file could have the same times');
    }
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    assert.equal(await modelIdentityOf(files, []), first);
    const [record] = records();
    assert.ok(record?.endsWith('.json'));
    const at = path.join(cache.path, 'funnelvec', 'models', record!);

    // In another process the record is taken at its word, which shows that the file is not read.
    const kept = readFileSync(at, 'utf8');
    const elsewhere = () => {
      const script = `import { modelIdentityOf } from '#dist/embed/identity.js'; process.stdout.write(await modelIdentityOf(${JSON.stringify(files)}, []))`;
      const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
        cwd: process.cwd(),
      });
      assert.equal(run.status, 0, run.stderr);
      return run.stdout;
    };
    assert.equal(elsewhere(), first);
    writeFileSync(at, kept.replace(/"sha256":"[0-9a-f]{8}/, '"sha256":"00000000'));
    assert.notEqual(elsewhere(), first);
    for (const broken of ['', '{', 'null', '{"stamp":3}']) {
      writeFileSync(at, broken);
      assert.equal(elsewhere(), first, 'a broken record is no record');
    }
    writeFileSync(at, kept);

    const { mtimeMs, size } = statSync(file);
    const other = `${file}.new`;
    writeFileSync(other, big(2));
    assert.equal(statSync(other).size, size);
    utimesSync(other, long, new Date(mtimeMs));
    renameSync(other, file);
    assert.equal(statSync(file).mtimeMs, mtimeMs);
    assert.notEqual(await modelIdentityOf(files, []), first);
    assert.notEqual(elsewhere(), first);
  });

  it('needs no place to be remembered in', async () => {
    const made = folder();
    const blocked = path.join(made.path, 'blocked');
    writeFileSync(blocked, ''); // a file where a folder should be
    const model = path.join(made.path, 'long.bin');
    writeFileSync(model, Buffer.alloc(9 << 20));
    await new Promise((resolve) => setTimeout(resolve, 2_100)); // old enough to be remembered
    process.env['XDG_CACHE_HOME'] = blocked;
    try {
      const files = { folder: made.path, model, tokenizer: path.join(made.path, 'tokenizer.json') };
      assert.match(await modelIdentityOf(files, []), /^[0-9a-f]{12}$/);
    } finally {
      process.env['XDG_CACHE_HOME'] = cache.path;
    }
  });
});
