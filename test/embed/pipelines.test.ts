/**
 * Token ids are Python's for every kind of step that a tokenizer.json has, on texts of 27 scripts: its ids were made by
 * scripts/models/tokenizer_fixtures.py.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { pythonStrip, TextTokenizer, type TokenizerSetup } from '#dist/embed/tokenizer.js';
import { least, processorMs } from '../patient.js';
import { Random, SEED } from '../random.js';

interface Fixtures {
  texts: string[];
  charsmap: string;
  pipelines: Record<string, { json: object; ids: number[][] }>;
}

const fixtures: Fixtures = JSON.parse(
  String(gunzipSync(readFileSync(resolve('test/embed/tokenizer_fixtures.json.gz')))),
);
const { texts, pipelines } = fixtures;

function fileOf(name: string): string {
  return JSON.stringify(pipelines[name]!.json).replace('"the map"', JSON.stringify(fixtures.charsmap));
}

function tokenizerOf(json: string | object, more: Partial<TokenizerSetup> = {}): TextTokenizer {
  const text = typeof json === 'string' ? json : JSON.stringify(json);
  const usual = { file: 'tokenizer.json', specialTokens: true, strip: false };
  return new TextTokenizer({ json: text, maxLength: Number.POSITIVE_INFINITY, ...usual, ...more });
}

/** A tokenizer of these steps; words are numbered as they come, from 0 on. */
function wordsJson(vocabulary: readonly string[], more: Record<string, unknown> = {}, unknown = '[UNK]'): object {
  return {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    model: {
      type: 'WordLevel',
      unk_token: unknown,
      vocab: Object.fromEntries(vocabulary.map((word, id) => [word, id])),
    },
    ...more,
  };
}

for (const [name, { ids }] of Object.entries(pipelines)) {
  describe(`a tokenizer with the steps of ${name}`, () => {
    const json = fileOf(name);

    it('gives Python’s ids', () => {
      const tokenizer = tokenizerOf(json);
      for (const [i, text] of texts.entries()) {
        assert.deepEqual(tokenizer.encode(text), { ids: ids[i], truncated: false }, JSON.stringify(text));
        assert.equal(tokenizer.count(text), ids[i]!.length);
      }
    });

    it('cut at any length keeps the first ids, or the last ones, of the whole', () => {
      for (const maxLength of [4, 5, 8, 20]) {
        const most = maxLength - 3;
        const right = tokenizerOf(json, { maxLength });
        const left = tokenizerOf(json, { maxLength, truncationSide: 'left' });
        for (const [i, text] of texts.entries()) {
          const own = ids[i]!.slice(1, -2);
          const truncated = own.length > most;
          assert.deepEqual(right.encode(text), { ids: [1, ...own.slice(0, most), 2, 3], truncated });
          assert.deepEqual(left.encode(text), { ids: [1, ...own.slice(-most), 2, 3], truncated });
        }
      }
    });
  });
}

