/** The command as a process that is interrupted, killed, or runs out of disk: what was written stays, and it goes on. */
// Runs alone: its signals have to come in the middle of a run.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';
import { done } from './command.js';
import { contentsOf, films, jsonl, tempFolder } from './files.js';

const CHILD = fileURLToPath(new URL('./cli-child.js', import.meta.url));
const { path, write } = tempFolder();
const COUNT = 1500;
const source = write('films.jsonl', jsonl(films(COUNT)));
const line = (to: string, batch = 50) => [
  ...['ingest', source, '--text', 'text', '--id', 'id', '--model', 'fake', '--to', to],
  ...['--batch', String(batch)],
];

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
}

/** @param onText is called with what came on stderr so far, and may send signals */
function child(
  command: string,
  args: string[],
  onText?: (text: string, kill: (signal: NodeJS.Signals) => void) => void,
) {
  const process_ = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<Ended>((done, fail) => {
    let stderr = '';
    process_.stderr.on('data', (chunk) => {
      stderr += chunk;
      onText?.(stderr, (signal) => process_.kill(signal));
    });
    process_.on('error', fail);
    process_.on('close', (code, signal) => done({ code, signal, stderr }));
  });
  return { process: process_, ended };
}

/** Rows that are there by now, while another process writes; none where it is still being made. */
async function countIn(to: string): Promise<number> {
  try {
    const index = await FunnelIndex.open(to, { readOnly: true });
    const { count } = index;
    await index.close();
    return count;
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'NO_INDEX');
    return 0;
  }
}

const batchesIn = (text: string) => text.split('batch\n').length - 1;

describe('a process that ingests', () => {
  it('goes on after Ctrl-C and kill -9 to the rows of an undisturbed run', { timeout: 120_000 }, async () => {
    const undisturbed = path('undisturbed');
    await done(line(undisturbed));
    const to = path('disturbed');
    const random = new Random(SEED);
    let ends = 0;
    let acknowledged = 0;
    for (let round = 0; round < 40; round++) {
      const after = random.int(1, 6);
      const how = random.chance(0.5) ? 'SIGINT' : 'SIGKILL';
      let sent = false;
      const ended = await child(process.execPath, [CHILD, '20', ...line(to)], (text, kill) => {
        if (sent || batchesIn(text) < after) return;
        sent = true;
        setTimeout(() => kill(how), random.int(0, 40));
      }).ended;
      if (ended.code === 0) break;
      ends++;
      if (how === 'SIGINT') {
        assert.equal(ended.code, 130, ended.stderr);
        const said = Number(/Stopped after (\d+) rows/.exec(ended.stderr)?.[1]);
        const rows = await contentsOf(to);
        // A kill before may have left more than the state knew; that is written again.
        assert.ok(rows.length >= said, `${rows.length} rows where it says ${said}`);
        acknowledged = rows.length;
      } else {
        assert.equal(ended.signal, 'SIGKILL', ended.stderr);
        if (!existsSync(`${to}/data.mdb`)) continue;
        const index = await FunnelIndex.open(to, { readOnly: true });
        assert.ok(index.count >= acknowledged, `${index.count} of ${acknowledged} rows, seed ${SEED}`);
        acknowledged = index.count;
        await index.close();
      }
    }
    assert.ok(ends >= 3, `only ${ends} interruptions`);
    assert.deepEqual(await contentsOf(to), await contentsOf(undisturbed));
    assert.equal(JSON.parse(readFileSync(`${to}/funnelvec.json`, 'utf8')).sources[0].complete, true);
  });

  it('fails where the disk is full, keeps what it wrote, and goes on when there is room', async (t) => {
    if (process.platform === 'win32') return t.skip('no limits on files');
    const to = path('full');
    // In blocks of 512 or 1,024 bytes: no file may become larger, as no disk may.
    const limited = `ulimit -f 200; trap '' XFSZ; exec "$@"`;
    const ended = await child('sh', ['-c', limited, 'sh', process.execPath, CHILD, '0', ...line(to, 250)]).ended;
    assert.equal(ended.code, 1, ended.stderr);
    assert.match(ended.stderr, /^The disk failed while/m);
    const { rows } = JSON.parse(readFileSync(`${to}/funnelvec.json`, 'utf8')).sources[0];
    const before = await contentsOf(to);
    assert.ok(rows > 0 && before.length >= rows, `${before.length} rows where ${rows} were acknowledged`);
    assert.ok(before.length < COUNT, 'the limit was none');
    await done(line(to));
    assert.deepEqual(await contentsOf(to), await contentsOf(path('undisturbed')));
  });
});

describe('the command itself', () => {
  it('ends at Ctrl-C with 130, and goes on', { timeout: 60_000 }, async () => {
    const rows = Array.from({ length: 4000 }, (_, i) => ({ v: [i + 1, 1, 2] }));
    const file = write('vectors.jsonl', jsonl(rows));
    const to = path('itself');
    const main = [resolve('dist/esm/cli/main.js'), 'ingest', file, '--vector', 'v', '--to', to];
    const began = child(process.execPath, [...main, '--batch', '1']);
    // Some rows are acknowledged, and most are yet to come.
    while (!existsSync(`${to}/data.mdb`)) await sleep(10);
    for (let rows = 0; rows === 0; await sleep(10)) rows = await countIn(to);
    began.process.kill('SIGINT');
    const ended = await began.ended;
    assert.equal(ended.code, 130, ended.stderr);
    const said = Number(/^funnelvec: Stopped after (\d+) rows, which are kept/m.exec(ended.stderr)?.[1]);
    assert.ok(said > 0 && said < 4000, ended.stderr);
    assert.equal((await contentsOf(to)).length, said);
    const again = await child(process.execPath, main).ended;
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(
      (await contentsOf(to)).map(({ vector }) => vector),
      rows.map(({ v }) => v),
    );
  });

  it('stops what measures, too', { timeout: 60_000 }, async () => {
    const main = [resolve('dist/esm/cli/main.js'), 'bench', '--store', path('itself'), '--sample', '4000'];
    let sent = false;
    const ended = await child(process.execPath, main, (text, kill) => {
      if (!sent && text.includes('Rows of the store')) kill('SIGINT');
      sent ||= text.includes('Rows of the store');
    }).ended;
    assert.equal(ended.code, 130, ended.stderr);
    assert.match(ended.stderr, /funnelvec: Stopped\./);
  });
});
