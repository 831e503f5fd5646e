/** The command answers at once: what --version, --help and doctor load is little, and the rest is loaded by commands that need it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { it } from 'node:test';

const cli = resolve('dist/esm/cli');

/** The files that a module imports before it runs, and those that these import. */
function loadedWith(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/^(?:import|export)[^;()]*?'(\.[^']+)';/gm)) {
    loadedWith(join(dirname(file), path!), found);
  }
  return found;
}

const named = (files: Set<string>) => [...files].map((file) => relative(cli, file));

it('the command loads few files before it knows what is asked, and no index, kernels or readers for --help', () => {
  const main = loadedWith(join(cli, 'main.js'));
  assert.ok(main.size <= 8, named(main).join(' '));
  const program = loadedWith(join(cli, 'program.js'));
  assert.ok(program.size <= 32, named(program).join(' '));
  assert.deepEqual(
    named(program).filter((file) =>
      /kernels\/|store\/(engine|files)|funnel-index|embed\/|tune\/|csv|parquet/.test(file),
    ),
    [],
  );
});

it('doctor loads kernels and the files of an index, and nothing that searches', () => {
  const doctor = new Set([
    ...loadedWith(join(cli, 'doctor.js')),
    ...loadedWith(resolve('dist/esm/store/files/index-files.js')),
  ]);
  assert.ok(doctor.size <= 90, named(doctor).join(' '));
  assert.deepEqual(
    named(doctor).filter((file) => /store\/engine|funnel-index|query\/|embed\//.test(file)),
    [],
  );
});
