// A store as tools for language models: the server is `funnelvec mcp`, asked here by the SDK's own client, as an agent would.
// Needs the package @modelcontextprotocol/sdk.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { FunnelIndex } from 'funnelvec/store';

const folder = mkdtempSync(join(tmpdir(), 'films-'));
const index = await FunnelIndex.create(folder, { dim: 4 });
await index.upsert([
  { id: 1, vector: [1, 0, 0, 0], payload: { title: 'The Overlook', year: 1980 } },
  { id: 2, vector: [0.9, 0.4, 0, 0], payload: { title: 'Snowed in', year: 1994 } },
  { id: 3, vector: [0, 0, 1, 0], payload: { title: 'Machines', year: 1982 } },
]);
await index.close();

// In a client's configuration: "command": "npx", "args": ["funnelvec", "mcp", "--store", "films"]
const command = fileURLToPath(new URL('cli/main.js', import.meta.resolve('funnelvec')));
const client = new Client({ name: 'example', version: '1.0.0' });
await client.connect(
  new StdioClientTransport({ command: process.execPath, args: [command, 'mcp', '--store', folder], stderr: 'inherit' }),
);
const { tools } = await client.listTools();
console.log(tools.map(({ name }) => name).join(', '));
// => search, describe_store

const { structuredContent } = await client.callTool({
  name: 'search',
  arguments: { vector: [1, 0.2, 0, 0], limit: 2, filter: { must: { key: 'year', range: { gte: 1982 } } } },
});
const { hits } = /** @type {any} */ (structuredContent);
for (const { payload, score } of hits) console.log(payload.title, score.toFixed(3));
// => Snowed in 0.976
// => Machines 0.000

await client.close();
rmSync(folder, { recursive: true });
