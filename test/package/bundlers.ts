/** The bundlers of test/bundlers: each builds the programs of a project, with a few options of docs/runtimes.md beside its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { COUNTED, ENTRIES } from './bundled-programs.js';
import { Consumer, linkTree, userEnv } from './consumer.js';

/** The answers of programs, by entry. */
export type Answers = Record<string, Record<string, unknown>>;

/** Builds the programs of `names` into `home/out`; the files by entry, relative to `home`. */
type Build = (
  home: string,
  out: string,
  settings: Record<string, unknown>,
  names?: readonly string[],
) => Promise<Record<string, string>>;

const MINUTE = 60_000;
const NAMES = Object.keys(ENTRIES);

const { folder, missing } = await install();

export { missing };
export const load = createRequire(join(folder, 'package.json'));
const importTool = (path: string) => import(pathToFileURL(join(folder, 'node_modules', path)).href);

/** In CI they have to be there. */
async function install(): Promise<{ folder: string; missing?: string }> {
  const module = pathToFileURL(resolve('scripts/setup/bundlers.mjs')).href;
  const { ensureBundlers } = (await import(module)) as typeof import('../../scripts/setup/bundlers.mjs');
  try {
    return { folder: await ensureBundlers() };
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return { folder: resolve('.cache'), missing: `the bundlers cannot be installed: ${(error as Error).message}` };
  }
}

export const BUNDLERS: Record<string, Build> = {
  'esbuild to ES modules': (...args) => esbuild('esm', 'mjs', ...args),
  'esbuild to CommonJS': (...args) => esbuild('cjs', 'cjs', ...args),
  'webpack to CommonJS': (...args) => webpack('cjs', {}, ...args),
  'webpack to ES modules': (...args) => {
    const output = { module: true, chunkFormat: 'module', library: { type: 'module' } };
    return webpack('mjs', { experiments: { outputModule: true }, output }, ...args);
  },
  'Rollup to ES modules': (...args) => rollup('es', 'mjs', ...args),
  'Rollup to CommonJS': (...args) => rollup('cjs', 'cjs', ...args),
  'Vite (SSR)': vite,
};

async function esbuild(format: string, end: string, ...[home, out, settings, names = NAMES]: Parameters<Build>) {
  await load('esbuild').build({
    absWorkingDir: home,
    entryPoints: starts(names),
    bundle: true,
    platform: 'node',
    format,
    outdir: out,
    outExtension: { '.js': `.${end}` },
    logLevel: 'silent',
    ...settings,
  });
  return outputs(out, `start.${end}`, names);
}

async function webpack(end: string, more: Options, ...[home, out, settings, names = NAMES]: Parameters<Build>) {
  const compiler = load('webpack')({
    mode: 'production',
    optimization: { minimize: false },
    context: home,
    target: 'node20',
    entry: Object.fromEntries(names.map((name) => [name, `./${name}.start.mjs`])),
    ...more,
    output: { path: join(home, out), filename: `[name].${end}`, ...(more['output'] as object) },
    ...settings,
  });
  const stats = await new Promise<Stats>((done, fail) => {
    compiler.run((error: Error | null, result: Stats) => (error ? fail(error) : done(result)));
  });
  await new Promise((done) => compiler.close(done));
  const { errors } = stats.toJson({ all: false, errors: true });
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'));
  return outputs(out, end, names);
}

async function rollup(format: string, end: string, ...[home, out, settings, names = NAMES]: Parameters<Build>) {
  const bundle = await load('rollup').rollup({
    input: Object.fromEntries(names.map((name) => [name, join(home, `${name}.start.mjs`)])),
    plugins: [
      load('@rollup/plugin-node-resolve').nodeResolve({ preferBuiltins: true }),
      load('@rollup/plugin-commonjs')(),
    ],
    onwarn: () => {},
    ...settings,
  });
  await bundle.write({
    dir: join(home, out),
    format,
    entryFileNames: `[name].${end}`,
    chunkFileNames: `[name]-[hash].${end}`,
  });
  await bundle.close();
  return outputs(out, end, names);
}

async function vite(...[home, out, settings, names = NAMES]: Parameters<Build>) {
  const { build } = await importTool('vite/dist/node/index.js');
  await build({
    root: home,
    configFile: false,
    logLevel: 'silent',
    build: {
      ssr: true,
      outDir: out,
      rollupOptions: {
        input: Object.fromEntries(names.map((name) => [name, join(home, `${name}.start.mjs`)])),
        output: { entryFileNames: '[name].mjs' },
      },
    },
    ssr: { noExternal: true },
    ...settings,
  });
  return outputs(out, 'mjs', names);
}

type Options = Record<string, unknown>;

interface Stats {
  toJson(options: object): { errors: { message: string }[] };
}

const starts = (names: readonly string[]): string[] => names.map((name) => `${name}.start.mjs`);

function outputs(out: string, end: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, `${out}/${name}.${end}`]));
}

// Next.js

/** Next.js, which wants to lie in the project, and an application with a route that runs what it is asked for. */
export function addNext(consumer: Consumer): void {
  for (const name of packagesOf(join(folder, 'node_modules'))) linkMissing(name, consumer);
  consumer.write({
    'app/layout.jsx': 'export default ({ children }) => <html><body>{children}</body></html>;\n',
    'app/run/route.js': `
${NAMES.map((name) => `import { run as ${name} } from '../../${name}.mjs';`).join('\n')}
const all = { ${NAMES.join(', ')} };
export const dynamic = 'force-dynamic';
export async function GET() {
  const answers = {};
  for (const [name, run] of Object.entries(all)) answers[name] = await run();
  return Response.json(answers);
}
`,
  });
}

