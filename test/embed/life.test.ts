/** Aborting, closing, the end of the process, the event loop, and packages that are not there. */
// Runs alone: it measures how soon a call ends.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Embedder } from 'funnelvec/embed';
import { Gate } from '#dist/embed/gate.js';
import { describeModel } from '#dist/embed/spec.js';
import type { EngineThreadSetup } from '#dist/embed/threads.js';
import { least, wallMs } from '../patient.js';
import { realModels } from './real.js';
import { Folder, safetensors, staticFolder, table } from './tiny.js';

const models = await realModels();
const skip = models.missing ?? false;
const { minilm, wordllama } = models as { minilm: string; wordllama: string };
/** A second of work, and more on a busy machine. */
const LONG = Array.from({ length: 120 }, (_, i) => `${'some words here '.repeat(30)}${i}`);
const open: Embedder[] = [];
after(() => Promise.all(open.map((embedder) => embedder.close())));

async function load(options: Parameters<typeof Embedder.load>[0]): Promise<Embedder> {
  const embedder = await Embedder.load(options);
  open.push(embedder);
  return embedder;
}

describe('a call that is aborted', { skip }, () => {
  for (const [name, options, texts] of [
    ['of a transformer', { path: minilm }, LONG],
    ['of a static model', { preset: 'wordllama', path: wordllama }, LONG.flatMap((text) => Array(200).fill(text))],
  ] as const) {
    it(`${name} ends at once, and the next goes on`, async () => {
      const embedder = await load(options);
      let late = 0;
      const ends = async () => {
        const controller = new AbortController();
        let aborted = Number.POSITIVE_INFINITY;
        const abort = () => {
          aborted = performance.now();
          controller.abort('enough');
        };
        const call = embedder.embed(texts, {
          signal: controller.signal,
          onProgress: ({ done }) => {
            if (controller.signal.aborted) late++;
            else if (done < texts.length) setTimeout(abort, 5); // the next run has begun by then
          },
        });
        // Where the machine had no time for this thread, the texts may be embedded by now: another attempt.
        const isDone = await call.then(
          () => !controller.signal.aborted,
          () => false,
        );
        if (isDone) return Number.POSITIVE_INFINITY;
        await assert.rejects(call, { code: 'ABORTED', cause: 'enough' });
        return performance.now() - aborted;
      };
      assert.ok((await least(50, ends)) < 50);
      assert.equal((await embedder.embed(['and on'])).length, embedder.dim);
      assert.equal(late, 0, 'nothing is told about a call that has ended');
    });
  }
});

describe('an onProgress that throws', { skip }, () => {
  it('fails its call with that error, and no other', async () => {
    for (const options of [{ path: minilm }, { preset: 'wordllama', path: wordllama }]) {
      const embedder = await load(options);
      const error = new Error('mine');
      const onProgress = () => {
        throw error;
      };
      const other = embedder.embed(['another']);
      await assert.rejects(embedder.embed(LONG, { onProgress }), (thrown) => thrown === error);
      await assert.rejects(embedder.embed(['few'], { onProgress }), (thrown) => thrown === error);
      assert.equal((await other).length, embedder.dim);
    }
  });
});

describe('close()', { skip }, () => {
  it('waits for what is at work, which fails with CLOSED', async () => {
    const embedder = await Embedder.load({ path: minilm });
    let done = 0;
    let first: Promise<void> | undefined;
    const begun = new Promise<void>((resolve) => {
      const onProgress = (progress: { done: number }) => {
        done = progress.done;
        resolve();
      };
      first = assert.rejects(embedder.embed(LONG, { onProgress }), { code: 'CLOSED' });
    });
    const second = assert.rejects(embedder.embed(LONG), { code: 'CLOSED' });
    await begun;
    await embedder.close();
    await Promise.all([first, second]);
    assert.ok(done > 0);
    assert.ok(done < LONG.length);
  });
});

describe('the process', { skip }, () => {
  const run = (code: string) => {
    const head = `import { Embedder } from 'funnelvec/embed';
      const embedder = await Embedder.load({ path: ${JSON.stringify(minilm)} });
      const texts = ${JSON.stringify(LONG)};\n`;
    const args = ['--input-type=module', '-e', head + code];
    return spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
  };

  it('ends by itself when nothing is pending', () => {
    const { status, stdout, stderr } = run('console.log((await embedder.embed(["one"])).length);');
    assert.deepEqual([status, stdout, stderr], [0, '384\n', '']);
  });

  it('lives until close() has ended a thread that was still loading', () => {
    const code = 'embedder.embed(texts).catch(() => {}); await embedder.close(); console.log("closed");';
    const { status, stdout, stderr } = run(code);
    assert.deepEqual([status, stdout, stderr], [0, 'closed\n', '']);
  });

  it('may end in the middle of a run', () => {
    const { status, stderr } = run('embedder.embed(texts); setTimeout(() => process.exit(3), 100);');
    assert.deepEqual([status, stderr], [3, '']);
  });

  it('may end with an error in the middle of a run', () => {
    const { status, signal } = run('embedder.embed(texts); setTimeout(() => { throw new Error("x"); }, 100);');
    assert.deepEqual([status, signal], [1, null]);
  });
});

