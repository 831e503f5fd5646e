/**
 * A registry of the scope @funnelvec alone, for installations: none of its packages is published. It has every platform's
 * metadata, and the archives that it is given.
 *   node registry-child.js <module of the platforms> <version> [archive ...]     prints its port
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';

const [, , module, version, ...files] = process.argv;
const { PLATFORMS, manifestOf } = (await import(module!)) as {
  PLATFORMS: Record<string, unknown>;
  manifestOf(name: string, version: string): { name: string };
};
const archives = new Map(files.map((file) => [basename(file), readFileSync(file)]));
const manifests = Object.keys(PLATFORMS).map((name) => manifestOf(name, version!));

const server = createServer(({ url = '', headers }, response) => {
  const path = decodeURIComponent(url).slice(1);
  const archive = archives.get(path);
  if (archive !== undefined) return response.end(archive);
  const manifest = manifests.find(({ name }) => name === path);
  if (manifest === undefined) return response.writeHead(404).end();
  const file = `${manifest.name.slice(1).replace('/', '-')}-${version}.tgz`;
  const bytes = archives.get(file) ?? Buffer.from('there is none');
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  const dist = { tarball: `http://${headers.host}/${file}`, integrity };
  const body = {
    name: manifest.name,
    'dist-tags': { latest: version },
    versions: { [version!]: { ...manifest, dist } },
  };
  return response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
