/**
 * Folders whose files disagree about the tokenizer have the ids of transformers 5, and say what was decided; its ids were
 * made by scripts/models/tokenizer_settings.py.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { TextTokenizer } from '#dist/embed/tokenizer.js';
import { settleTokenizer, withSpecialTokens } from '#dist/embed/tokenizer-settings.js';

type Json = Record<string, unknown>;

interface Settings {
  texts: string[];
  files: Json[];
  folders: Record<string, { file: number; config: Json; model: Json; special?: Json; ids: number[][] }>;
}

const read = <T>(name: string): T => JSON.parse(String(gunzipSync(readFileSync(resolve('test/embed', name)))));
const { charsmap } = read<{ charsmap: string }>('tokenizer_fixtures.json.gz');
const { texts, files, folders } = read<Settings>('tokenizer_settings.json.gz');

/** The folders that decisions speak of, and the words of the decision. */
const DECISIONS: Record<string, RegExp> = {
  'BertTokenizer over a file with case': /normalizer is .*"lowercase":true.* as BertTokenizer .*"lowercase":false/,
  'do_lower_case false over a file without': /normalizer is .*"lowercase":false/,
  'do_lower_case and strip_accents false': /normalizer is .*"strip_accents":false/,
  'no tokenizer_config.json beside BERT': /normalizer is .*"lowercase":true/,
  'the whole file for BERT': /do_lower_case: true is not read/,
  ModernBERT: /add_prefix_space: true is not read/,
  'RoBERTa with add_prefix_space': /pre_tokenizer is .*"add_prefix_space":true/,
  'RoBERTa without add_prefix_space': /pre_tokenizer is .*"add_prefix_space":false/,
  'Qwen3 with add_eos_token': /add_eos_token: true is not read/,
  'CLIP without its normaliser': /normalizer is .*"NFC".* tokenizer.json has null/,
  'XLM-R that does not split': /pre_tokenizer is .*"WhitespaceSplit"/,
  'special tokens that tokenizer.json does not list': /added tokens that tokenizer.json does not list.*\[CLS\]/,
  'extra_special_tokens in the vocabulary': /added tokens that tokenizer.json does not list/,
  split_special_tokens: /read as text \(split_special_tokens\)/,
  'special_tokens_map.json beside BERT': /post_processor is .*\[MASK\]/,
  Mistral: /add_bos_token: true is not read.*\n.*add_eos_token: true is not read/,
};

describe('a folder whose files disagree', () => {
  for (const [name, { file, config, model, special, ids }] of Object.entries(folders)) {
    it(`has the ids of transformers 5: ${name}`, () => {
      const whole = JSON.parse(JSON.stringify(files[file]).replace('"the map"', JSON.stringify(charsmap)));
      const { json, decisions } = settleTokenizer(whole, withSpecialTokens(config, special ?? {}), model);
      const rules = { specialTokens: true, maxLength: Number.POSITIVE_INFINITY, strip: false };
      const tokenizer = new TextTokenizer({ json: JSON.stringify(json), file: 'tokenizer.json', ...rules });
      for (const [i, text] of texts.entries()) {
        assert.deepEqual(tokenizer.encode(text).ids, ids[i], JSON.stringify(text));
      }
      if (DECISIONS[name] !== undefined) assert.match(decisions.join('\n'), DECISIONS[name]);
    });
  }

  it('says nothing where they agree', () => {
    for (const name of ['XLM-R', 'T5']) {
      const { file, config, model } = folders[name]!;
      const whole = JSON.parse(JSON.stringify(files[file]).replace('"the map"', JSON.stringify(charsmap)));
      assert.deepEqual(settleTokenizer(whole, config, model).decisions, [], name);
    }
  });

  it('names a class that makes steps which are not known here', () => {
    const { decisions } = settleTokenizer(
      { model: {} },
      { tokenizer_class: 'AlbertTokenizer' },
      { model_type: 'albert' },
    );
    assert.match(decisions.join(), /AlbertTokenizer/);
  });
});