describe('a text that is much longer than what is kept', () => {
  const random = new Random(SEED);
  const ideographs = [...texts.join('').replace(/[^\u4e00-\u9fff\u3041-\u3096]/g, '')];
  /** Parts of the texts in any order, with blanks or without. */
  const mixed = (length: number, between: readonly string[]) => {
    let text = '';
    while (text.length < length) text += random.pick(texts).slice(0, 200) + random.pick(between);
    return text;
  };
  const solid = Array.from({ length: 40_000 }, () => random.pick(ideographs)).join('');
  const long = [mixed(17_000, ['', ' ', '\n']), `${solid.slice(0, 9_000)} word`.repeat(2)];

  for (const name of Object.keys(pipelines)) {
    it(`has the first ids of the whole, for the steps of ${name}`, () => {
      const whole = tokenizerOf(fileOf(name));
      const cut = [512].map((maxLength) => tokenizerOf(fileOf(name), { maxLength }));
      for (const text of long) {
        const own = whole.encode(text).ids.slice(1, -2);
        for (const tokenizer of cut) {
          const { ids } = tokenizer.encode(text);
          const maxLength = ids.length;
          assert.ok(maxLength === 512 || own.length < 512);
          assert.deepEqual(ids, [1, ...own.slice(0, maxLength - 3), 2, 3]);
        }
      }
    });
  }

  for (const name of ['Unigram of whole texts', 'XLM-R', 'BERT']) {
    it(`is not read to its end when it is 600,000 ideographs, for the steps of ${name}`, async () => {
      const text = solid.repeat(15);
      const tokenizer = tokenizerOf(fileOf(name), { maxLength: 512 });
      const encode = () => assert.equal(tokenizer.encode(text).ids.length, 512);
      assert.ok((await least(250, () => processorMs(encode))) < 250, 'the whole takes seconds');
    });
  }

  it('that Unigram settles early is cut where the whole has the same tokens', () => {
    const vocab = [['<unk>', 0], ...'abcdefgh'.split('').map((c, i) => [c, -3 - i / 4])];
    for (const piece of ['ab', 'bc', 'cde', 'ha', 'efgh', 'gha', 'dd', 'bcdefg'])
      vocab.push([piece, -4 - piece.length / 3]);
    const model = { type: 'Unigram', unk_id: 0, vocab };
    const json = wordsJson([], { pre_tokenizer: null, model });
    let seed = 7;
    const next = () => (seed = (Math.imul(seed, 48_271) >>> 0) % 2_147_483_647);
    for (let round = 0; round < 5; round++) {
      const text = Array.from({ length: 30_000 }, () => 'abcdefgh?'[next() % (round === 4 ? 9 : 8)]).join('');
      const whole = tokenizerOf(json).encode(text).ids;
      for (const maxLength of [1, 10, 1000, 3000]) {
        assert.deepEqual(tokenizerOf(json, { maxLength }).encode(text).ids, whole.slice(0, maxLength));
      }
    }
  });
});

describe('merges of one long piece', () => {
  const LETTERS = [...'abcdef'];

  /** Random merges, no two of which make the same token. */
  function mergesOf(random: Random, count: number): { json: object; merges: [string, string][] } {
    const tokens = [...LETTERS];
    const merges: [string, string][] = [];
    while (merges.length < count) {
      const pair: [string, string] = [random.pick(tokens), random.pick(tokens)];
      if (tokens.includes(pair.join('')) || pair.join('').length > 12) continue;
      tokens.push(pair.join(''));
      merges.push(pair);
    }
    const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
    return { json: wordsJson([], { pre_tokenizer: null, model: { type: 'BPE', vocab, merges } }), merges };
  }

  const textOf = (random: Random, length: number) =>
    Array.from({ length }, () => (random.chance(0.2) ? 'a' : random.pick(LETTERS))).join('');

  it('are made one by one: the earliest merge first, the leftmost among equals', () => {
    const random = new Random(SEED);
    for (let round = 0; round < 60; round++) {
      const { json, merges } = mergesOf(random, random.int(1, 60));
      const ranks = new Map(merges.map((pair, rank) => [pair.join(' '), rank]));
      const tokenizer = tokenizerOf(json);
      const tokens = [...LETTERS, ...merges.map((pair) => pair.join(''))];
      for (const length of [1, 2, 3, 17, 120]) {
        const text = textOf(random, length);
        const parts = [...text];
        for (;;) {
          const found = parts.slice(1).map((part, i) => ranks.get(`${parts[i]} ${part}`) ?? Number.POSITIVE_INFINITY);
          const least = Math.min(...found);
          if (least === Number.POSITIVE_INFINITY) break;
          const at = found.indexOf(least);
          parts.splice(at, 2, parts[at]! + parts[at + 1]!);
        }
        assert.deepEqual(
          tokenizer.encode(text).ids.map((id) => tokens[id]),
          parts,
          text,
        );
      }
    }
  });

  it('take little more than in proportion to its length', () => {
    const random = new Random(SEED);
    const { json } = mergesOf(random, 400);
    const took = (length: number) => {
      let least = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 3; round++) {
        const tokenizer = tokenizerOf(json);
        const text = textOf(random, length);
        least = Math.min(
          least,
          processorMs(() => tokenizer.encode(text)),
        );
      }
      return least;
    };
    took(20_000); // warm
    // Quadratic work would be 64 times as much.
    const [short, long] = [took(40_000), took(320_000)];
    assert.ok(long < 28 * short, `${short} ms, ${long} ms`);
  });
});

