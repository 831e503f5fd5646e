/** funnelvec ingest and search on Milvus and Qdrant: interruptions, what is refused, servers that are not there. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { done, fails } from './command.js';
import { fakeLoader, fakeVector } from './fake-embedder.js';
import { films, jsonl, tempFolder } from './files.js';
import { type Store, stores } from './places.js';

const { path, write } = tempFolder();
const state = path('state');
const child = fileURLToPath(new URL('cli-child.js', import.meta.url));
const env = { FUNNELVEC_STATE: state };

for (const { name, start } of stores('').slice(1)) {
  describe(`an ingest into ${name}`, { timeout: 120_000 }, () => {
    const all = films(300);
    const file = write('films.jsonl', jsonl(all));
    let place: Awaited<ReturnType<Store['start']>>;
    const line = (collection: string, ...more: string[]) => {
      const to = [...place.to.slice(0, -1), `${place.to.at(-1)}_${collection}`];
      return ['ingest', file, '--text', 'text', '--id', 'id', '--model', 'fake', ...to, ...more];
    };
    const where = (collection: string) => [...place.from.slice(0, -1), `${place.from.at(-1)}_${collection}`];
    const everything = async (collection: string) => {
      const { json } = await done(
        ['search', ...where(collection), 'robot', '--mode', 'exact', '--limit', '1000', '--json'],
        { env },
      );
      return (json.hits as { id: unknown; payload: object }[])
        .map(({ id, payload }) => ({ id: Number(id), ...payload }))
        .sort((a, b) => a.id - b.id);
    };
    before(async () => {
      place = await start();
    });
    after(() => place?.stop());

    it('that is interrupted goes on to the same rows, once each', async () => {
      for (const after of [2, 1]) {
        const stop = new AbortController();
        let batches = 0;
        const load = fakeLoader({ onBatch: () => void (++batches === after && stop.abort()) });
        await fails(130, /Stopped after/, line('stopped', '--batch', '60'), { load, env, stop: stop.signal });
      }
      const { json } = await done(line('stopped', '--json'), { env });
      assert.equal(json.resumedAt, 180);
      assert.equal(json.rows, 300);
      assert.equal(json.head, 8);
      assert.deepEqual(await everything('stopped'), all);
    });

    it('repeats what it wrote after the last state that reached the disk, without a trace', async () => {
      await done(line('replayed', '--batch', '50'), { env });
      const states = path('state');
      const name = readdirSync(states).find((one) => one.includes('replayed'))!;
      const kept = JSON.parse(readFileSync(`${states}/${name}`, 'utf8'));
      kept.sources[0].rows = 100;
      kept.sources[0].complete = false;
      writeFileSync(`${states}/${name}`, JSON.stringify(kept));
      const { json } = await done(line('replayed', '--json'), { env });
      assert.equal(json.rows, 300);
      assert.deepEqual(await everything('replayed'), all);
    });

    it('is refused where the collection is somebody else’s, or was made by another model', async () => {
      await done(line('mine'), { env });
      const other = { env: { FUNNELVEC_STATE: path('other-state') } };
      await fails(1, /has 300 rows that funnelvec ingest knows nothing of/, line('mine'), other);
      await fails(1, /knows nothing of/, line('mine', '--restart'), other);
      await fails(1, /fake@16, as before, .* other@16/, line('mine'), { env, load: fakeLoader({ name: 'other' }) });
      await fails(1, /fake@16, but received other@16/, ['search', ...where('mine'), 'robot'], {
        env,
        load: fakeLoader({ name: 'other' }),
      });
      assert.equal((await everything('mine')).length, 300);
      const { json } = await done(line('mine', '--restart', '--head', '4', '--json'), { env });
      assert.equal(json.head, 4);
      assert.equal(json.rows, 300);
    });

    it('refuses integers that its client would round, keeps their digits as text, and finds what lay in objects', async () => {
      const big = '9007199254740993';
      const rows = [0, 1].map((id) => `{"id":${id},"meta":{"n":${big},"kind":"k${id}"},"v":{"full":[1,${id}]}}\n`);
      const lines = write('integers.jsonl', rows.join(''));
      const to = (collection: string) => ['--vector', 'v.full', '--id', 'id', '--head', '1', ...where(collection)];
      const message = new RegExp(`line 1 of .*--strings keeps the digits as text\\).* for "meta" but received ${big}n`);
      await fails(1, message, ['ingest', lines, ...to('integers')], { env });
      await done(['ingest', lines, ...to('integers'), '--strings', 'meta.n', '--payload', 'meta'], { env });
      const filter = '{"must":{"key":"meta.kind","match":{"value":"k1"}}}';
      const ask = ['search', ...where('integers'), '--vector', '[1,1]', '--filter', filter, '--json'];
      const { json } = await done(ask, { env });
      assert.deepEqual(
        json.hits.map((hit: { id: unknown; payload: object }) => [Number(hit.id), hit.payload]),
        [[1, { meta: { n: big, kind: 'k1' } }]],
      );
    });

    it('is searched by tools of the Model Context Protocol as by the command', async () => {
      await done(line('tools'), { env });
      const server = { command: process.execPath, args: [child, '0', 'mcp', ...where('tools')] };
      const client = new Client({ name: 'test', version: '1' });
      await client.connect(new StdioClientTransport({ ...server, env: { ...(process.env as object), ...env } }));
      await client.listTools();
      const called = async (tool: string, args: object) => {
        const answer = await client.callTool({ name: tool, arguments: args as Record<string, unknown> });
        const [{ text }] = answer.content as [{ text: string }];
        return { isError: answer.isError, json: JSON.parse(text) };
      };
      const filter = { must: { key: 'year', range: { lt: 1990 } } };
      for (const [args, more] of [
        [{ limit: 5 }, ['--limit', '5']],
        [{ limit: 5, filter, mode: 'exact' }, ['--limit', '5', '--filter', JSON.stringify(filter), '--mode', 'exact']],
      ] as const) {
        const { json } = await done(['search', ...where('tools'), 'robot', '--json', ...more], { env });
        const found = await called('search', { query: 'robot', ...args });
        assert.deepEqual(found.json.hits, json.hits);
        assert.equal(found.json.hits.length, 5);
      }
      const told = await called('describe_store', {});
      assert.deepEqual([told.json.rows, told.json.dim, told.json.model], [300, 16, 'fake@16']);
      const odd = await called('search', { query: 'robot', filter: { must: { key: 'year' } } });
      assert.equal(odd.isError, true);
      assert.equal(odd.json.error.code, 'BAD_ARGUMENT');
      await client.close();
    });

    it('takes vectors of a column, and names what the store cannot take', async () => {
      const rows = all.map(({ id, text }) => ({ id, v: Array.from(fakeVector(text)) }));
      const vectors = write('vectors.jsonl', jsonl(rows));
      const to = (collection: string) => ['--vector', 'v', '--id', 'id', ...where(collection)];
      const { json } = await done(['ingest', vectors, ...to('vectors'), '--head', '8', '--json'], { env });
      assert.equal(json.rows, 300);
      const bad =
        name === 'Milvus'
          ? [{ id: 1, v: [1, 2], embedding: 3 }, /line 1 of .*other columns than id, head_embedding, embedding/]
          : [{ id: 'abc', v: [1, 2] }, /line 1 of .*integer of 0 or more or a UUID/];
      const broken = write('bad.jsonl', jsonl([bad[0] as object]));
      await fails(1, bad[1] as RegExp, ['ingest', broken, ...to('bad')], { env });
      const columnData = [
        { name: 'id', data: [1n, 2n] },
        { name: 'v', data: ['[1,2]', '[3,4]'] },
        { name: 'n', data: [1n, 2n ** 60n] },
      ];
      const wide = write('wide.parquet', new Uint8Array(parquetWriteBuffer({ columnData })));
      const message = /row 0 of .*what .* keeps as it is \(.*\), for "n" but received 1n of type bigint/;
      await fails(1, message, ['ingest', wide, ...to('wide')], { env });
      const { json: fine } = await done(['ingest', wide, ...to('fine'), '--no-payload', '--json'], { env });
      assert.equal(fine.rows, 2);
      // With the server's own limits, nothing was written.
      await fails(1, /does not exist|no points|NO_|lacks|doesn't/i, ['search', ...where('none'), '--vector', '[1,2]'], {
        env,
      });
    });
  });
}

describe('a database that is not there', () => {
  const file = write('few.jsonl', jsonl(films(3)));
  for (const [name, place] of [
    ['Milvus', ['--milvus', '127.0.0.1:9', '--collection', 'c']],
    ['Qdrant', ['--qdrant', 'http://127.0.0.1:59999', '--collection', 'c']],
  ] as const) {
    it(`is an error that names it, and leaves nothing behind: ${name}`, { timeout: 60_000 }, async () => {
      const states = path(`no-${name}`);
      const own = { env: { FUNNELVEC_STATE: states } };
      const line = ['ingest', file, '--text', 'text', '--model', 'fake', ...place];
      const ingested = await fails(1, /cannot be reached|Cannot reach/i, [...line, '--json'], own);
      assert.equal(ingested.json.error.code, 'UNREACHABLE');
      assert.ok(!existsSync(states));
      const asked = await fails(1, /each/, ['search', ...place, '--vector', '[1]', '--json'], own);
      assert.equal(asked.json.error.code, 'UNREACHABLE');
    });
  }
});
