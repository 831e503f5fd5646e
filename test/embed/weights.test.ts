/** Weights of a large ONNX model stay in its file, which the runtime maps: the same vectors, and a smaller peak of memory. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Embedder } from 'funnelvec/embed';
import { mappedModel } from '#dist/embed/weights.js';
import { realModels } from './real.js';
import { type Folder, meanOf, onnxFolder } from './tiny.js';

const models = await realModels();
const { missing, minilm } = models as { missing?: string; minilm: string };
const MAPPED = /^weights: mapped from the file/m;

let folder: Folder;
before(async () => {
  if (!missing) folder = await onnxFolder();
});
after(() => folder?.remove());

const at = (name: string) => path.join(folder.path, name);

async function embedded(model: string): Promise<{ vector: Float32Array; decisions: string }> {
  const embedder = await Embedder.load({ path: folder.path, model, pooling: 'mean', threads: 1, normalise: false });
  try {
    return { vector: await embedder.embed(['one two']), decisions: embedder.decisions.join('\n') };
  } finally {
    await embedder.close();
  }
}

describe('a large model', { skip: missing ?? false }, () => {
  it('is given to the runtime without its weights, and has the vectors that it has with them', async () => {
    const { bytes } = mappedModel(at('large.onnx'))!;
    assert.ok(bytes.length < 10_000 && readFileSync(at('large.onnx')).length > 9_000_000);
    mkdirSync(at('blobs'));
    writeFileSync(at('blobs/0123abcd'), readFileSync(at('large.onnx')));
    symlinkSync('blobs/0123abcd', at('linked.onnx')); // as in the cache of huggingface_hub
    const wanted = meanOf(['[CLS]', 'one', 'two', '[SEP]']);
    for (const model of ['large.onnx', 'linked.onnx']) {
      const { vector, decisions } = await embedded(model);
      for (const [d, value] of wanted.entries()) assert.ok(Math.abs(vector[d]! - value) < 1e-6, `${model}, dim ${d}`);
      assert.match(decisions, MAPPED);
    }
  });

  it('that ends too soon is CORRUPT, as a small one is', async () => {
    writeFileSync(at('cut.onnx'), readFileSync(at('large.onnx')));
    truncateSync(at('cut.onnx'), 9_000_000);
    await assert.rejects(embedded('cut.onnx'), { code: 'CORRUPT', message: /cut\.onnx/ });
  });
});

it('a small model, one whose weights lie outside and what is none are read as they are', {
  skip: missing ?? false,
}, async () => {
  for (const model of ['tokens.onnx', 'outside.onnx', 'config.json', 'none.onnx']) {
    assert.equal(mappedModel(at(model)), undefined, model);
  }
  assert.doesNotMatch((await embedded('tokens.onnx')).decisions, MAPPED);
});

const unknown = process.platform === 'linux' ? (missing ?? false) : 'the system does not say the peak';
it('all-MiniLM-L6-v2 loads with a peak of little more than its weights', { skip: unknown }, () => {
  const script = `
    import { readFileSync } from 'node:fs';
    import { Embedder } from 'funnelvec/embed';
    const peak = () => Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
    const before = peak();
    const embedder = await Embedder.load({ path: ${JSON.stringify(minilm)}, threads: 1 });
    await embedder.embed(['one', 'two']);
    console.log(JSON.stringify({ grown: peak() - before, mapped: embedder.decisions.some((one) => one.startsWith('weights: mapped')) }));
    await embedder.close();`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const { grown, mapped } = JSON.parse(stdout || JSON.stringify({ stderr }));
  const size = readFileSync(path.join(minilm, 'onnx', 'model.onnx')).length;
  // Read by the runtime it was more than twice the file.
  assert.ok(mapped && grown < 1.5 * size, `${grown} of ${size} bytes ${stderr}`);
});