/** A package of test/bundlers, or of it what is not there. */
function linkMissing(name: string, { home }: Consumer): void {
  linkTree(
    join(folder, 'node_modules', name),
    join(home, 'node_modules', name),
    (_, to) => !existsSync(to) || isFolder(to),
  );
}

/** All packages of a project but ours, or of them what is not there. */
function linkOthers(from: string, { home }: Consumer): void {
  const modules = join(from, 'node_modules');
  const isOurs = (path: string) => /^@?funnelvec([\\/]|$)/.test(relative(modules, path));
  linkTree(modules, join(home, 'node_modules'), (path, to) => !isOurs(path) && (!existsSync(to) || isFolder(to)));
}

const isFolder = (path: string) => statSync(path).isDirectory();

function packagesOf(modules: string): string[] {
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) => (name.startsWith('@') ? readdirSync(join(modules, name)).map((one) => `${name}/${one}`) : name));
}

/** A route that tells of kernels and threads, imported and required. */
const COUNTS = `
import { counted } from '../../counted.mjs';
import required from '../../counted.cjs';
export const dynamic = 'force-dynamic';
export async function GET() {
  return Response.json({ imported: await counted(), required: await required.counted() });
}
`;

/** Builds the application, starts it, and asks it; where `settings` have it standalone, from a folder with what was traced alone. */
export async function next(consumer: Consumer, kind: string, settings: Options, models: string): Promise<Answers> {
  const { home } = consumer;
  // Where webpack builds, Next.js traces the files of its own server, too, which is half of the work.
  const own = ['next', '@swc', 'react*', 'sharp', '@img'].map((name) => `**/node_modules/${name}/**`);
  const untraced = kind === 'webpack' ? { outputFileTracingExcludes: { 'next-server': own } } : {};
  const standalone = settings['output'] === 'standalone';
  // Where the package is external no code of it is in the bundle: what would be minified is Next.js' own.
  const external = settings['serverExternalPackages'] !== undefined;
  const experimental =
    kind === 'webpack'
      ? { webpackBuildWorker: false, cpus: 1, ...(external && { serverMinification: false }) }
      : { ...(external && { turbopackMinify: false, turbopackSourceMaps: false, turbopackScopeHoisting: false }) };
  if (standalone) consumer.write({ ...COUNTED, 'app/counts/route.js': COUNTS });
  const config = {
    turbopack: { root: home },
    outputFileTracingRoot: home,
    ...untraced,
    experimental,
    ...settings,
  };
  consumer.write({ 'next.config.mjs': `export default ${JSON.stringify(config)};\n` });
  rmSync(join(home, '.next'), { recursive: true, force: true, maxRetries: 5 });
  const build = start(home, [join('node_modules', 'next', 'dist', 'bin', 'next'), 'build', `--${kind}`]);
  const timer = setTimeout(() => build.child.kill('SIGKILL'), 5 * MINUTE);
  const [code] = await once(build.child, 'close');
  clearTimeout(timer);
  if (code !== 0) throw new Error(`next build --${kind} ended with ${code}:\n${build.log.text}`);

  if (!standalone) {
    const args = [join('node_modules', 'next', 'dist', 'bin', 'next'), 'start', '-H', '127.0.0.1', '-p', '0'];
    return (await asked(start(home, args, { MODELS: models }), ['run']))[0]!;
  }
  const alone = new Consumer();
  try {
    cpSync(join(home, '.next', 'standalone'), alone.home, { recursive: true });
    // Its server, which was not traced, and the optional packages, which docs/runtimes.md says to copy.
    if (kind === 'webpack') linkOthers(home, alone);
    const env = { MODELS: models, HOSTNAME: '127.0.0.1', PORT: String(await freePort()) };
    // In this order: threads that are there are not started again.
    const [counts, answers] = await asked(start(alone.home, ['server.js'], env), ['counts', 'run']);
    return { ...answers, counts: counts! };
  } finally {
    alone.remove();
  }
}

interface Started {
  child: ChildProcess;
  log: { text: string };
}

function start(cwd: string, command: string[], more: Record<string, string> = {}): Started {
  const env = userEnv({ NEXT_TELEMETRY_DISABLED: '1', ...more });
  const child = spawn(process.execPath, command, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log.text += chunk));
  return { child, log };
}

/** The answers of its routes. */
async function asked({ child, log }: Started, routes: readonly string[]): Promise<Answers[]> {
  try {
    const end = performance.now() + MINUTE;
    let address: string | undefined;
    while (!/Ready/.test(log.text) || address === undefined) {
      address = /http:\/\/127\.0\.0\.1:\d+/.exec(log.text)?.[0];
      if (child.exitCode !== null || performance.now() > end) throw new Error(`next start:\n${log.text}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const answers: Answers[] = [];
    for (const route of routes) {
      const answer = await fetch(`${address}/${route}`, { signal: AbortSignal.timeout(MINUTE) });
      if (!answer.ok) throw new Error(`The application answers ${answer.status}:\n${log.text}`);
      answers.push((await answer.json()) as Answers);
    }
    return answers;
  } finally {
    child.kill('SIGKILL');
  }
}

/** A port that nobody listens at: a standalone server takes 0 for 3000. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
