/** The prompt that searches as one types: its keys, which searches it starts and drops, and a real terminal. */
// Runs alone: somebody types, and waits for what is shown.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Input, Io, Output } from '#dist/cli/io.js';
import { type PromptAnswer, prompt } from '#dist/cli/prompt.js';
import { done } from './command.js';
import { films, jsonl, tempFolder } from './files.js';

/** A terminal of 60 × 12, as far as the prompt sees it. */
function terminal() {
  const stdin = new PassThrough() as PassThrough & Input;
  const stdout = new PassThrough() as PassThrough & Output;
  const raw: boolean[] = [];
  stdin.isTTY = true;
  stdin.setRawMode = (on) => raw.push(on);
  Object.assign(stdout, { isTTY: true, columns: 60, rows: 12 });
  const stop = new AbortController();
  const io: Io = { stdin, stdout, stderr: stdout, env: {}, json: false, stop: stop.signal, kill: stop.signal };
  const screen = () => String(stdout.read() ?? '');
  return { io, raw, stop, type: (text: string) => stdin.write(text), screen };
}

const answer = (text: string): PromptAnswer => ({
  lines: [`found ${text}`],
  embedMs: 1,
  found: { hits: [{ id: 1, score: 1, payload: {} }], stages: [], ms: 2 },
});

/** Longer than the pause between key and search. */
const PAUSE = 150;

