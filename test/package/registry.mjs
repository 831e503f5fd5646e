// A registry for installations: it has what is published by nobody, the archives that it is given, and for every other platform
// a package without a binary. It asks `--upstream` for the rest, where that is given.
//   node registry.mjs <version> [--upstream url] [archive ...]     prints its port
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { archive } from '../../scripts/platforms/archive.mjs';
import { manifestOf, PLATFORMS } from '../../scripts/platforms/platforms.mjs';

const { values, positionals } = parseArgs({ options: { upstream: { type: 'string' } }, allowPositionals: true });
const [version, ...files] = positionals;
const archives = new Map(files.map((file) => [basename(file), readFileSync(file)]));
const manifests = new Map(Object.keys(PLATFORMS).map((name) => [`@funnelvec/${name}`, manifestOf(name, version)]));
for (const file of files) {
  const manifest = JSON.parse(execFileSync('tar', ['-xzOf', file, 'package/package.json'], { encoding: 'utf8' }));
  manifests.set(manifest.name, manifest);
}

const fileOf = ({ name }) => `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;
for (const manifest of manifests.values()) {
  if (archives.has(fileOf(manifest))) continue;
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-registry-'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  archives.set(fileOf(manifest), await archive(folder, ['package.json']));
  rmSync(folder, { recursive: true });
}

const server = createServer(async ({ url = '', headers }, response) => {
  const path = decodeURIComponent(url).slice(1);
  if (archives.has(path)) return response.end(archives.get(path));
  const manifest = manifests.get(path);
  if (manifest === undefined) return await relay(url, headers, response);
  const file = fileOf(manifest);
  const integrity = `sha512-${createHash('sha512').update(archives.get(file)).digest('base64')}`;
  const dist = { tarball: `http://${headers.host}/${file}`, integrity };
  const body = {
    name: manifest.name,
    'dist-tags': { latest: version },
    time: { [version]: '2020-01-01T00:00:00.000Z' }, // some managers take nothing that is new
    versions: { [version]: { ...manifest, dist } },
  };
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
});

async function relay(path, { accept = '*/*' }, response) {
  if (values.upstream === undefined) return response.writeHead(404).end();
  try {
    const answer = await fetch(values.upstream.replace(/\/$/, '') + path, { headers: { accept } });
    const type = answer.headers.get('content-type') ?? 'application/json';
    response.writeHead(answer.status, { 'content-type': type }).end(Buffer.from(await answer.arrayBuffer()));
  } catch (error) {
    response.writeHead(502).end(String(error));
  }
}

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
