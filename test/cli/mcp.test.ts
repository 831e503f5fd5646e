/** `funnelvec mcp`, driven by the client of the official SDK. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { FunnelIndex } from 'funnelvec/store';
import { done, fails } from './command.js';
import { films, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const child = fileURLToPath(new URL('cli-child.js', import.meta.url));
const store = path('films');

interface Answer {
  hits: { id: number; score: number; payload: Record<string, unknown> }[];
  [key: string]: unknown;
}

async function connected(...line: string[]): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [child, '0', 'mcp', ...line] }));
  return client;
}

async function answerOf(client: Client, name: string, args: object): Promise<Answer> {
  const result = await client.callTool({ name, arguments: args as Record<string, unknown> });
  const [{ text }] = result.content as [{ text: string }];
  assert.equal(result.isError, undefined, text);
  assert.deepEqual(JSON.parse(text), result.structuredContent);
  return result.structuredContent as Answer;
}

async function refusal(client: Client, name: string, args: object): Promise<string> {
  const result = await client.callTool({ name, arguments: args as Record<string, unknown> });
  assert.equal(result.isError, true, JSON.stringify(result));
  const { error } = JSON.parse((result.content as [{ text: string }])[0].text);
  return `${error.code}: ${error.message}`;
}

describe('funnelvec mcp', { timeout: 120_000 }, () => {
  let client: Client;
  before(async () => {
    await done([
      'ingest',
      write('films.jsonl', jsonl(films(300))),
      '--text',
      'text',
      '--model',
      'fake',
      '--id',
      'id',
      '--to',
      store,
    ]);
    client = await connected('--store', store);
  });
  after(() => client?.close());

  it('says what it is, and offers two tools that only read', async () => {
    assert.equal(client.getServerVersion()!.name, 'funnelvec');
    assert.match(client.getInstructions()!, /describe_store first/);
    const { tools } = await client.listTools();
    assert.deepEqual(
      tools.map(({ name }) => name),
      ['search', 'describe_store'],
    );
    for (const { annotations } of tools) assert.equal(annotations!.readOnlyHint, true);
    assert.deepEqual(tools[0]!.inputSchema.required, ['query']);
  });

  it('answers as the command does: hits, filters, limits, exact and explained', async () => {
    const [query, year] = ['robot winter', 1990];
    const filter = { must: { key: 'year', range: { lt: year } } };
    for (const [args, line] of [
      [{}, []],
      [{ limit: 3 }, ['--limit', '3']],
      [{ filter, limit: 5 }, ['--filter', JSON.stringify(filter), '--limit', '5']],
      [{ mode: 'exact' }, ['--mode', 'exact']],
    ] as const) {
      const { json } = await done(['search', '--store', store, query, '--json', ...line]);
      const { hits, exact } = await answerOf(client, 'search', { query, ...args });
      assert.deepEqual(hits, json.hits);
      assert.equal(exact, json.exact);
    }
    const { hits } = await answerOf(client, 'search', { query, filter });
    assert.ok(hits.length > 0 && hits.every(({ payload }) => (payload['year'] as number) < year));
    const explained = await answerOf(client, 'search', { query, explain: true, payload: ['year', 'no'] });
    assert.ok((explained['stages'] as object[]).length > 0);
    for (const { payload } of explained.hits) assert.deepEqual(Object.keys(payload), ['year']);
  });

  it('tells what the store holds', async () => {
    const told = await answerOf(client, 'describe_store', {});
    assert.deepEqual([told['rows'], told['dim'], told['kind'], told['model']], [300, 16, 'embedded', 'fake@16']);
    const keys = told['payload'] as { key: string; types: string[]; rows: number }[];
    assert.deepEqual(keys.find(({ key }) => key === 'year')!.types, ['integer']);
    assert.ok(keys.every(({ rows }) => rows <= 200));
  });

  it('refuses bad arguments by name, and goes on', async () => {
    for (const [args, text] of [
      [{}, /BAD_ARGUMENT: Expected a text for query but received undefined/],
      [{ query: '  ' }, /a text for query/],
      [{ query: 'a', limit: 0 }, /an integer in 1\.\.100 for limit but received 0/],
      [{ query: 'a', limit: '3' }, /for limit/],
      [{ query: 'a', top: 3 }, /received top/],
      [{ query: 'a', mode: 'fast' }, /'funnel' or 'exact' for mode/],
      [{ query: 'a', filter: 'year < 1990' }, /an object, .* for filter/],
      [{ query: 'a', filter: { key: 'year' } }, /filter/],
      [{ query: 'a', payload: 'year' }, /an array of keys for payload/],
      [{ query: 'a', explain: 1 }, /a boolean for explain/],
    ] as const) {
      assert.match(await refusal(client, 'search', args), text);
    }
    assert.match(await refusal(client, 'describe_store', { deep: true }), /received deep/);
    await assert.rejects(client.callTool({ name: 'delete', arguments: {} }), /Expected one of search, describe_store/);
    assert.equal((await answerOf(client, 'search', { query: 'robot', limit: 1 })).hits.length, 1);
  });

  it('answers many calls at a time, and sees what others write', async () => {
    const queries = films(40).map(({ text }) => text);
    const answers = await Promise.all(queries.map((query) => answerOf(client, 'search', { query, limit: 1 })));
    for (const { hits } of answers) assert.ok(hits[0]!.score > 0.999);
    const writer = await FunnelIndex.open(store);
    const { dim } = writer;
    await writer.upsert([{ id: 5000, vector: new Float32Array(dim).fill(1), payload: { year: 3000 } }]);
    const filter = { must: { key: 'year', match: { value: 3000 } } };
    assert.equal((await answerOf(client, 'search', { query: 'robot', filter })).hits[0]!.id, 5000);
    await writer.delete([5000]);
    await writer.close();
  });

  it('takes vectors where the store has no model', async () => {
    const to = path('vectors');
    await done(['ingest', write('v.jsonl', '{"v":[1,0]}\n{"v":[0,1]}\n'), '--vector', 'v', '--to', to]);
    const other = await connected('--store', to);
    assert.deepEqual((await other.listTools()).tools[0]!.inputSchema.required, ['vector']);
    assert.equal((await answerOf(other, 'search', { vector: [0.1, 1], limit: 1 })).hits[0]!.id, 1);
    assert.match(await refusal(other, 'search', { vector: [1] }), /BAD_DIMS: Expected 2 dims/);
    assert.match(await refusal(other, 'search', { vector: [1, null] }), /NOT_FINITE: .* dim 1 of vector/);
    assert.match(await refusal(other, 'search', { query: 'robot' }), /received query/);
    assert.equal((await answerOf(other, 'describe_store', {}))['model'], null);
    await other.close();
  });

  it('writes what JSON lacks as text: large integers, NaN and Infinity, in ids and payloads', async () => {
    const to = path('large');
    const index = await FunnelIndex.create(to, { dim: 2 });
    const large = 2n ** 53n + 1n;
    await index.upsert([{ id: large, vector: [1, 0], payload: { n: large, nan: Number.NaN, least: -Infinity } }]);
    await index.close();
    const other = await connected('--store', to);
    const [hit] = (await answerOf(other, 'search', { vector: [1, 0] })).hits;
    assert.deepEqual([hit!.id, hit!.payload], [String(large), { n: String(large), nan: 'NaN', least: '-Infinity' }]);
    await answerOf(other, 'describe_store', {});
    await other.close();
  });

  it('ends when its input ends or it is stopped, and fails at once where there is no store', async () => {
    for (const end of ['input', 'signal'] as const) {
      const server = spawn(process.execPath, [child, '0', 'mcp', '--store', store], { stdio: 'pipe' });
      server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })}\n`);
      await once(server.stdout, 'data');
      if (end === 'input') server.stdin.end();
      else server.kill('SIGINT');
      assert.deepEqual(await once(server, 'exit'), [0, null]);
    }
    await fails(1, /no index|Expected an index/i, ['mcp', '--store', path('nowhere')]);
    await fails(2, /--store/, ['mcp']);
  });
});
