/** Values that people's files really have, through the command: what arrives is what they say, or is refused by name. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { checkPlain } from '#dist/cli/stores/store.js';
import { done, fails } from './command.js';
import { contentsOf, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();

function bytes(name: string, content: string, encoding: BufferEncoding = 'latin1'): string {
  writeFileSync(path(name), Buffer.from(content, encoding));
  return path(name);
}

const into = (to: string, file: string, ...more: string[]) => [
  'ingest',
  file,
  '--vector',
  'v',
  '--id',
  'id',
  '--to',
  path(to),
  ...more,
];
const idsOf = async (to: string) => (await contentsOf(path(to))).map(({ id }) => id);

describe('integers beyond 2^53', () => {
  const big = ['9007199254740992', '9007199254740993'];
  const lines = big.map((id, i) => `{"id":${id},"n":[${id}],"m":${i},"v":[1,${i}]}\n`).join('');

  it('are ids with every digit as --id-type string, as the error without it advises', async () => {
    for (const [name, content] of [
      ['big.jsonl', lines],
      ['big.json', `[${lines.trim().replaceAll('\n', ',')}]`],
      ['big.csv', `id,v\n${big.map((id, i) => `${id},"[1,${i}]"\n`).join('')}`],
    ] as const) {
      const file = write(name, content);
      const to = `to-${name}`;
      await fails(
        1,
        /within ±\(2\^53 − 1\) \(larger ones as text, with --id-type string\) for "id" in/,
        into(to, file),
      );
      assert.equal(existsSync(path(to)), false);
      const { json } = await done(into(to, file, '--id-type', 'string', '--json'));
      assert.equal(json.duplicates, 0);
      assert.deepEqual(await idsOf(to), big);
    }
  });

  it('are payload values with every digit, or text with --strings; and search shows them', async () => {
    await done(into('exact', write('exact.jsonl', lines), '--id-type', 'string'));
    const payloads = (await contentsOf(path('exact'))).map(({ payload }) => payload);
    assert.deepEqual(
      payloads,
      big.map((n, m) => ({ n: [BigInt(n)], m })),
    );
    const { stdout } = await done(['search', '--store', path('exact'), '--vector', '[1,1]']);
    assert.match(stdout, /9007199254740993 +\["9007199254740993"\]/);
    const flat = write('flat.jsonl', big.map((n, i) => `{"id":${i},"n":${n},"v":[1,${i}]}\n`).join(''));
    await done(into('texts', flat, '--strings', 'n'));
    assert.deepEqual(
      (await contentsOf(path('texts'))).map(({ payload }) => payload),
      big.map((n) => ({ n })),
    );
  });

  it('are exact in a column of --numbers, whose texts else must be decimals', async () => {
    const rows = ['9007199254740993', '-9223372036854775809', '007', '1.50', '+3', ' 4 ', '1e3', ''];
    const file = write('numbers.csv', `id,n,v\n${rows.map((n, i) => `${i},${n},"{1,${i}}"\n`).join('')}`);
    await done(into('numbers', file, '--numbers', 'n'));
    assert.deepEqual(
      (await contentsOf(path('numbers'))).map(({ payload }) => (payload as { n: unknown }).n),
      [9007199254740993n, -9223372036854775809n, 7, 1.5, 3, 4, 1000, undefined],
    );
    for (const n of ['0x10', '1,5', 'NaN', '1e400']) {
      const odd = write('odd.csv', `id,n,v\n1,"${n}","[1,2]"\n`);
      await fails(1, /Expected a number for "n" in line 2/, into('odd', odd, '--numbers', 'n'));
    }
    await fails(
      2,
      /n in --numbers or --strings but received both/,
      into('odd', file, '--numbers', 'n', '--strings', 'n'),
    );
  });

  it('keep their digits in the vector and the filter of a search, too', async () => {
    const ask = (filter: string) => [
      'search',
      '--store',
      path('exact'),
      '--vector',
      '[9007199254740993,1]',
      '--filter',
      filter,
    ];
    const ids = big.map((id) => `"${id}"`);
    await done(ask(`{"must":{"has_id":[${ids}]}}`));
    await fails(2, /--filter but received the key "key" twice in "must"/, ask('{"must":{"key":"n","key":"m"}}'));
    const vector = write('vector.json', '[9007199254740993,1e400]');
    await fails(2, /--vector but received 1e400, which no double holds/, ask('{}').with(4, vector));
  });

  it('are refused in a payload for a database, whose client would round them, before anything is written', () => {
    const label = 'Qdrant collection "c"';
    for (const [value, message] of [
      [
        2n ** 53n,
        /what Qdrant collection "c" keeps as it is \(--strings keeps .* for "k" but received 9007199254740992n/,
      ],
      [{ a: [{ b: 2n ** 64n }] }, /--strings/],
      [Number.NaN, /leave it out with --payload.* NaN/],
      [[Number.POSITIVE_INFINITY], /Infinity/],
      ['\ud800', /of type string/],
    ] as const) {
      assert.throws(() => checkPlain({ fine: 1, k: value }, label), { code: 'BAD_ARGUMENT', message });
    }
    checkPlain({ a: 1, b: '😀', c: [null, { d: -0.5 }], e: true }, label);
  });
});

describe('an id that is no exact number', () => {
  it('is refused with --id-type string, too: its digits may be those of another one', async () => {
    for (const id of ['1.5', '1e300', '123456789012345678.5']) {
      const file = write('double.jsonl', `{"id":${id},"v":[1,2]}\n{"id":1,"v":[2,1]}\n`);
      const message =
        /within ±\(2\^53 − 1\) \(others as text in the file: a double may be rounded\) for "id" in line 1/;
      await fails(1, message, into('double', file, '--id-type', 'string'));
      await fails(1, message, into('double', file));
    }
    const half = write('half.jsonl', '{"id":"\\ud800","v":[1,2]}\n{"id":"b","v":[1,2]}\n');
    await done(into('half', half, '--skip-broken'));
    assert.deepEqual(await idsOf('half'), ['b']);
  });

  it('or is of another kind than before is refused when an ingest goes on', async () => {
    const file = write('kind.jsonl', '{"id":1,"v":[1,2]}\n');
    await done(into('kind', file));
    const more = write('kind-2.jsonl', '{"id":2,"v":[1,2]}\n');
    await fails(
      1,
      /ids of kind number, as before, .* --id-type string \(--restart/,
      into('kind', more, '--id-type', 'string'),
    );
  });
});

describe('a file in another encoding', () => {
  const csv = 'id;name;v\ncafé;Müller;[1,2]\ncafè;Meier;[2,1]\nok;€;{3,4}\n';
  const win = () => bytes('win.csv', csv.replace('€', '\x80'));

  it('is no UTF-8: its rows are broken, by line, column and byte; --skip-broken lists them', async () => {
    const message =
      /utf-8 for "id" in line 2 of .*win\.csv but received the byte 0xe9 at position 4, after "caf" \(.*--encoding windows-1252/;
    await fails(1, message, into('win', win(), '--delimiter', ';'));
    assert.equal(existsSync(path('win')), false);
    const odd = bytes('odd.csv', csv.replace('€', 'x'));
    const { json } = await done(into('win', odd, '--delimiter', ';', '--skip-broken', '--json'));
    assert.deepEqual([json.rows, json.skipped.count], [1, 2]);
    assert.match(json.skipped.first[1].why, /line 3 of .* the byte 0xe8 at position 4/);
    const lines = bytes('win.jsonl', '{"id":"caf\xe9","v":[1,2]}\n{"id":"caf\xe8","v":[1,2]}\n{"id":"a","v":[1,2]}\n');
    await fails(1, /utf-8 for line 1 of .*win\.jsonl but received the byte 0xe9 at position 11/, into('win-2', lines));
    await done(into('win-2', lines, '--skip-broken'));
    assert.deepEqual(await idsOf('win-2'), ['a']);
    const header = bytes('header.csv', 'n\xe4me\n1\n');
    await fails(1, /utf-8 for column 1 in line 1 of .*header\.csv/, into('win-3', header));
  });

  it('is read with --encoding, and so gone on with; another one is refused', async () => {
    const line = into('encoded', win(), '--delimiter', ';', '--encoding', 'cp1252');
    await done(line);
    assert.deepEqual(
      (await contentsOf(path('encoded'))).map(({ id, payload }) => [id, payload]),
      [
        ['café', { name: 'Müller' }],
        ['cafè', { name: 'Meier' }],
        ['ok', { name: '€' }],
      ],
    );
    const { stderr } = await done(line);
    assert.match(stderr, /All 3 rows are in/);
    const other = into('encoded', path('win.csv'), '--delimiter', ';', '--encoding', 'windows-1250');
    await fails(1, /columns of .*win\.csv as before .*--encoding "windows-1252".* then, "windows-1250".* now/, other);
  });

  it('may be UTF-16, as Excel and PowerShell write it, in every text format and for queries', async () => {
    for (const [name, text] of [
      ['u.tsv', 'id\tv\né\t[1,2]\n'],
      ['u.jsonl', '{"id":"é","v":[1,2]}\n'],
      ['u.json', '[{"id":"é","v":[1,2]}]'],
    ] as const) {
      await done(into(`to-${name}`, bytes(name, `\ufeff${text}`, 'utf16le')));
      assert.deepEqual(await idsOf(`to-${name}`), ['é']);
      const bare = bytes(`bare-${name}`, text, 'utf16le');
      await fails(1, /zeros between characters.*--encoding utf-16le/, into(`to-bare-${name}`, bare));
      await done(into(`to-bare-${name}`, bare, '--encoding', 'utf-16le'));
    }
    const query = bytes('query.json', '\ufeff[1, 2]', 'utf16le');
    const { json } = await done(['search', '--store', path('to-u.tsv'), '--vector', query, '--json']);
    assert.equal(json.hits[0].id, 'é');
    const bad = bytes('bad.json', '{"must":{"key":"\xe9"}}');
    await fails(1, /utf-8 for .*bad\.json but received the byte 0xe9 at position 17/, [
      ...['search', '--store', path('to-u.tsv'), '--vector', '[1,2]', '--filter', bad],
    ]);
  });

  it('is refused before any work where the label, the delimiter or the format makes no sense', async () => {
    const file = win();
    await fails(
      2,
      /Expected an encoding such as .* for --encoding but received "klingon"/,
      into('no', file, '--encoding', 'klingon'),
    );
    for (const mark of ['', ';;', '"', '\n']) {
      await fails(2, /one character that is no quote .* for --delimiter/, into('no', file, '--delimiter', mark));
    }
    const lines = write('no.jsonl', '{"id":1,"v":[1,2]}\n');
    await fails(2, /CSV or TSV files beside --delimiter but received jsonl/, into('no', lines, '--delimiter', ';'));
    await fails(2, /text files beside --encoding but received npy/, [
      'ingest',
      'a.npy',
      '--to',
      path('no'),
      '--encoding',
      'utf-8',
    ]);
    await fails(1, /it has "id;name;v" \(--delimiter ';'\?\)/, into('no', bytes('semi.csv', 'id;name;v\n1;a;[1]\n')));
    assert.equal(existsSync(path('no')), false);
  });

  it('of queries is no better than one of rows', async () => {
    const store = write('store.jsonl', jsonl(Array.from({ length: 30 }, (_, id) => ({ id, v: [1, id, 2, 3] }))));
    await done(into('queries', store));
    const bench = (...more: string[]) => ['bench', '--store', path('queries'), '--json', '--limit', '2', ...more];
    const rows = bytes('q.csv', 'q;n\n[1,2,3,4];\xe9\n[2,2,3,4];b\n[2,2,3,5];b\n');
    await fails(1, /utf-8 for .*n.* in line 2/, bench('--queries', rows, '--vector', 'q', '--delimiter', ';'));
    const { json } = await done(bench('--queries', rows, '--vector', 'q', '--delimiter', ';', '--encoding', 'latin1'));
    assert.equal(json.queries, 3);
    const nested = write('q.jsonl', jsonl([{ a: { q: [1, 2, 3, 4] } }, { a: { q: [4, 3, 2, 1] } }]));
    assert.equal((await done(bench('--queries', nested, '--vector', 'a.q'))).json.queries, 2);
    await fails(1, /array of numbers for .*q.* in line 1 .* only .*a\.q/, bench('--queries', nested, '--vector', 'q'));
    await fails(2, /--queries beside .*--encoding/, bench('--encoding', 'latin1'));
    const films = write('texts.jsonl', jsonl(Array.from({ length: 20 }, (_, n) => ({ text: `robot ${n}` }))));
    await done(['ingest', films, '--text', 'text', '--model', 'fake', '--to', path('texts-store')]);
    const lines = bytes('q.txt', 'robot\r\n\rcaf\xe9\n');
    const ask = ['bench', '--store', path('texts-store'), '--limit', '2', '--queries', lines, '--json'];
    await fails(1, /utf-8 for line 2 of .*q\.txt but received the byte 0xe9 at position 5/, ask);
    assert.equal((await done([...ask, '--encoding', 'latin1'])).json.queries, 2);
  });
});

describe('columns in objects', () => {
  const scroll = { id: 7, vector: { head: [1], full: [1, 2] }, payload: { title: 'A', year: 1979, tags: ['x'] } };

  it('are found by the path that filters have for them, and kept where filters find them', async () => {
    const file = write('scroll.jsonl', jsonl([scroll]));
    const line = (to: string, ...more: string[]) => [
      ...['ingest', file, '--vector', 'vector.full', '--id', 'id', '--to', path(to)],
      ...more,
    ];
    await done(line('scroll', '--payload', 'payload.year,payload.tags', '--strings', 'payload.year'));
    const [row] = await contentsOf(path('scroll'));
    assert.deepEqual(row, { id: 7, vector: [1, 2], payload: { payload: { year: '1979', tags: ['x'] } } });
    const { json } = await done([
      ...['search', '--store', path('scroll'), '--vector', '[1,2]', '--json'],
      ...['--filter', '{"must":{"key":"payload.tags","match":{"value":"x"}}}'],
    ]);
    assert.equal(json.hits.length, 1);
    await done(line('rest'));
    assert.deepEqual((await contentsOf(path('rest')))[0]!.payload, { vector: { head: [1] }, payload: scroll.payload });
  });

  it('are texts, ids and vectors of Elasticsearch and Weaviate; a key with the dot itself comes first', async () => {
    const hit = { _id: 'a', _source: { plot: 'in space', 'x.y': 1, embedding: [1, 2] } };
    const file = write('hits.jsonl', jsonl([hit]));
    const texts = ['ingest', file, '--text', '_source.plot', '--id', '_id', '--model', 'fake', '--to', path('hits')];
    await done([...texts, '--payload', '_source."x.y"']);
    const [row] = await contentsOf(path('hits'));
    assert.deepEqual([row!.id, row!.payload], ['a', { _source: { 'x.y': 1 } }]);
    const both = write('both.jsonl', jsonl([{ 'v.a': [1, 2], v: { a: [3, 4] } }]));
    await done(['ingest', both, '--vector', 'v.a', '--to', path('both')]);
    assert.deepEqual(await contentsOf(path('both')), [{ id: 0, vector: [1, 2], payload: { v: { a: [3, 4] } } }]);
  });

  it('that are not there are named beside those that are', async () => {
    const file = write('absent.jsonl', jsonl([scroll]));
    const has = /only "id", "vector\.head", "vector\.full", "payload\.title", "payload\.year", "payload\.tags"/;
    await fails(1, has, ['ingest', file, '--vector', 'full', '--to', path('absent')]);
    await fails(1, has, ['ingest', file, '--vector', 'vector.full', '--id', 'key', '--to', path('absent')]);
    await fails(1, has, ['ingest', file, '--text', 'title', '--model', 'fake', '--to', path('absent')]);
  });
});

describe('files as other tools export them', () => {
  it('in the bulk format of Elasticsearch are refused, with --skip-broken too, and told how to become rows', async () => {
    const bulk = '{"index":{"_index":"films","_id":"1"}}\n{"v":[1,2]}\n{"create":{}}\n{"v":[2,1]}\n';
    for (const more of [[], ['--skip-broken']]) {
      await fails(1, /a row for line 1 of .*bulk format, "index" \(`jq -nc/, [
        ...['ingest', write('bulk.jsonl', bulk), '--vector', 'v', '--to', path('bulk'), ...more],
      ]);
    }
    assert.equal(existsSync(path('bulk')), false);
    const like = write('like.jsonl', '{"index":{"v":[1,2]}}\n');
    await done(['ingest', like, '--vector', 'index.v', '--to', path('like')]);
  });

  it('as one array in .json are read, and so are objects line by line; broken elements are passed over', async () => {
    const array = write(
      'a.json',
      '[ {"id":1,"v":[1,2]},\n  {"id":2,"v":[1,2],"s":"]}\\"[,"} ,\n {"id":3 "v":1}, 4 ]\n',
    );
    await fails(1, /JSON for row 2 \(line 3\) of .*a\.json/, into('array', array));
    const { json } = await done(into('array-2', array, '--skip-broken', '--json'));
    assert.deepEqual([json.rows, json.skipped.count], [2, 2]);
    assert.match(json.skipped.first[1].why, /an object for row 3 \(line 3\)/);
    await done(into('lines', write('b.json', '{"id":1,"v":[1,2]}\n{"id":2,"v":[1,2]}\n')));
    assert.deepEqual(await idsOf('lines'), [1, 2]);
    for (const [text, message] of [
      ['[{"id":1,"v":[1,2]},]', /one array of objects for line 1 of .* a comma without an object/],
      ['[{"id":1,"v":[1,2]}\n', /line 2 of .* no end of it/],
      ['[{"id":1,"v":[1,2]}] {}', /more behind it/],
      ['{\n "hits": [{"id":1}]\n}', /one array of objects, or an object a line, for .*c\.json .*jq -c .* line 1/],
      ['"x"', /line 1 of .*none/],
      ['', /nothing/],
      ['[]', /at least one row/],
    ] as const) {
      await fails(1, message, into('bad-json', write('c.json', text)));
    }
  });

  it('may be packed: .jsonl.gz, .csv.gz; what is cut off says so', async () => {
    const rows = gzipSync('id,v\n1,"[1,2]"\n2,"[2,1]"\n');
    writeFileSync(path('a.csv.gz'), rows);
    await done(into('packed', path('a.csv.gz')));
    assert.deepEqual(await idsOf('packed'), [1, 2]);
    writeFileSync(path('b.csv.gz'), rows.subarray(0, -10));
    const { json } = await fails(1, /a whole gzip file for .*b\.csv\.gz/, into('cut', path('b.csv.gz'), '--json'));
    assert.equal(json.error.code, 'CORRUPT');
    await fails(2, /npy files unpacked \(gunzip\) but received .*c\.npy\.gz/, into('packed', path('c.npy.gz')));
  });

  it('with arrays as PostgreSQL writes them are read; what is no vector among them is refused', async () => {
    const file = write('pg.csv', 'id,v\n1,"{0.5,-1e-3}"\n2,"{1,2}"\n');
    await done(into('pg', file));
    assert.deepEqual(
      (await contentsOf(path('pg'))).map(({ vector }) => vector),
      [Array.from(Float32Array.of(0.5, -1e-3)), [1, 2]],
    );
    for (const text of ['{1,NULL}', '{{1,2}}', '{"1","2"}', '{1 2}']) {
      const odd = write('odd.csv', `id,v\n1,"${text.replaceAll('"', '""')}"\n`);
      await fails(1, /an array of numbers for "v" in line 2/, into('pg-odd', odd));
    }
    await fails(1, /at least one dim/, into('pg-odd', write('none.csv', 'id,v\n1,{}\n')));
  });

  it('of NumPy with counts of its own types are read', async () => {
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (np.int64(2), 2), }\n";
    const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length, 0]);
    const values = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
    writeFileSync(path('counts.npy'), Buffer.concat([start, Buffer.from(header), values]));
    await done(['ingest', path('counts.npy'), '--to', path('counts')]);
    assert.deepEqual(
      (await contentsOf(path('counts'))).map(({ vector }) => vector),
      [
        [1, 2],
        [3, 4],
      ],
    );
  });

  it('are not gone on with as another format', async () => {
    const file = write('format.csv', 'id,v\n1,"[1,2]"\n');
    await done(into('format', file));
    const other = write('format-2.csv', 'id,v\n3,"[1,2]"\n');
    await done(into('format', other));
    await fails(1, /no --format then, "tsv" now/, [
      ...['ingest', file, '--format', 'tsv', '--delimiter', ',', '--vector', 'v', '--id', 'id', '--to', path('format')],
    ]);
    assert.equal(JSON.parse(readFileSync(path('format/funnelvec.json'), 'utf8')).sources.length, 2);
  });

  it('that say something twice, or beyond what a number holds, are broken rows', async () => {
    const lines = '{"id":1,"a":1,"a":2,"v":[1,2]}\n{"id":2,"a":1e400,"v":[1,2]}\n{"id":3,"a":-0,"v":[1,2]}\n';
    const { json } = await done(into('twice', write('twice.jsonl', lines), '--skip-broken', '--json'));
    const why = json.skipped.first.map((one: { why: string }) => one.why);
    assert.match(why[0], /JSON for line 1 of .*twice\.jsonl but received the key "a" twice/);
    assert.match(why[1], /JSON for line 2 of .* 1e400, which no double holds, in "a"/);
    assert.deepEqual((await contentsOf(path('twice')))[0]!.payload, { a: -0 });
  });
});

it('an ingest of which nothing was written is begun anew as its error advised, without --restart', async () => {
  const file = write('advised.jsonl', '{"id":1,"n":1,"v":[1,2]}\n{"id":9007199254740993,"n":2,"v":[1,2]}\n');
  await fails(1, /--id-type string\) for "id" in line 2/, into('advised', file));
  await done(into('advised', file, '--id-type', 'string', '--strings', 'n'));
  assert.deepEqual(
    (await contentsOf(path('advised'))).map(({ id, payload }) => [id, payload]),
    [
      ['1', { n: '1' }],
      ['9007199254740993', { n: '2' }],
    ],
  );
  const semi = bytes('advised.csv', 'id;v\na;[1,2]\n\xe9;[1,2]\n');
  const line = into('advised-2', semi, '--delimiter', ';');
  await fails(1, /--encoding windows-1252/, line);
  await done([...line, '--encoding', 'windows-1252']);
  assert.deepEqual(await idsOf('advised-2'), ['a', 'é']);
});
