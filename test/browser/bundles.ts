/** Bundles of the programs for browsers, by every bundler that docs/runtimes.md names, with no more settings than these. */
import { mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FunnelIndex } from '#dist/store/index.js';
import { Random } from '../random.js';
import { PROGRAMS, starter } from './programs.js';

/** A folder with the programs, where the package is found. */
export function project(): { home: string; remove: () => void } {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'funnelvec-web-')));
  for (const [name, text] of Object.entries(PROGRAMS)) {
    writeFileSync(join(home, name), text);
    writeFileSync(join(home, name.replace('.mjs', '.start.mjs')), starter(name.replace('.mjs', '')));
  }
  writeFileSync(join(home, 'package.json'), '{ "private": true, "type": "module" }');
  writeFileSync(join(home, 'node_modules'), '');
  rmSync(join(home, 'node_modules'));
  symlinkSync(modules(home), join(home, 'node_modules'), 'dir');
  return { home, remove: () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }) };
}

/** A node_modules that holds a link to this package. */
function modules(home: string): string {
  const folder = realpathSync(mkdtempSync(join(home, 'modules-')));
  symlinkSync(resolve('.'), join(folder, 'funnelvec'), 'dir');
  return folder;
}

/** The bytes of an index on disk, with codes, rows without and dead rows, and a payload index in a file. */
export async function imageOfDisk(home: string): Promise<Uint8Array> {
  const index = await FunnelIndex.create(join(home, 'index'), { dim: 16, autoOptimize: false });
  const random = new Random(11);
  const points = Array.from({ length: 600 }, (_, i) => ({
    id: `row ${i}`,
    vector: Array.from({ length: 16 }, () => random.next() * 2 - 1),
    payload: { year: 1990 + (i % 40), tags: i % 2 === 0 ? ['a'] : ['ü', 'b'] },
  }));
  await index.upsert(points.slice(0, 500));
  await index.createPayloadIndex('tags', 'keyword');
  await index.optimize();
  await index.upsert(points.slice(500));
  await index.delete(['row 3', 'row 550']);
  const bytes = await index.toBytes();
  await index.close();
  return bytes;
}

/** Installed by test/package/bundlers.ts, or the reason why not. */
export async function bundlers(): Promise<{ load?: NodeJS.Require; missing?: string }> {
  const script = pathToFileURL(resolve('scripts/setup/bundlers.mjs')).href;
  const { ensureBundlers } = (await import(script)) as typeof import('../../scripts/setup/bundlers.mjs');
  try {
    return { load: createRequire(join(await ensureBundlers(), 'package.json')) };
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return { missing: `the bundlers cannot be installed: ${(error as Error).message}` };
  }
}

/** Builds a program into one classic script, and returns its text. A warning is an error. */
export type Build = (load: NodeJS.Require, home: string, name: string) => Promise<string>;

export const BUNDLERS: Record<string, Build> = {
  async esbuild(load, home, name) {
    const { warnings, outputFiles } = await load('esbuild').build({
      absWorkingDir: home,
      entryPoints: [`${name}.start.mjs`],
      bundle: true,
      minify: true,
      write: false,
      logLevel: 'silent',
    });
    refuse(warnings.map(({ text }: { text: string }) => text));
    return outputFiles[0].text;
  },

  async webpack(load, home, name) {
    const compiler = load('webpack')({
      mode: 'production',
      performance: { hints: false }, // how large a page may be is the page's affair
      optimization: { minimize: false }, // takes longer than all else
      context: home,
      target: 'web',
      entry: `./${name}.start.mjs`,
      output: { path: home, filename: `${name}.webpack.js` },
    });
    const stats = await new Promise<{ toJson(options: object): Record<string, { message: string }[]> }>(
      (done, fail) => {
        compiler.run((error: Error | null, result: never) => (error ? fail(error) : done(result)));
      },
    );
    await new Promise((done) => compiler.close(done));
    const { errors = [], warnings = [] } = stats.toJson({ all: false, errors: true, warnings: true });
    refuse([...errors, ...warnings].map(({ message }) => message));
    return readFileSync(join(home, `${name}.webpack.js`), 'utf8');
  },

  async Rollup(load, home, name) {
    const warnings: string[] = [];
    const bundle = await load('rollup').rollup({
      input: join(home, `${name}.start.mjs`),
      plugins: [load('@rollup/plugin-node-resolve').nodeResolve({ browser: true })],
      onwarn: ({ message }: { message: string }) => warnings.push(message),
    });
    const { output } = await bundle.generate({ format: 'iife' });
    await bundle.close();
    refuse(warnings);
    return output[0].code;
  },

  async Vite(load, home, name) {
    const file = pathToFileURL(join(load.resolve('vite/package.json'), '..', 'dist', 'node', 'index.js')).href;
    const { build, createLogger } = await import(file);
    const warnings: string[] = [];
    const warn = (message: string) => warnings.push(message);
    const built = await build({
      root: home,
      configFile: false,
      customLogger: { ...createLogger('silent'), warn, warnOnce: warn },
      build: {
        write: false,
        rollupOptions: { input: join(home, `${name}.start.mjs`), output: { format: 'iife' } },
      },
    });
    refuse(warnings);
    return [built].flat()[0].output[0].code;
  },
};

function refuse(warnings: string[]): void {
  if (warnings.length > 0) throw new Error(`Expected no warnings but received: ${warnings.join('\n')}`);
}
