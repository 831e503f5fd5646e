/** The package and its command start at once: little is loaded with them, and the rest by calls and commands that need it. */
// Runs alone: it measures the processor's time.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join, relative, resolve } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { loadedWith } from '../loaded-with.js';

const esm = resolve('dist/esm');
const cli = join(esm, 'cli');

const named = (files: Set<string>) => [...files].map((file) => relative(cli, file));

it('the command loads few files before it knows what is asked, and no index, kernels or readers for --help', () => {
  const main = loadedWith(join(cli, 'main.js'));
  assert.ok(main.size <= 8, named(main).join(' '));
  const program = loadedWith(join(cli, 'program.js'));
  assert.ok(program.size <= 8, named(program).join(' '));
  assert.deepEqual(
    named(program).filter((file) =>
      /kernels\/|store\/(engine|files)|funnel-index|embed\/|tune\/|csv|parquet/.test(file),
    ),
    [],
  );
});

it('doctor loads kernels and the files of an index, and nothing that searches', () => {
  const doctor = loadedWith(join(cli, 'doctor.js'));
  const names = named(doctor);
  for (const file of ['load.js', 'lmdb-kv.js'])
    assert.ok(
      names.some((name) => name.endsWith(`/${file}`)),
      file,
    );
  assert.ok(doctor.size <= 65, names.join(' '));
  assert.deepEqual(
    names.filter((file) => /store\/engine|funnel-index|query\/|embed\//.test(file)),
    [],
  );
});

it('import loads the files of funnels and searches, and of Node.js neither threads nor clocks before they are needed', () => {
  const files = loadedWith(join(esm, 'index.js'));
  assert.ok(files.size <= 92, named(files).join(' '));
  assert.deepEqual(
    named(files).filter((file) => /\/(store|embed|tune|train|files|adapters)\/|codes/.test(file)),
    [],
  );
  for (const load of [
    `await import(${JSON.stringify(pathToFileURL(join(esm, 'index.js')).href)})`,
    `(await import('node:module')).createRequire(${JSON.stringify(cli)})('../cjs/index.js')`,
  ]) {
    const program = `${load}; console.log(JSON.stringify(process.moduleLoadList))`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    const builtin = (JSON.parse(stdout) as string[]).map((line) => line.replace('NativeModule ', ''));
    assert.ok(builtin.includes('diagnostics_channel'), builtin.join(' ')); // which the package does load
    assert.deepEqual(
      ['worker_threads', 'perf_hooks'].filter((name) => builtin.includes(name)),
      [],
    );
  }
});

/** The milliseconds that the processor works for a program. */
function cpuMs(args: readonly string[]): number {
  const told =
    'data:text/javascript,process.on("exit",()=>{const{user,system}=process.cpuUsage();process.stderr.write(String(user+system))})';
  const { stderr, status } = spawnSync(process.execPath, ['--import', told, ...args], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return Number(stderr) / 1000;
}

// By how much of Node.js' own start they took, measured on a busy machine: 1.2, 1.6 and 1.8.
for (const [word, share] of [
  ['--version', 1.6],
  ['--help', 2],
  ['doctor', 2.1],
] as const) {
  it(`${word} takes less than 100 ms of the processor, or ${share} times what an empty program takes`, () => {
    // In turns, since a processor is not always as fast; the least is what nothing else disturbed.
    const rounds = Array.from({ length: 9 }, () => [cpuMs(['--eval', '0']), cpuMs([join(cli, 'main.js'), word])]);
    const [empty, ours] = [0, 1].map((i) => Math.min(...rounds.map((round) => round[i]!)));
    assert.ok(ours! < Math.max(100, share * empty!), `${ours!.toFixed(0)} ms, an empty program ${empty!.toFixed(0)}`);
  });
}