describe('the prompt', () => {
  it('searches once for keys in a row, and shows what it found and how long that took', async () => {
    const { io, type, screen, raw } = terminal();
    const asked: string[] = [];
    const over = prompt(io, 'films', async (text) => {
      asked.push(text);
      return answer(text);
    });
    for (const key of 'robot') type(key);
    await sleep(PAUSE);
    assert.deepEqual(asked, ['robot']);
    assert.match(screen(), /› robot\n.*1 hits in 2\.0 ms, model 1\.0 ms.*\nfound robot/s);
    type('s');
    await sleep(PAUSE);
    assert.deepEqual(asked, ['robot', 'robots']);
    type('\x03');
    await over;
    assert.deepEqual(raw, [true, false], 'the terminal is given back');
    assert.ok(screen().endsWith('\x1b[?25h'), 'the cursor is shown');
  });

  it('drops the answer to what is no longer typed, and tells the search', async () => {
    const { io, type, screen } = terminal();
    const aborted: string[] = [];
    const over = prompt(io, 'films', async (text, signal) => {
      signal.addEventListener('abort', () => aborted.push(text));
      await sleep(text === 'slow' ? 3 * PAUSE : 0);
      return answer(text);
    });
    type('slow');
    await sleep(PAUSE);
    type('\x15'); // Ctrl-U
    type('quick');
    await sleep(4 * PAUSE);
    assert.deepEqual(aborted, ['slow']);
    const shown = screen();
    assert.match(shown, /found quick/);
    assert.doesNotMatch(shown, /found slow/);
    type('\x04'); // Ctrl-D
    await over;
  });

  it('has the keys of a line editor', async () => {
    const { io, type } = terminal();
    const asked: string[] = [];
    const over = prompt(io, 'films', async (text) => {
      asked.push(text);
      return answer(text);
    });
    const keys = ['abc def', '\x17', 'x', '\x1b[D', 'y', '\x01', '_', '\x05', '!', '\x7f', '\x1b[3~', '\r'];
    for (const key of keys) {
      type(key);
      await sleep(5);
    }
    await sleep(PAUSE);
    assert.deepEqual(asked, ['_abc yx']);
    type('\x03');
    await over;
  });

  it('shows an error, and goes on', async () => {
    const { io, type, screen } = terminal();
    const over = prompt(io, 'films', async (text) => {
      if (text === 'bad') throw new Error('the server is gone\x1b[2J');
      return answer(text);
    });
    type('bad');
    await sleep(PAUSE);
    const shown = screen();
    assert.match(shown, /the server is gone \[2J/);
    type('\x15good');
    await sleep(PAUSE);
    assert.match(screen(), /found good/);
    type('\x03');
    await over;
  });

  it('shows no more lines than there is room, and the end of a long text', async () => {
    const { io, type, screen } = terminal();
    const lines = Array.from({ length: 50 }, (_, i) => `line ${i}`);
    const over = prompt(io, 'films', async (text) => ({ ...answer(text), lines }));
    type(`${'a'.repeat(100)}END`);
    await sleep(PAUSE);
    const last = screen().split('\x1b[J').at(-1)!;
    assert.equal(last.split('\n').length, 11);
    assert.match(last, /^› a+END\n/);
    assert.ok(last.split('\n')[0]!.length < 60);
    type('\x03');
    await over;
  });

  it('leaves when the command is told to stop, or its input ends', async () => {
    for (const end of ['stop', 'input'] as const) {
      const { io, stop, raw } = terminal();
      const over = prompt(io, 'films', async (text) => answer(text));
      if (end === 'stop') stop.abort();
      else io.stdin.push(null);
      await over;
      assert.deepEqual(raw, [true, false]);
    }
  });
});

describe('on a real terminal', async () => {
  const { path, write } = tempFolder();
  const store = path('films');
  const venv = await import(pathToFileURL(resolve('scripts/setup/venv.mjs')).href);
  let python: string | undefined;
  let missing = '';
  before(async () => {
    try {
      ({ python } = await venv.ensureVenv());
    } catch (error) {
      if (process.env['CI'] === 'true') throw error;
      missing = (error as Error).message;
    }
    const file = write('films.jsonl', jsonl(films(50)));
    await done(['ingest', file, '--text', 'text', '--model', 'fake', '--to', store]);
  });
  const child = fileURLToPath(new URL('./cli-child.js', import.meta.url));

  async function onTerminal(
    words: string[],
    steps: { wait: string; send: string }[],
    env: Record<string, string> = {},
  ) {
    const argv = [process.execPath, child, '0', ...words];
    const spec = JSON.stringify({ argv, env, columns: 70, rows: 14, steps });
    const run = spawn(python!, [resolve('test/cli/on_terminal.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
    run.stdin.end(spec);
    let text = '';
    for await (const chunk of run.stdout) text += chunk;
    const ended = JSON.parse(text) as { output: string; code: number; restored: boolean; late: number | null };
    assert.equal(ended.late, null, ended.output);
    return ended;
  }

  it('one types, sees hits, and leaves with Ctrl-C; the terminal is as it was', { timeout: 90_000 }, async (t) => {
    if (python === undefined) return t.skip(missing);
    const { output, code, restored } = await onTerminal(
      ['search', '--store', store],
      [
        { wait: 'type to search', send: 'robot' },
        { wait: 'hits in [0-9.]+ ms, model [0-9.]+ ms.*score.*robot', send: ' winter' },
        { wait: 'hits in.*winter', send: '\x03' },
      ],
    );
    assert.equal(code, 0, output);
    assert.ok(restored);
    assert.ok(output.includes('\x1b[1m score'), 'the heading is bold');
  });

  it('a table has colours, but with NO_COLOR; progress is a bar', { timeout: 90_000 }, async (t) => {
    if (python === undefined) return t.skip(missing);
    const words = ['search', '--store', store, 'robot'];
    assert.ok((await onTerminal(words, [])).output.includes('\x1b[1m'));
    assert.ok(!(await onTerminal(words, [], { NO_COLOR: '1' })).output.includes('\x1b'));
    const more = write('more.jsonl', jsonl(films(500)));
    const line = ['ingest', more, '--text', 'text', '--model', 'fake', '--to', path('more'), '--batch', '50'];
    const { output } = await onTerminal(line, []);
    assert.match(output, /ingest .*█.*% .*rows/s);
  });
});