describe('the event loop', { skip }, () => {
  it('goes on while texts are embedded', async () => {
    const embedder = await load({ path: minilm });
    const longestShare = async () => {
      let [worst, last] = [0, performance.now()];
      const timer = setInterval(() => {
        const now = performance.now();
        worst = Math.max(worst, now - last);
        last = now;
      }, 1);
      const whole = await wallMs(() => embedder.embed(LONG));
      clearInterval(timer);
      return worst / whole;
    };
    const share = await least(1 / 4, longestShare);
    assert.ok(share < 1 / 4, `it stood still for ${share} of the time`);
  });
});

describe('a gate', () => {
  it('lets nobody in once it is closed, and tells when it is empty', () => {
    const gate = new Gate();
    assert.ok(gate.enter());
    assert.ok(gate.enter());
    gate.leave();
    gate.close();
    assert.ok(!gate.enter());
    const start = performance.now();
    gate.waitUntilEmpty(50);
    assert.ok(performance.now() - start >= 49);
    gate.leave();
    gate.waitUntilEmpty(10_000);
    assert.ok(performance.now() - start < 5_000);
  });
});

describe('a thread on Deno, whose port has no close()', () => {
  it('ends when it is asked to, without an error', async () => {
    const model = staticFolder();
    const setup: EngineThreadSetup = {
      engine: (await describeModel({ path: model.path })).setup,
      gate: new Gate().state,
    };
    // The port of Deno has no close(): we take it away before the thread's own code runs.
    const thread = `
      import { parentPort } from 'node:worker_threads';
      parentPort.close = undefined;
      await import(${JSON.stringify(pathToFileURL(path.resolve('dist/esm/embed/worker.js')).href)});`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(thread)}`), { workerData: setup });
    try {
      const failure = once(worker, 'error').then(([error]) => error);
      const [reply] = await once(worker, 'message');
      assert.equal(reply.width, 8);
      worker.postMessage('close');
      const exit = once(worker, 'exit').then(([code]) => code);
      assert.equal(await Promise.race([exit, failure]), 0);
    } finally {
      await worker.terminate();
      model.remove();
    }
  });
});

/** The built files alone, where a package has them. */
const MANIFEST = { type: 'module', imports: { '#host/*': './dist/*.js' } };

describe('without the optional packages', () => {
  it('an error says what to install', () => {
    // The built files alone, where no node_modules are.
    const bare = new Folder().write({ 'package.json': MANIFEST });
    const model = staticFolder();
    try {
      cpSync('dist/esm', path.join(bare.path, 'dist'), { recursive: true });
      const entry = JSON.stringify(pathToFileURL(path.join(bare.path, 'dist', 'embed', 'index.js')).href);
      const code = `import { Embedder } from ${entry};
        const path = ${JSON.stringify(model.path)};
        for (const options of [{ path }, { path, model: 'empty.onnx', pooling: 'mean' }]) {
          await Embedder.load(options).catch(({ code, message }) => console.log(code, message));
        }`;
      model.write({ 'model.safetensors': safetensors({ embeddings: table() }), 'empty.onnx': '' });
      const args = ['--input-type=module', '-e', code];
      const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: bare.path, encoding: 'utf8' });
      assert.equal(stderr, '');
      const [first, second] = stdout.split('\n');
      assert.match(first!, /^MISSING_PACKAGE .*npm install @huggingface\/tokenizers$/);
      assert.match(second!, /^MISSING_PACKAGE .*npm install onnxruntime-node$/);
    } finally {
      bare.remove();
      model.remove();
    }
  });

  it('one that is there and does not load says why, and is loaded by the thread that stays', () => {
    const bare = new Folder().write({
      'package.json': MANIFEST,
      'node_modules/onnxruntime-node/package.json': { name: 'onnxruntime-node', main: 'index.js' },
      'node_modules/onnxruntime-node/index.js':
        "console.log('main', require('worker_threads').isMainThread); throw new Error('Module did not self-register');",
    });
    const model = staticFolder().write({ 'empty.onnx': '' });
    try {
      cpSync('dist/esm', path.join(bare.path, 'dist'), { recursive: true });
      const entry = JSON.stringify(pathToFileURL(path.join(bare.path, 'dist', 'embed', 'index.js')).href);
      const code = `import { Embedder } from ${entry};
        const options = { path: ${JSON.stringify(model.path)}, model: 'empty.onnx', pooling: 'mean', prefixes: {} };
        await Embedder.load(options).catch(({ code, message }) => console.log(code, message));`;
      const args = ['--input-type=module', '-e', code];
      const { stdout } = spawnSync(process.execPath, args, { cwd: bare.path, encoding: 'utf8' });
      assert.match(stdout, /^main true\n/);
      assert.match(
        stdout,
        /MISSING_PACKAGE .*does not load \(Module did not self-register\): npm install onnxruntime-node/,
      );
    } finally {
      bare.remove();
      model.remove();
    }
  });
});
