/**
 * Every system call of an index, Node's and LMDB's, fails once with every error that it may have. lmdb-js 3.5 does not survive
 * some failures of LMDB's own calls (it frees memory twice): then the process may end, but the index must be whole.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Random, SEED } from '../../random.js';
import type { Fault, Report } from './faults-child.js';
import { scratchFolder } from './model.js';

/** So many of all, drawn by chance; 'all' takes a few minutes. */
const CASES = process.env['FUNNELVEC_FAULT_CASES'] ?? '60';
const ERRORS = ['EACCES', 'EROFS', 'ENOSPC', 'EEXIST', 'EMFILE', 'EIO'] as const;

const scratch = scratchFolder();
after(scratch.remove);

/** Undefined where the C library is no glibc, or nothing compiles. */
function library(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const file = join(scratch.path, 'faults.so');
  const text = fileURLToPath(new URL('../../../../test/store/files/faults.c', import.meta.url));
  const compilers = [process.env['CXX'], 'c++', 'g++', 'clang++'].filter((one) => one !== undefined);
  const line = ['-x', 'c', '-shared', '-fPIC', '-O1', '-o', file, text, '-ldl', '-lpthread'];
  return compilers.some((compiler) => spawnSync(compiler, line).status === 0) ? file : undefined;
}

describe('a system call that fails', () => {
  it('is told as a FunnelError, and the index is whole', async (t) => {
    const preload = library();
    if (preload === undefined) {
      if (process.env['CI'] === 'true' && process.platform === 'linux') assert.fail('faults.c does not compile');
      return t.skip('needs glibc and a C compiler');
    }
    const folder = join(scratch.path, 'faults');
    mkdirSync(folder);
    const env = { ...process.env, LD_PRELOAD: preload, FAULT_FOLDER: folder, UV_USE_IO_URING: '0' };
    const start = async () => {
      const file = fileURLToPath(new URL('./faults-child.js', import.meta.url));
      const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
      let complaints = '';
      child.stderr!.setEncoding('utf8').on('data', (text) => (complaints += text));
      const gone = once(child, 'exit').then(([code, signal]) => ({ crash: `${code ?? signal}: ${complaints}` }));
      await Promise.race([once(child, 'message'), gone]);
      const ask = async (fault: Fault | 'look'): Promise<Report | { crash: string }> => {
        child.send(fault);
        return Promise.race([once(child, 'message').then(([report]) => report as Report), gone]);
      };
      return { ask, end: () => child.kill() };
    };
    let child = await start();
    t.after(() => child.end());
    const whole = await child.ask({ call: 0, errno: 0 });
    if ('crash' in whole) assert.fail(whole.crash);
    assert.deepEqual([whole.codes, whole.problems], [[], []]);
    assert.ok(whole.calls > 200, `only ${whole.calls} calls`);
    const random = new Random(SEED);
    const all = Array.from({ length: whole.calls }, (_, i) => ERRORS.map((name) => ({ call: i + 1, name }))).flat();
    const some = CASES === 'all' ? all : all.filter(() => random.chance(Number(CASES) / all.length));
    const bad: string[] = [];
    const ended: string[] = [];
    let told = 0;
    for (const { call, name } of some) {
      const report = await child.ask({ call, errno: constants.errno[name] });
      if ('crash' in report) {
        child = await start();
        const left = await child.ask('look');
        if ('crash' in left) bad.push(`${name} of call ${call}: its index ended another process with ${left.crash}`);
        else {
          for (const problem of left.problems) bad.push(`${name} of call ${call}, ${left.failed}: ${problem}`);
          if (/data\.mdb(-lock)?$/.test(left.failed)) ended.push(left.failed.replace(/ .*\//, ' '));
          else bad.push(`${name} of call ${call}, ${left.failed}: it ended with ${report.crash}`);
        }
      } else {
        if (report.codes.length > 0) told++;
        for (const problem of report.problems) bad.push(`${name} of call ${call}, ${report.failed}: ${problem}`);
        // Who survived that may end later.
        if (/data\.mdb(-lock)?$/.test(report.failed)) {
          child.end();
          child = await start();
        }
      }
    }
    t.diagnostic(`${some.length} of ${all.length} faults in ${whole.calls} calls; ${told} were told`);
    if (ended.length > 0)
      t.diagnostic(`lmdb-js ended the process ${ended.length} times: ${[...new Set(ended)].join(', ')}`);
    assert.equal(bad.length, 0, `seed ${SEED}:\n${bad.slice(0, 20).join('\n')}\n${bad.length} in all`);
    assert.ok(told > some.length / 3, `only ${told} of ${some.length} were told`);
  });
});
