/** Integers, bytes and names that importJsonl() must not change: exact, or refused by line and field. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { FunnelIndex, importJsonl, type JsonlInput, type JsonlOptions } from 'funnelvec/store';
import { encodingOf, textOf, utf8Of } from '#dist/store/import/encoding.js';
import { parseJson } from '#dist/store/import/json.js';
import { Random } from '../random.js';

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-exact-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const refused = (code: string, message: RegExp) => ({ name: 'FunnelError', code, message });

/** The points of an index of two dims after the import. */
async function imported(input: JsonlInput, options?: JsonlOptions): Promise<{ id: unknown; payload: unknown }[]> {
  const index = await FunnelIndex.create(':memory:', { dim: 2, autoOptimize: false });
  try {
    await importJsonl(index, input, options);
    return (await index.scroll({ limit: 100 })).points.map(({ id, payload }) => ({ id, payload }));
  } finally {
    await index.close();
  }
}

describe('parseJson()', () => {
  const cases: [string, unknown][] = [
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['[-9007199254740993]', [-9007199254740993n]],
    ['{"a":{"b":[18446744073709551616,1]}}', { a: { b: [18446744073709551616n, 1] } }],
    ['{"id":"9007199254740993","n":1}', { id: '9007199254740993', n: 1 }],
    ['[0.12345678901234567890, 1e21, 9007199254740993.0]', [0.12345678901234568, 1e21, 9007199254740992]],
    [
      '[1152921504606846977,"\\"[1]{\\\\",true,false,null,{},[],""]',
      [2n ** 60n + 1n, '"[1]{\\', true, false, null, {}, [], ''],
    ],
    [' { "a b" : [ 1 , 1152921504606846977 ] } ', { 'a b': [1, 2n ** 60n + 1n] }],
    [`{"n":${'9'.repeat(400)}}`, { n: BigInt('9'.repeat(400)) }],
    ['{"a":"b\\":1","c":"\\":"}', { a: 'b":1', c: '":' }],
    ['{"time":"10:30","n":{"time":"11:30"}}', { time: '10:30', n: { time: '11:30' } }],
    ['[-0]', [-0]],
  ];
  for (const [text, value] of cases) {
    it(`reads ${text.length > 60 ? `${text.slice(0, 57)}...` : text} as it is written`, () => {
      assert.deepEqual(parseJson(text), value);
    });
  }

  it('has "__proto__" as a key like any other, in exact texts too', () => {
    for (const n of ['1', '9007199254740993']) {
      const value = parseJson(`{"__proto__":${n}}`) as object;
      assert.deepEqual(Object.keys(value), ['__proto__']);
      assert.equal(Object.getPrototypeOf(value), Object.prototype);
    }
  });

  it('refuses what would be lost: keys that come twice, numbers beyond the doubles, levels without end', () => {
    assert.throws(() => parseJson('{"a":1,"a":2}'), /^SyntaxError: the key "a" twice$/);
    assert.throws(() => parseJson('{"a":[{"b":{"c":1,"\\u0063":2}}]}'), /the key "c" twice in "a\[0\]\.b"/);
    assert.throws(() => parseJson('{"x":{"y":[1,-1e400]}}'), /-1e400, which no double holds, in "x\.y\[1\]"/);
    assert.throws(() => parseJson('{"n":9007199254740993,"y":[1e999]}'), /1e999, which no double holds, in "y\[0\]"/);
    assert.throws(() => parseJson('['.repeat(100_000) + ']'.repeat(100_000)), /more than 500 levels/);
    const deep = `${'['.repeat(500)}9007199254740993${']'.repeat(500)}`;
    assert.doesNotThrow(() => parseJson(deep));
    for (const text of ['', '{', '{"a":01}', '[1,]', '{"a":9007199254740993,}']) {
      assert.throws(() => parseJson(text), SyntaxError);
    }
  });

  it('equals JSON.parse wherever that loses nothing', () => {
    const random = new Random(4);
    const make = (depth: number): unknown => {
      const kind = random.int(0, depth > 0 ? 6 : 4);
      if (kind === 0) return random.gaussian() * 10 ** random.int(-20, 20);
      if (kind === 1) return random.int(-1000, 1000);
      if (kind <= 3)
        return Array.from({ length: random.int(0, 5) }, () => random.pick([...'a1":\\{}[], ü😀\n'])).join('');
      if (kind === 4) return random.pick([true, false, null]);
      const some = Array.from({ length: random.int(0, 4) }, () => make(depth - 1));
      return kind === 5 ? some : Object.fromEntries(some.map((one, i) => [`${make(0)}${i}`, one]));
    };
    for (let i = 0; i < 5000; i++) {
      const value = make(4);
      const text = JSON.stringify(value, null, random.int(0, 2));
      const integers = /(?:^|[\s,:[-])\d{16}/.test(text);
      // With one long integer all of it is read the exact way.
      const exact = parseJson(`[${text},9007199254740993]`) as unknown[];
      assert.equal(exact[1], 9007199254740993n);
      if (integers) continue;
      assert.deepEqual(parseJson(text), JSON.parse(text));
      assert.deepEqual(exact[0], JSON.parse(text));
    }
  });
});

describe('importJsonl()', () => {
  const big = [9007199254740992n, 9007199254740993n, 9007199254740995n];
  const text = big.map((id) => `{"id":${id},"n":${id + 1n},"vector":[1,2]}\n`).join('');

  it('keeps ids and payloads beyond 2^53 apart, exactly', async () => {
    const wanted = big.map((id) => ({ id, payload: { n: id + 1n } }));
    assert.deepEqual(await imported([text]), wanted);
    const strings = await imported([text], { idKind: 'string' });
    assert.deepEqual(
      strings.map(({ id }) => id),
      big.map(String),
    );
  });

  it('has one kind of ids, of the caller’s choice, where a column straddles 2^53', async () => {
    const lines = ['{"id":1,"vector":[1,2]}\n', `{"id":${2n ** 60n + 1n},"vector":[1,2]}\n`];
    const message = /larger ones as strings or bigints, idKind.*line 2 of the input but received 1152921504606846977n/;
    await assert.rejects(imported(lines), refused('BAD_ID', message));
    const ids = async (idKind: 'bigint' | 'string') => (await imported(lines, { idKind })).map(({ id }) => id);
    assert.deepEqual(await ids('bigint'), [1n, 2n ** 60n + 1n]);
    assert.deepEqual(await ids('string'), ['1', '1152921504606846977']);
    await assert.rejects(imported(lines, { idKind: 'int' as never }), refused('BAD_ARGUMENT', /idKind/));
    const beyond = [`{"id":${2n ** 64n},"vector":[1,2]}\n`];
    await assert.rejects(imported(beyond), refused('BAD_ID', /64 bits for field "id" of line 1/));
    assert.deepEqual(await imported(beyond, { idKind: 'string' }), [{ id: String(2n ** 64n), payload: {} }]);
    const index = await FunnelIndex.create(':memory:', { dim: 2, autoOptimize: false });
    await index.upsert([{ id: 'a', vector: [1, 2] }]);
    await assert.rejects(
      importJsonl(index, lines, { idKind: 'bigint' }),
      refused('BAD_ARGUMENT', /'string', as ids of the index are, for idKind/),
    );
    await index.close();
  });

  it('names the line of an id that no index takes', async () => {
    for (const [id, message] of [
      ['""', /not empty for field "id" of line 2/],
      ['"\\ud800"', /whole characters for field "id" of line 2/],
      [`"${'x'.repeat(2000)}"`, /at most 1900 bytes of UTF-8 for field "id" of line 2/],
    ] as const) {
      const lines = [`{"id":"a","vector":[1,2]}\n{"id":${id},"vector":[1,2]}`];
      await assert.rejects(imported(lines), refused('BAD_ID', message));
    }
  });

  it('refuses bytes that are no text, with line and byte, and takes other encodings by name', async () => {
    const line = (id: string, encoding: BufferEncoding) => Buffer.from(`{"id":"${id}","vector":[1,2]}\n`, encoding);
    const bytes = Buffer.concat([line('ok', 'latin1'), line('café', 'latin1'), line('cafè', 'latin1')]);
    const message =
      /utf-8 for line 2 of the input .* the byte 0xe9 at position 11, after .*caf.* \(.*encoding: 'windows-1252'/;
    await assert.rejects(imported([bytes]), refused('BAD_ARGUMENT', message));
    const whole = await imported([bytes.subarray(0, 40), bytes.subarray(40)], { encoding: 'latin1' });
    assert.deepEqual(
      whole.map(({ id }) => id),
      ['ok', 'café', 'cafè'],
    );
    const marked = Buffer.concat([Buffer.of(0xff, 0xfe), line('한', 'utf16le')]);
    assert.deepEqual(await imported([marked]), [{ id: '한', payload: {} }]);
    await assert.rejects(imported([bytes], { encoding: 'nope' }), refused('BAD_ARGUMENT', /such as utf-8.*"nope"/));
    await assert.rejects(imported(['a'], { encoding: 'latin1' }), refused('BAD_ARGUMENT', /bytes in windows-1252/));
    // Cut between the halves of a character, as text and as bytes.
    const smile = '{"id":"😀","vector":[1,2]}';
    assert.deepEqual(await imported([smile.slice(0, 8), smile.slice(8)]), [{ id: '😀', payload: {} }]);
    await assert.rejects(imported([smile.slice(0, 8), '"']), refused('BAD_ARGUMENT', /whole characters/));
  });

  it('unpacks a .gz file, and says when it ends early', async () => {
    const path = join(folder, 'a.jsonl.gz');
    const packed = gzipSync(text);
    writeFileSync(path, packed);
    assert.equal((await imported(path)).length, 3);
    writeFileSync(path, packed.subarray(0, -12));
    await assert.rejects(imported(path), refused('CORRUPT', /a whole gzip file for .*a\.jsonl\.gz/));
    writeFileSync(path, text);
    await assert.rejects(imported(path), refused('CORRUPT', /a whole gzip file/));
  });

  it('reaches into objects, and keeps what filters find by the same path', async () => {
    const row = { _id: 'x', _source: { embedding: [1, 2], title: 'A', meta: { year: 1979, x: 1 } } };
    const fields = { id: '_id', vector: '_source.embedding', payload: ['_source.title', '_source.meta.year'] };
    const [point] = await imported([JSON.stringify(row)], { fields });
    assert.deepEqual(point!.payload, { _source: { title: 'A', meta: { year: 1979 } } });
    const [rest] = await imported([JSON.stringify(row)], { fields: { id: '_id', vector: '_source.embedding' } });
    assert.deepEqual(rest!.payload, { _source: { title: 'A', meta: { year: 1979, x: 1 } } });
    // A key of that very name comes first.
    const literal = JSON.stringify({ id: 1, 'a.b': [1, 2], a: { b: [3, 4] } });
    const [own] = await imported([literal], { fields: { vector: 'a.b' } });
    assert.deepEqual(own!.payload, { a: { b: [3, 4] } });
    await assert.rejects(
      imported([JSON.stringify(row)], { fields: { id: '_id' } }),
      refused('BAD_ARGUMENT', /field "vector" of line 1.*only "_id", "_source\.embedding", "_source\.title"/),
    );
  });

  it('refuses the bulk format of Elasticsearch with what makes rows of it', async () => {
    const lines = ['{"index":{"_index":"films","_id":"1"}}\n{"id":1,"vector":[1,2]}\n'];
    await assert.rejects(imported(lines), refused('BAD_ARGUMENT', /line 1 .*bulk format, "index" \(`jq /));
    const row = '{"index":{"x":1},"id":1,"vector":[1,2]}';
    assert.deepEqual(await imported([row]), [{ id: 1, payload: { index: { x: 1 } } }]);
  });
});

describe('text in other encodings', () => {
  /** As iconv writes them. */
  const samples: [string, string, string][] = [
    ['shift_jis', '日本語テスト,ｶﾅ', '93fa967b8cea8365835883672cb6c5'],
    ['euc-jp', '日本語', 'c6fccbdcb8ec'],
    ['gb18030', '汉字€😀', 'babad7d6a2e39439fc36'],
    ['big5', '漢字', 'ba7ea672'],
    ['euc-kr', '한글', 'c7d1b1db'],
    ['windows-1251', 'Привет', 'cff0e8e2e5f2'],
    ['koi8-r', 'Привет', 'f0d2c9d7c5d4'],
    ['iso-8859-15', '€é', 'a4e9'],
    ['windows-1252', '€ŽŸé…', '808e9fe985'],
    ['utf-16be', 'é\n😀', '00e9000ad83dde00'],
    ['utf-16le', 'ਊ\n😀', '0a0a0a003dd800de'],
  ];
  for (const [label, text, hex] of samples) {
    it(`${label} is read as it was meant, wherever it is cut`, async () => {
      const bytes = Buffer.from(hex, 'hex');
      for (const size of [1, 2, 3, 100]) {
        const chunks = async function* () {
          for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
        };
        const parts: Buffer[] = [];
        const source = { name: 'x', option: 'encoding', encoding: encodingOf(label, 'encoding') };
        for await (const part of utf8Of(chunks(), source)) parts.push(part);
        assert.equal(textOf(Buffer.concat(parts), 'x', source), text);
      }
    });
  }

  it('with bytes that have no character there is refused, with what comes before', async () => {
    for (const [encoding, bytes, before] of [
      ['shift_jis', Buffer.from('6162a020ff0a', 'hex'), 'ab'],
      ['utf-16le', Buffer.from('610000d862000a00', 'hex'), 'a'],
      ['windows-1253', Buffer.from('61d20a', 'hex'), 'a'],
    ] as const) {
      const source = { name: 'x', option: 'encoding', encoding };
      const parts: Buffer[] = [];
      for await (const part of utf8Of(
        (async function* () {
          yield bytes;
        })(),
        source,
      ))
        parts.push(part);
      const message = new RegExp(`${encoding} for x .*no character for, after "${before}" \\(another encoding\\?\\)`);
      assert.throws(() => textOf(Buffer.concat(parts), 'x', source), refused('BAD_ARGUMENT', message));
    }
  });

  it('that shifts between sets, is unknown, or begins as another one does, is refused by name', async () => {
    assert.throws(() => encodingOf('iso-2022-jp', 'encoding'), refused('BAD_ARGUMENT', /iso-2022-jp.*iconv/));
    assert.throws(() => encodingOf('utf-32', 'encoding'), refused('BAD_ARGUMENT', /"utf-32"/));
    const all = async (hex: string, encoding?: string) => {
      const chunks = async function* () {
        yield Buffer.from(hex, 'hex');
      };
      for await (const _ of utf8Of(chunks(), { name: 'x', option: '--encoding', encoding }));
    };
    await assert.rejects(all('fffe000061000000'), refused('BAD_ARGUMENT', /UTF-8 or UTF-16 for x .*utf-32le \(iconv/));
    await assert.rejects(
      all('efbbbf61', 'windows-1252'),
      refused('BAD_ARGUMENT', /mark of utf-8 \(--encoding utf-8\)/),
    );
    await assert.rejects(all('feff0061', 'utf-16le'), refused('BAD_ARGUMENT', /mark of utf-16be/));
    await assert.rejects(all('7b002200'), refused('BAD_ARGUMENT', /zeros between .*\(--encoding utf-16le\)/));
    await assert.rejects(all('007b0022'), refused('BAD_ARGUMENT', /zeros between .*\(--encoding utf-16be\)/));
  });
});
