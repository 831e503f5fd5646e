// Runs kernel suites and fuzz over an addon that watches its own memory and arithmetic.
//   node test/sanitize/run.mjs                       AddressSanitizer and UBSan, of g++; some minutes
//   node test/sanitize/run.mjs --tool valgrind       Memcheck over the addon as it is built for debugging; slow
//   --calls 20000 --seed 1                           of the fuzz; FUNNELVEC_CASES=20000: of the kernel suites
// Anything that a tool reports ends the run with 1.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, tests } from '../../scripts/setup/build.mjs';
import { log, root, run, step, works } from '../../scripts/setup/steps.mjs';

const { values } = parseArgs({
  options: {
    tool: { type: 'string', default: 'asan' },
    calls: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const TOOLS = {
  asan: {
    flags: '-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g -O1',
    cases: '20000',
    calls: '20000',
    // Shared: a static runtime would have to be in node itself.
    async launch(args) {
      const library = (await run('g++', ['-print-file-name=libasan.so'])).trim();
      return {
        command: process.execPath,
        args,
        env: {
          LD_PRELOAD: library,
          // V8 leaves memory behind at exit, and handles faults of WebAssembly by itself.
          ASAN_OPTIONS:
            'detect_leaks=0:allow_user_segv_handler=1:handle_segv=0:abort_on_error=1:strict_string_checks=1',
          UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
        },
      };
    },
    needs: ['g++', 'make'],
  },
  valgrind: {
    flags: '-g -O1',
    cases: '300',
    calls: '300',
    async launch(args) {
      const options = ['--error-exitcode=9', '--smc-check=all-non-file', '--undef-value-errors=no', '--leak-check=no'];
      // Interpreted: code that is made at run time would be translated again and again.
      return {
        command: 'valgrind',
        args: [...options, '-q', process.execPath, '--no-opt', '--no-sparkplug', ...args],
        env: {},
      };
    },
    needs: ['valgrind', 'g++', 'make'],
  },
};

const tool = TOOLS[values.tool];
if (tool === undefined) {
  log(`--tool takes ${Object.keys(TOOLS).join(' or ')}`);
  process.exit(2);
}
const missing = tool.needs.filter((command) => !works(command));
if (missing.length > 0) {
  log(`${missing.join(', ')} cannot be run. First: apt-get install g++ make valgrind`);
  process.exit(1);
}
// A tree of its own: the loader takes build/Release before anything else.
const tree = `.cache/sanitize-${values.tool}`;
const addon = `${tree}/build/Release/funnelvec.node`;
try {
  await build();
  await tests();
  await compile();
  process.exitCode = await runAll();
} catch (error) {
  log(error.message);
  process.exitCode = 1;
}

async function compile() {
  const inputs = ['cpp', 'binding.gyp', 'node_modules/node-addon-api/package.json'];
  const settings = { inputs, values: [process.version, tool.flags], outputs: [addon] };
  await step(`Compiling the native kernels for ${values.tool}`, settings, async () => {
    rmSync(join(root, tree), { recursive: true, force: true });
    mkdirSync(join(root, tree), { recursive: true });
    for (const part of ['cpp', 'binding.gyp', 'package.json']) {
      cpSync(join(root, part), join(root, tree, part), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(root, tree, 'node_modules'), 'dir');
    const prefix = join(dirname(process.execPath), '..');
    const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
    const { flags } = tool;
    const env = { CFLAGS: flags, CXXFLAGS: flags, LDFLAGS: flags.replace(/-O1/, '') };
    await run(join(root, 'node_modules', '.bin', 'node-gyp'), ['configure', 'build', ...headers], {
      cwd: join(root, tree),
      env,
    });
  });
}

async function runAll() {
  for (const part of ['package.json', 'dist', 'build/test', 'test/fuzz/run.mjs']) {
    rmSync(join(root, tree, part), { recursive: true, force: true });
    cpSync(join(root, part), join(root, tree, part), { recursive: true });
  }
  // Without this check a binary that does not load would only leave the others to run.
  const check = `const { activeKernels } = await import('funnelvec');
    if (['wasm', 'js'].includes(activeKernels().name)) throw new Error('the native kernels do not load');
    console.error('funnelvec: kernels ' + activeKernels().name);`;
  if ((await node(['--input-type=module', '-e', check])) !== 0) throw new Error('The addon does not load');
  const results = [];
  for (const suite of ['kernels', 'codes', 'team']) {
    log(`${values.tool}: ${suite}`);
    results.push(await node(['--expose-gc', '--test-reporter=dot', `build/test/kernels/${suite}.test.js`]));
  }
  log(`${values.tool}: fuzz`);
  results.push(
    await node(['--expose-gc', 'build/test/fuzz/child.js', values.seed, values.calls ?? tool.calls, '', ''], true),
  );
  const worst = Math.max(...results);
  log(worst === 0 ? `${values.tool}: nothing was found` : `${values.tool}: see above`);
  return worst;
}

/** @param quiet only a finding is shown of what it says */
async function node(args, quiet = false) {
  const { command, args: all, env } = await tool.launch(args);
  const { FUNNELVEC_CASES = tool.cases } = process.env;
  const child = spawn(command, all, {
    cwd: join(root, tree),
    env: { ...process.env, FUNNELVEC_KERNELS: '', NODE_OPTIONS: '', ...env, FUNNELVEC_CASES },
    stdio: ['ignore', quiet ? 'pipe' : 'inherit', 'inherit'],
  });
  let last = '';
  child.stdout?.on('data', (chunk) => {
    last = (last + chunk).slice(-20_000);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const finding = /^f .*$/m.exec(last)?.[0];
      if (finding) log(JSON.parse(finding.slice(2)));
      else if (quiet) log(last.trim().split('\n').slice(-2).join('; '));
      resolve(code ?? 1);
    });
  });
}
