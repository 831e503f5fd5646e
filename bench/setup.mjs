// Puts the peers in place: npm ones by bench/'s own manifest, Python ones in .cache/bench-venv.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from '../scripts/setup/build.mjs';
import { root, run, step } from '../scripts/setup/steps.mjs';

/** @returns where Python is, or why it is not */
export async function setup({ withPython }) {
  await build();
  const manifest = ['bench/package.json', 'bench/package-lock.json', 'bench/.npmrc'];
  await step('Installing the benchmark peers', { inputs: manifest, outputs: ['bench/node_modules/tinybench'] }, () =>
    run('npm', ['ci'], { cwd: join(root, 'bench') }),
  );
  if (!withPython) return {};
  try {
    return { python: await installPython('Installing the Python peers', 'bench-venv', 'bench/requirements.txt') };
  } catch (error) {
    return { pythonMissing: error.message };
  }
}

/** A virtual environment in .cache with what a requirements file lists. @returns its interpreter */
export async function installPython(name, folder, requirements) {
  const venv = join('.cache', folder);
  const python = join(venv, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  await step(name, { inputs: [requirements], outputs: [python] }, async () => {
    await run(basePython(), ['-m', 'venv', '--clear', join(root, venv)]);
    const options = ['--no-input', '--only-binary=:all:', '-r', requirements];
    await run(join(root, python), ['-m', 'pip', 'install', ...options]);
  });
  return join(root, python);
}

function basePython() {
  const candidates = process.env.PYTHON ? [process.env.PYTHON] : ['python3', 'python'];
  const found = candidates.find((name) => spawnSync(name, ['-c', 'import venv, ensurepip']).status === 0);
  if (!found) throw new Error(`no Python with the venv module (tried ${candidates.join(', ')})`);
  return found;
}