describe('a vocabulary without a token for what is unknown', () => {
  const json = wordsJson(['one', 'two'], {}, 'none');

  it('makes an error that names the text and what it lacks', () => {
    const tokenizer = tokenizerOf(json);
    assert.deepEqual(tokenizer.encode('two one').ids, [1, 0]);
    assert.throws(() => tokenizer.encode('one three', 7), { code: 'MODEL_FAILED', message: /texts\[7\].*"three"/ });
  });

  it('makes one for Unigram, too', () => {
    const model = { type: 'Unigram', unk_id: null, vocab: [['a', -1]] };
    const tokenizer = tokenizerOf(wordsJson([], { pre_tokenizer: null, model }));
    assert.deepEqual(tokenizer.encode('aa').ids, [0, 0]);
    assert.throws(() => tokenizer.encode('ab'), { code: 'MODEL_FAILED', message: /"b"/ });
  });
});

describe('what cannot be done as Python does it', () => {
  const refused = (more: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => tokenizerOf(wordsJson(['a'], more)), { code: 'UNSUPPORTED', message });

  it('is refused at load, by name', () => {
    refused({ normalizer: { type: 'Unheard' } }, /normaliser .*Unheard/);
    refused({ pre_tokenizer: { type: 'UnicodeScripts' } }, /pre-tokenizer .*UnicodeScripts/);
    refused({ pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Removed' } }, /pattern/);
    refused({ post_processor: { type: 'Unheard' } }, /post-processor .*Unheard/);
    refused({ model: { type: 'BPE', vocab: { a: 0 }, merges: [], dropout: 0.1 } }, /dropout/);
    refused({ model: { type: 'Unheard', vocab: { a: 0 } } }, /model .*Unheard/);
    refused({ normalizer: { type: 'Precompiled', precompiled_charsmap: '////' } }, /precompiled_charsmap/);
  });

  it('is CORRUPT where the file contradicts itself', () => {
    const model = { type: 'BPE', vocab: { a: 0 }, merges: [['a', 'b']] };
    assert.throws(() => tokenizerOf(wordsJson([], { model })), { code: 'CORRUPT', message: /merge/ });
  });
});

describe('blanks at the ends of a text', () => {
  // [...] of Python 3.11: ''.join(chr(c) for c in range(0x110000) if chr(c).isspace())
  const BLANKS =
    '\t\n\v\f\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009' +
    '\u200a\u2028\u2029\u202f\u205f\u3000';

  it('that strip takes away are those of Python, not of JavaScript', () => {
    for (let code = 0; code < 0x1_0000; code++) {
      const character = String.fromCharCode(code);
      assert.equal(pythonStrip(`${character}a${character}`) === 'a', BLANKS.includes(character), code.toString(16));
    }
    assert.equal(pythonStrip(BLANKS), '');
    assert.equal(pythonStrip('a b'), 'a b');
  });

  it('are tokens unless strip is said', () => {
    const json = fileOf('RoBERTa');
    const [padded, plain] = [' \n\u0085 word\u001c ', 'word'];
    assert.notDeepEqual(tokenizerOf(json).encode(padded).ids, tokenizerOf(json).encode(plain).ids);
    const strip = tokenizerOf(json, { strip: true });
    assert.deepEqual(strip.encode(padded).ids, strip.encode(plain).ids);
    assert.notDeepEqual(strip.encode(`\ufeff${plain}`).ids, strip.encode(plain).ids);
  });
});
