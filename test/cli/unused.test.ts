/** Options that nothing would come of are refused, and errors name remedies as the command knows them. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { QdrantClient } from '@qdrant/js-client-rest';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { startQdrant } from '../sources/servers.js';
import { done, fails } from './command.js';
import { tempFolder } from './files.js';

const { path, write } = tempFolder();
const rows = write('rows.jsonl', '{"id":1,"m":{"a":1,"b":2},"v":[1,2]}\n{"id":2,"m":{"a":3,"b":4},"v":[2,1]}\n');
const into = (to: string, file: string, ...more: string[]) => ['ingest', file, '--to', path(to), ...more];

describe('an option of ingest that nothing would come of', () => {
  const vector = ['--vector', 'v', '--id', 'id'];
  it('is refused before any work', async () => {
    const kept = /Expected m\.b of --numbers or --strings among what --payload keeps/;
    await fails(2, kept, into('none', rows, ...vector, '--payload', 'm.a', '--strings', 'm.b'));
    await fails(2, kept, into('none', rows, ...vector, '--no-payload', '--numbers', 'm.b'));
    await fails(2, /Expected v of --numbers or --strings/, into('none', rows, ...vector, '--strings', 'v'));
    await fails(2, /Expected --id-type for id, which has the ids,/, into('none', rows, ...vector, '--strings', 'id'));
    await fails(2, /Expected --id beside --id-type/, into('none', rows, '--vector', 'v', '--id-type', 'string'));
    assert.ok(!existsSync(path('none')));
  });

  it('is none where a column lies in one that is kept', async () => {
    await done(into('kept', rows, ...vector, '--payload', 'm', '--strings', 'm.b'));
    await done(into('rest', rows, ...vector, '--strings', 'm.b'));
  });
});

it('--text beside queries that are lines of text, or vectors, is refused', async () => {
  await done(into('store', rows, '--vector', 'v', '--id', 'id'));
  const bench = ['bench', '--store', path('store'), '--queries'];
  await fails(2, /Expected no --text for .*q\.txt, which has a text a line/, [...bench, 'q.txt', '--text', 'a']);
  await fails(2, /Expected no --text for .*q\.npy, which has vectors/, [...bench, 'q.npy', '--text', 'a']);
});

it('a file of broken rows only says why the first is broken, under --skip-broken too', async () => {
  const file = write('broken.jsonl', '{"v":[1,"x"]}\n{"v":[2,"y"]}\n');
  const why =
    /at least one row in .* but received broken ones only: Expected a finite float32 for dim 1 of "v" in line 1/;
  await fails(1, why, into('broken', file, '--vector', 'v', '--skip-broken'));
});

it('a small id in a column that has larger ones is not called too large', async () => {
  const file = path('wide.parquet');
  const columnData = [
    { name: 'id', data: [1n, 1152921504606846977n], type: 'INT64' as const },
    { name: 'v', data: ['[1,2]', '[2,1]'], type: 'STRING' as const },
  ];
  writeFileSync(file, new Uint8Array(parquetWriteBuffer({ columnData })));
  const why =
    /an integer within ±\(2\^53 − 1\) \(larger ones as text, with --id-type string\) for "id" in row 0 of .* received a column that/;
  const { stderr } = await fails(1, why, into('wide', file, '--vector', 'v', '--id', 'id'));
  assert.ok(!/received 1n/.test(stderr), stderr);
});

it('an object where a vector should be names its fields', async () => {
  const file = write('named.jsonl', '{"vector":{"full":[1,2]}}\n');
  const why = /array of numbers \(of a field: --vector vector\.<field>\) for "vector" in line 1 .* it has only "full"/;
  await fails(1, why, into('named', file, '--vector', 'vector'));
});

it('--restart that cannot begin leaves the store that was there', async () => {
  await done(into('again', rows, '--vector', 'v', '--id', 'id'));
  await fails(1, /"w" in line 1/, into('again', rows, '--vector', 'w', '--id', 'id', '--restart'));
  const { json } = await done(['search', '--store', path('again'), '--vector', '[1,2]', '--json']);
  assert.equal(json.hits.length, 2);
  const { json: anew } = await done(into('again', rows, '--vector', 'v', '--id', 'id', '--restart', '--json'));
  assert.deepEqual([anew.written, anew.resumedAt], [2, 0]);
});

describe('a remedy of the library', { timeout: 60_000 }, () => {
  let server: Awaited<ReturnType<typeof startQdrant>>;
  let client: QdrantClient;
  const collection = `remedies_${process.pid}`;
  before(async () => {
    server = await startQdrant();
    client = new QdrantClient({ url: server.url, checkCompatibility: false });
    const size = (size: number) => ({ size, distance: 'Cosine' as const });
    await client.createCollection(collection, { vectors: { head: size(2), full: size(4) } });
    await client.upsert(collection, { wait: true, points: [{ id: 1, vector: { head: [1, 2] }, payload: {} }] });
  });
  after(async () => {
    await client?.deleteCollection(collection);
    await server?.stop();
  });

  it('is told as an option of the command', async () => {
    const at = ['search', '--qdrant', server.url, '--collection', collection, '--vector', '[1,2,3,4]'];
    const { stderr } = await fails(1, /leave such points out with --missing-vectors skip/, at);
    assert.ok(!stderr.includes('missingVectors:'), stderr);
    await done([...at, '--missing-vectors', 'skip']);
    const one = /Expected vector "nope" in .* it has .*: write --head "head" --full "full"/;
    await fails(1, one, [...at, '--head', 'nope', '--full', 'nope']);
  });
});
