// `npm run demo:page`: a page that searches dictionary glosses as one types, in a worker of the browser.
//   node scripts/demo/page/server.mjs [--count 20000] [--port 0]
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { loadGlosses } from '../../data/glosses.mjs';
import { wordllamaFolder } from '../../models/models.mjs';
import { setup } from '../../setup/setup.mjs';
import { log, root } from '../../setup/steps.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const TYPES = { html: 'text/html', css: 'text/css', js: 'text/javascript', bin: 'application/octet-stream' };
// Nothing from elsewhere; WebAssembly is compiled from the package's own bytes.
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data:";
const FILES = { '/': 'index.html', '/page.css': 'page.css', '/page.js': 'page.js', '/worker.js': 'worker.js' };

/**
 * Serves the page. The index is built here, and shipped as the bytes that toBytes() gives.
 * @param {{ count?: number, port?: number }} [options]
 * @returns {Promise<{ address: string, close: () => Promise<void> }>}
 */
export async function servePage({ count = 20_000, port = 0 } = {}) {
  const { Embedder } = await import('funnelvec/embed');
  const { dim, rows, texts, words, pos } = await loadGlosses({ count });
  const embedder = await Embedder.load({ preset: 'wordllama', path: await wordllamaFolder() });
  const index = await indexOf(dim, rows);
  const answers = {
    '/glosses.bin': index,
    '/glosses.json': Buffer.from(JSON.stringify({ words, texts, pos })),
  };

  async function answer(url) {
    const { pathname, searchParams } = new URL(url, 'http://127.0.0.1');
    if (pathname === '/embed') {
      const [vector] = [await embedder.embed([searchParams.get('text') ?? ''], { role: 'query' })];
      return { type: 'bin', body: new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength) };
    }
    if (pathname in answers) return { type: pathname.endsWith('.bin') ? 'bin' : 'js', body: answers[pathname] };
    if (pathname in FILES) {
      return { type: FILES[pathname].split('.').pop(), body: readFileSync(path.join(here, FILES[pathname])) };
    }
    const file = path.join(root, 'dist', 'esm', pathname.replace('/package/', ''));
    if (pathname.startsWith('/package/') && /^[\w/-]+\.js$/.test(pathname.slice(1)) && existsSync(file)) {
      return { type: 'js', body: inBrowser(readFileSync(file, 'utf8'), pathname) };
    }
    return undefined;
  }

  const server = createServer(async ({ url }, response) => {
    try {
      const found = await answer(url);
      if (found === undefined) response.writeHead(404).end();
      else {
        const headers = { 'Content-Type': `${TYPES[found.type]}; charset=utf-8`, 'Content-Security-Policy': POLICY };
        response.writeHead(200, headers).end(found.body);
      }
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return {
    address: `http://127.0.0.1:${server.address().port}/`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      await embedder.close();
    },
  };
}

async function indexOf(dim, rows) {
  const { FunnelIndex } = await import('funnelvec/store');
  const index = await FunnelIndex.create(':memory:', { dim, precision: 'float16', autoOptimize: false });
  await index.upsert({ ids: Array.from({ length: rows.length / dim }, (_, i) => i), vectors: rows });
  await index.optimize();
  const bytes = await index.toBytes();
  await index.close();
  return bytes;
}

/** A browser without a bundler knows no conditions: names of `imports` in package.json become places. */
function inBrowser(text, pathname) {
  const up = '../'.repeat(pathname.split('/').length - 3) || './';
  return text.replaceAll(/(["'])#host\/([^"']+)\1/g, (_, quote, name) => {
    const stand = existsSync(path.join(root, 'dist', 'esm', `${name}-web.js`)) ? `${name}-web` : name;
    return `${quote}${up}${stand}.js${quote}`;
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({ options: { count: { type: 'string' }, port: { type: 'string' } } });
  await setup({ withTests: false });
  log('embedding and indexing the glosses (the first time takes a while)');
  const { address } = await servePage({ count: Number(values.count ?? 20_000), port: Number(values.port ?? 0) });
  console.log(`The demo is at ${address} — Ctrl+C ends it.`);
}
