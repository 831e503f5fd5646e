/** The package in workerd, which compiles no WebAssembly from bytes: the condition `workerd` imports the modules. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { bundlers, project } from './bundles.js';
import { NEEDS_NODE, WORKERD, WORKERD_NODE } from './programs.js';

const { load, missing } = await bundlers();
const { binary, why } = await workerd();

/** Where there is one for this platform. */
async function workerd(): Promise<{ binary?: string; why?: string }> {
  const script = pathToFileURL(resolve('scripts/setup/bundlers.mjs')).href;
  const { ensureWorkerd } = (await import(script)) as typeof import('../../scripts/setup/bundlers.mjs');
  try {
    const cloudflare = join(await ensureWorkerd(), 'node_modules', '@cloudflare');
    const [name = ''] = existsSync(cloudflare) ? readdirSync(cloudflare) : [];
    const found = join(cloudflare, name, 'bin', 'workerd');
    return existsSync(found) ? { binary: found } : { why: 'workerd has no binary for this platform' };
  } catch (error) {
    return { why: `workerd cannot be installed: ${(error as Error).message}` };
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

describe('in workerd', { skip: why ?? missing ?? false, timeout: 120_000 }, () => {
  const { home, remove } = project();
  const servers: ReturnType<typeof spawn>[] = [];
  let address: string;

  before(async () => {
    address = await served('edge', WORKERD, '');
  });

  after(async () => {
    for (const child of servers) {
      if (child.exitCode !== null) continue;
      child.kill();
      await once(child, 'exit');
    }
    remove();
  });

  /** Bundles a program and has workerd serve it; the address. */
  async function served(name: string, text: string, flags: string, external: string[] = []): Promise<string> {
    writeFileSync(join(home, `${name}.mjs`), text);
    const { warnings } = await load!('esbuild').build({
      absWorkingDir: home,
      entryPoints: [`${name}.mjs`],
      bundle: true,
      format: 'esm',
      conditions: ['workerd'],
      external,
      loader: { '.wasm': 'copy' },
      assetNames: '[name]',
      outdir: name,
      logLevel: 'silent',
    });
    assert.deepEqual(warnings, []);
    const port = await freePort();
    const folder = join(home, name);
    const modules = readdirSync(folder).map((file) => {
      return `(name = "${file}", ${file.endsWith('.wasm') ? 'wasm' : 'esModule'} = embed "${file}")`;
    });
    // The first is the program.
    modules.sort((a, b) => Number(b.includes(`"${name}.js"`)) - Number(a.includes(`"${name}.js"`)));
    writeFileSync(
      join(folder, 'config.capnp'),
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .program)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const program :Workerd.Worker = (modules = [${modules.join(', ')}], compatibilityDate = "2026-01-01"${flags});
`,
    );
    const child = spawn(binary!, ['serve', 'config.capnp'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    servers.push(child);
    let said = '';
    child.stderr!.on('data', (text) => (said += text));
    const place = `http://127.0.0.1:${port}`;
    for (const end = performance.now() + 30_000; ; ) {
      const answer = await fetch(`${place}/wasm`).catch(() => undefined);
      if (answer !== undefined) return place;
      if (child.exitCode !== null || performance.now() > end) throw new Error(`workerd does not answer: ${said}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  for (const name of ['main', 'wasm', 'store']) {
    it(`program ${name} has the bits of Node.js, on WASM`, async () => {
      const { run } = await import(pathToFileURL(join(home, `${name}.mjs`)).href);
      const { answers } = JSON.parse(JSON.stringify(await run()));
      const answer = (await (await fetch(`${address}/${name}`)).json()) as { answers: unknown; kernels?: string };
      assert.deepEqual(answer.answers, answers);
      if (name !== 'wasm') assert.equal(answer.kernels, 'wasm');
    });
  }

  it('funnelvec/embed has models of others, and says that a model on this machine needs Node.js', async () => {
    const { run } = await import(pathToFileURL(join(home, 'embed.mjs')).href);
    const { answers, refused } = (await (await fetch(`${address}/embed`)).json()) as Record<string, unknown>;
    assert.deepEqual(answers, JSON.parse(JSON.stringify((await run()).answers)));
    assert.deepEqual(refused, ['FunnelError', 'UNSUPPORTED', NEEDS_NODE]);
  });

  it('what else needs Node.js is imported with nodejs_compat, and refuses by typed errors', async () => {
    const external = ['node:*', 'hyparquet*', 'csv-parse*', 'apache-arrow', 'h5wasm*', 'uplot*'];
    external.push('better-sqlite3', 'libsql', 'sqlite-vec', 'lz4-napi');
    const place = await served('node', WORKERD_NODE, ', compatibilityFlags = ["nodejs_compat"]', external);
    assert.deepEqual(await (await fetch(place)).json(), {
      embed: ['FunnelError', 'UNSUPPORTED'],
      ...Object.fromEntries(
        ['files', 'milvus', 'qdrant', 'train', 'tune'].map((name) => [name, ['FunnelError', 'BAD_ARGUMENT']]),
      ),
    });
  });
});
