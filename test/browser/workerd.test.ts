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
import { WORKERD } from './programs.js';

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
  let address: string;
  let child: ReturnType<typeof spawn>;

  before(async () => {
    writeFileSync(join(home, 'edge.mjs'), WORKERD);
    const { warnings } = await load!('esbuild').build({
      absWorkingDir: home,
      entryPoints: ['edge.mjs'],
      bundle: true,
      format: 'esm',
      conditions: ['workerd'],
      loader: { '.wasm': 'copy' },
      assetNames: '[name]',
      outdir: 'edge',
      logLevel: 'silent',
    });
    assert.deepEqual(warnings, []);
    const port = await freePort();
    const modules = readdirSync(join(home, 'edge')).map((file) => {
      return `(name = "${file}", ${file.endsWith('.wasm') ? 'wasm' : 'esModule'} = embed "${file}")`;
    });
    modules.sort((a, b) => Number(b.includes('edge.js')) - Number(a.includes('edge.js'))); // the first is the program
    writeFileSync(
      join(home, 'edge', 'config.capnp'),
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .program)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const program :Workerd.Worker = (modules = [${modules.join(', ')}], compatibilityDate = "2026-01-01");
`,
    );
    child = spawn(binary!, ['serve', 'config.capnp'], { cwd: join(home, 'edge'), stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr!.on('data', (text) => (said += text));
    address = `http://127.0.0.1:${port}`;
    for (const end = performance.now() + 30_000; ; ) {
      const answer = await fetch(`${address}/wasm`).catch(() => undefined);
      if (answer !== undefined) break;
      if (child.exitCode !== null || performance.now() > end) throw new Error(`workerd does not answer: ${said}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  });

  after(async () => {
    if (child !== undefined && child.exitCode === null) {
      child.kill();
      await once(child, 'exit');
    }
    remove();
  });

  for (const name of ['main', 'wasm', 'store']) {
    it(`program ${name} has the bits of Node.js, on WASM`, async () => {
      const { run } = await import(pathToFileURL(join(home, `${name}.mjs`)).href);
      const { answers } = JSON.parse(JSON.stringify(await run()));
      const answer = (await (await fetch(`${address}/${name}`)).json()) as { answers: unknown; kernels?: string };
      assert.deepEqual(answer.answers, answers);
      if (name !== 'wasm') assert.equal(answer.kernels, 'wasm');
    });
  }
});
