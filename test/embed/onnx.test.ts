/** ONNX files of all shapes: inputs, outputs, pooling, padding, and how they fail. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Embedder, type EmbedderOptions } from 'funnelvec/embed';
import { batchesOf } from '#dist/embed/batches.js';
import { Random, SEED } from '../random.js';
import { realModels } from './real.js';
import { type Folder, meanOf, onnxFolder, rowOf, unit, WIDTH, WORDS } from './tiny.js';

const { missing } = await realModels();
const near = (ours: ArrayLike<number>, wanted: readonly number[], tolerance = 1e-6) => {
  assert.equal(ours.length, wanted.length);
  for (const [d, value] of wanted.entries())
    assert.ok(Math.abs(ours[d]! - value) < tolerance, `dim ${d}: ${ours[d]} ${value}`);
};
const inside = (text: string) => ['[CLS]', ...text.split(' ').filter(Boolean), '[SEP]'];

describe('an ONNX file', { skip: missing ?? false }, () => {
  let folder: Folder;
  const open: Embedder[] = [];
  before(async () => {
    folder = await onnxFolder();
  });
  after(async () => {
    await Promise.all(open.map((embedder) => embedder.close()));
    folder?.remove();
  });

  async function load(model: string, options: Partial<EmbedderOptions> = {}): Promise<Embedder> {
    const embedder = await Embedder.load({ path: folder.path, model, pooling: 'mean', normalise: false, ...options });
    open.push(embedder);
    return embedder;
  }

  const texts = ['one', 'one two three four', '', 'six five', 'two two two'];

  it('is pooled by the mean of tokens, padding left out', async () => {
    const embedder = await load('tokens.onnx');
    assert.equal(embedder.dim, WIDTH);
    const all = await embedder.embed(texts);
    for (const [i, text] of texts.entries()) near(all.subarray(i * WIDTH, (i + 1) * WIDTH), meanOf(inside(text)));
  });

  it('is pooled by the first or the last token', async () => {
    for (const [pooling, token] of [
      ['cls', '[CLS]'],
      ['last', '[SEP]'],
    ] as const) {
      const all = await (await load('tokens.onnx', { pooling })).embed(texts);
      for (const i of texts.keys()) near(all.subarray(i * WIDTH, (i + 1) * WIDTH), rowOf(WORDS.indexOf(token)));
    }
  });

  it('may give one vector a text itself', async () => {
    for (const pooling of ['none', undefined] as const) {
      const all = await (await load('vectors.onnx', { pooling })).embed(texts);
      for (const [i, text] of texts.entries()) {
        const tokens = inside(text);
        const sum = meanOf(tokens).map((value) => value * tokens.length);
        near(all.subarray(i * WIDTH, (i + 1) * WIDTH), sum, 1e-5);
      }
    }
  });

  it('may call its outputs anything that the caller names', async () => {
    near(await (await load('named.onnx', { output: 'b' })).embed(['one']), meanOf(inside('one')));
    const sum = meanOf(inside('one')).map((value) => value * 3);
    near(await (await load('named.onnx', { output: 'a', pooling: 'none' })).embed(['one']), sum, 1e-5);
  });

  it('may want int32, positions and types', async () => {
    const all = await (await load('positions.onnx')).embed(texts);
    for (const [i, text] of texts.entries()) {
      const last = inside(text).length - 1;
      const shifted = meanOf(inside(text)).map((value) => value + last / 2); // types are 0
      near(all.subarray(i * WIDTH, (i + 1) * WIDTH), shifted, 1e-5);
    }
  });

  it('may answer in float16', async () => {
    near(await (await load('half.onnx')).embed(['one two']), meanOf(inside('one two')), 1e-3);
  });

  it('gets the number of the role’s task', async () => {
    for (const model of ['task.onnx', 'scalar-task.onnx']) {
      const embedder = await load(model, { tasks: { query: 3, document: 1 } });
      near(
        await embedder.embed(['one']),
        meanOf(inside('one')).map((value) => value + 1),
        1e-5,
      );
      near(
        await embedder.embed(['one'], { role: 'query' }),
        meanOf(inside('one')).map((value) => value + 3),
        1e-5,
      );
      await assert.rejects(load(model), { code: 'BAD_ARGUMENT', message: /tasks: \{ query, document \}/ });
      assert.match(embedder.decisions.join('\n'), /^adapters: 3 for queries, 1 for documents \(the caller says so\)$/m);
    }
  });

  it('refuses numbers of tasks that it has no input for', async () => {
    await assert.rejects(load('tokens.onnx', { tasks: { query: 3, document: 1 } }), {
      code: 'BAD_ARGUMENT',
      message:
        /no tasks for .*tokens\.onnx, which has no input task_id, but received \{"query":3,"document":1\}: leave/,
    });
  });

  it('is refused when it wants what texts do not have', async () => {
    await assert.rejects(load('unknown.onnx'), { code: 'UNSUPPORTED', message: /unknown\.onnx but it wants past$/ });
    await assert.rejects(load('integers.onnx'), { code: 'UNSUPPORTED', message: /floats.*int32/ });
    await assert.rejects(load('tokens.onnx', { pooling: 'none' }), {
      code: 'UNSUPPORTED',
      message: /2 axes.*last_hidden_state/,
    });
    await assert.rejects(load('tokens.onnx', { pooling: undefined }), {
      code: 'BAD_ARGUMENT',
      message: /pooling.*1_Pooling/,
    });
  });

  it('is refused when it is none', async () => {
    folder.write({ 'damaged.onnx': 'not a model', 'empty.onnx': '' });
    for (const model of ['damaged.onnx', 'empty.onnx']) {
      await assert.rejects(load(model), { code: 'CORRUPT', message: new RegExp(`ONNX model in .*${model}`) });
    }
  });

  it('that gives NaN makes an error that names the text', async () => {
    const embedder = await load('tokens.onnx', { normalise: true });
    const many = Array.from({ length: 50 }, (_, i) => (i === 37 ? 'one nan' : 'one two'));
    await assert.rejects(embedder.embed(many), { code: 'NOT_FINITE', message: /texts\[37\]/ });
    near(await embedder.embed(['one']), unit(meanOf(inside('one')))); // and goes on
  });

  it('that fails in a run makes an error that has the runtime’s', async () => {
    const embedder = await load('short.onnx', { maxLength: 8 }).catch((error) => error);
    // The first run, of three tokens, fails already: three are not four.
    assert.equal(embedder.code, 'MODEL_FAILED');
    assert.match(embedder.message, /short\.onnx/);
    assert.ok(embedder.cause);
  });

  it('reads at most maxLength tokens and counts the texts that had more', async () => {
    const embedder = await load('tokens.onnx', { maxLength: 4 });
    const seen: number[] = [];
    const all = await embedder.embed(texts, { onProgress: ({ truncated }) => seen.push(truncated) });
    near(all.subarray(WIDTH, 2 * WIDTH), meanOf(['[CLS]', 'one', 'two', '[SEP]']));
    assert.equal(seen.at(-1), 2);
    assert.deepEqual([...(await embedder.countTokens(texts))], [3, 6, 2, 4, 5]);
  });

  it('gives each text its place whatever batches there are', async () => {
    const random = new Random(SEED);
    const many = Array.from({ length: 300 }, () =>
      Array.from({ length: random.int(0, 12) }, () =>
        random.pick(WORDS.filter((word) => /^[a-m|o-z]/.test(word))),
      ).join(' '),
    );
    const done: number[] = [];
    for (const batchSize of [1, 7, 64]) {
      const embedder = await load('tokens.onnx', { batchSize, batchTokens: 40 });
      const all = await embedder.embed(many, { onProgress: (progress) => done.push(progress.done) });
      for (const [i, text] of many.entries()) near(all.subarray(i * WIDTH, (i + 1) * WIDTH), meanOf(inside(text)));
      assert.equal(done.at(-1), many.length);
      assert.deepEqual(
        done,
        done.toSorted((a, b) => a - b),
      );
      done.length = 0;
    }
  });
});

describe('batches', () => {
  it('hold every text once, within their limits, with little padding', () => {
    const random = new Random(SEED);
    for (let round = 0; round < 200; round++) {
      const lengths = Array.from({ length: random.int(0, 100) }, () => random.int(0, 60));
      const limits = { rows: random.int(1, 20), tokens: random.int(1, 300) };
      const batches = batchesOf(lengths, limits);
      const all = batches.flatMap((batch) => [...batch]);
      assert.deepEqual(
        all.toSorted((a, b) => a - b),
        [...lengths.keys()],
      );
      for (const batch of batches) {
        const longest = Math.max(...Array.from(batch, (i) => lengths[i]!));
        assert.ok(batch.length <= limits.rows);
        assert.ok(batch.length === 1 || batch.length * longest <= limits.tokens);
      }
      const order = all.map((i) => lengths[i]!);
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      ); // neighbours are alike
    }
  });
});
