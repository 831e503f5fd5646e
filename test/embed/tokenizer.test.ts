/** Token ids are those of Hugging Face's own library, whole texts and parts of them put together. */
// Runs alone: it measures how soon a call ends.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { loadTokenizers } from '#dist/embed/packages.js';
import { TextTokenizer, type TokenizerSetup } from '#dist/embed/tokenizer.js';
import { WordMemory } from '#dist/embed/words.js';
import { least, processorMs } from '../patient.js';
import { Random, SEED } from '../random.js';
import { HOSTILE, loadGlosses, python, realModels } from './real.js';

const models = await realModels();
const skip = models.missing ?? false;
const { wordllama, minilm } = models as { wordllama: string; minilm: string };
const FILES = skip
  ? {}
  : {
      WordLlama: join(wordllama, 'tokenizers/l2_supercat_tokenizer_config.json'),
      'all-MiniLM-L6-v2': join(minilm, 'tokenizer.json'),
    };

function setupOf(file: string, more: Partial<TokenizerSetup> = {}): TokenizerSetup {
  const json = readFileSync(file, 'utf8');
  const base = { json, file, specialTokens: true, strip: false };
  return { ...base, maxLength: Number.POSITIVE_INFINITY, ...more };
}

async function idsInPython(file: string, texts: readonly string[], special: boolean): Promise<number[][]> {
  const input = JSON.stringify({ file, texts, special });
  const run = spawnSync(await python(), [resolve('test/models/token_ids.py')], { input, maxBuffer: 2 ** 28 });
  assert.equal(run.status, 0, String(run.stderr));
  return JSON.parse(String(run.stdout));
}

/** Texts out of pieces that tokenizers treat in different ways, so that cuts fall everywhere. */
function mixed(count: number): string[] {
  const random = new Random(SEED);
  const pieces = [
    'word',
    'Words',
    ' ',
    '  ',
    '\n',
    '\t',
    'é',
    'e\u0301',
    '日本',
    '👍🏽',
    'a',
    '1',
    '2024',
    '.',
    ',',
    "'s",
    '-',
  ];
  pieces.push('<s>', '[SEP]', '▁', 'ß', 'الف', '\u00a0', 'İ', '_', 'x', '##', '\u200d', 'the', 'pneumono');
  return Array.from({ length: count }, () =>
    Array.from({ length: random.int(1, 30) }, () => (random.chance(0.35) ? ' ' : random.pick(pieces))).join(''),
  );
}

for (const [name, file] of Object.entries(FILES)) {
  describe(`the tokenizer of ${name}`, { skip }, () => {
    it('gives the ids of Python’s library for glosses, hostile texts and random ones', async () => {
      const { texts } = await loadGlosses({ count: 3000 });
      const all = [...texts, ...HOSTILE, ...mixed(3000), texts.slice(0, 400).join(' ')];
      for (const specialTokens of [true, false]) {
        const theirs = await idsInPython(file, all, specialTokens);
        const tokenizer = new TextTokenizer(setupOf(file, { specialTokens }));
        for (const [i, text] of all.entries()) {
          assert.deepEqual(tokenizer.encode(text), { ids: theirs[i], truncated: false }, JSON.stringify(text));
          assert.equal(tokenizer.count(text), theirs[i]!.length);
        }
      }
    });

    it('is one whose texts may be cut at words', () => {
      const { Tokenizer } = loadTokenizers();
      const json = JSON.parse(readFileSync(file, 'utf8'));
      assert.ok(WordMemory.of(new Tokenizer(json, {}), json));
    });

    it('cuts a text that is too long in front of its last special tokens', () => {
      const whole = new TextTokenizer(setupOf(file)).encode('one two three four five six seven').ids;
      const last = name === 'WordLlama' ? [] : [102];
      for (let maxLength = 1 + last.length; maxLength <= whole.length + 1; maxLength++) {
        if (maxLength === 1 + last.length) {
          assert.throws(() => new TextTokenizer(setupOf(file, { maxLength })), { code: 'BAD_ARGUMENT' });
          continue;
        }
        const { ids, truncated } = new TextTokenizer(setupOf(file, { maxLength })).encode(
          'one two three four five six seven',
        );
        const kept = whole.slice(0, Math.min(maxLength, whole.length) - last.length);
        assert.deepEqual(ids, [...kept, ...last]);
        assert.equal(truncated, maxLength < whole.length);
      }
    });

    it('reads no more of a long text than it keeps', async () => {
      const text = 'some words of a text that does not end '.repeat(100_000); // four million characters
      const tokenizer = new TextTokenizer(setupOf(file, { maxLength: 256 }));
      const encode = () => {
        const { ids, truncated } = tokenizer.encode(text);
        assert.ok(truncated);
        assert.equal(ids.length, 256);
      };
      assert.ok((await least(100, () => processorMs(encode))) < 100, 'the whole takes seconds');
    });
  });
}

describe('parts of a text', { skip }, () => {
  const llama = () => JSON.parse(readFileSync(FILES.WordLlama!, 'utf8'));
  const memoryOf = (json: object) => WordMemory.of(new (loadTokenizers().Tokenizer)(json, {}), json);

  it('stay together where a token crosses words', () => {
    const json = llama();
    json.model.vocab['s▁t'] = 32_000;
    json.model.merges.unshift('s ▁t');
    assert.equal(memoryOf(json), undefined);
  });

  it('stay together where an added token is words', () => {
    const json = llama();
    json.added_tokens.push({ ...json.added_tokens[0], id: 32_000, content: 'two words' });
    assert.equal(memoryOf(json), undefined);
    json.added_tokens.pop();
    assert.ok(memoryOf(json));
  });

  it('stay together where the first is treated in another way', () => {
    const json = llama();
    json.normalizer.normalizers.pop();
    json.normalizer.normalizers.shift();
    json.normalizer.normalizers.push({ type: 'Replace', pattern: { String: ' ' }, content: '▁' });
    assert.equal(memoryOf(json), undefined);
  });

  it('are forgotten when there are too many', () => {
    const { Tokenizer } = loadTokenizers();
    const json = llama();
    const tokenizer = new Tokenizer(json, {});
    const memory = WordMemory.of(tokenizer, json)!;
    const random = new Random(SEED);
    for (let i = 0; i < 60_000; i++) memory.encode(`${random.int(0, 2 ** 31)} a`, Number.POSITIVE_INFINITY, []);
    const ids: number[] = [];
    memory.encode('and still right', Number.POSITIVE_INFINITY, ids);
    assert.deepEqual(ids, tokenizer.encode('and still right', { add_special_tokens: false }).ids);
  });
});
