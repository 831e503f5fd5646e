// npm run bench:embed [-- --write] [--rounds 7] [--threads 1] [--only python]
// Texts into vectors: embed() beside onnxruntime-node called by hand with the best batching, and a static model beside
// the tokenizer that it runs on, alone on one thread. Contenders take turns on the same texts; ratios are of one run.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Tokenizer } from '@huggingface/tokenizers';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { loadGlosses } from '../../scripts/data/glosses.mjs';
import { minilmFolder, wordllamaFolder } from '../../scripts/models/models.mjs';
import { build } from '../../scripts/setup/build.mjs';
import { log, root } from '../../scripts/setup/steps.mjs';
import { quantile } from '../measure.mjs';
import { withPart } from '../merge.mjs';
import { besidePython, floors, tableOf } from './beside-python.mjs';

const { values } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string' },
    only: { type: 'string' },
  },
});
const rounds = Math.min(9, Number(values.rounds));
/** Texts of a round: less than a second for each contender, so that a slow spell of the machine meets all of them. */
const TEXTS = { model: 64, model_quantized: 192, static: 3_000 };
/** A static model's rounds get texts that nobody met before: the tokenizer library remembers 10,000. */
const GLOSSES = 30_000;
const LAYOUTS = {
  '8 texts a run': { rows: 8, tokens: Infinity },
  '32 texts a run': { rows: 32, tokens: Infinity },
  '128 tokens a run': { rows: 64, tokens: 128 },
  // Threads that share a run spin while they wait for each other, which costs on a busy machine.
  '128 tokens a run, 1 thread': { rows: 64, tokens: 128, alone: true },
};
const BOUND = { hand: 1.1, static: 1.7 };

const loadBefore = os.loadavg()[0];
await build();
const { Embedder } = await import('../../dist/esm/embed/index.js');
const { usableThreads } = await import('../../dist/esm/core/threads.js');
const threads = values.threads === undefined ? usableThreads() : Number(values.threads);
const [{ texts }, minilm, wordllama] = [
  await loadGlosses({ count: GLOSSES }),
  await minilmFolder(),
  await wordllamaFolder(),
];

log('all-MiniLM-L6-v2 beside Python');
const python = await besidePython({ model: minilm, glosses: texts, rounds, threads: [1, 2] });
const pythonText = [
  'Beside Python’s onnxruntime (32 texts a run, sorted by length, Rust’s tokenizer), all-MiniLM-L6-v2 as float32, a process ' +
    'for each; medians of rounds taken in turns. Wanted: at least as fast, with at most a third of the memory at its peak.',
  '',
  tableOf(python),
  ...(process.platform === 'linux' ? ['', floorText(floors(minilm))] : []),
].join('\n');
function floorText({ read, mapped }) {
  const mb = (bytes) => (bytes / 2 ** 20).toFixed(0);
  return (
    `Below that nothing of Node can be: it has ${mb(mapped)} MB at its peak with onnxruntime-node and this model loaded, weights left ` +
    `in the file, and no text embedded (${mb(read)} MB where the runtime reads the file).`
  );
}
if (values.only === 'python') {
  process.stdout.write(`${pythonText}\n`);
  process.exit();
}

const json = (...parts) => JSON.parse(readFileSync(join(...parts), 'utf8'));

// A transformer

/** As one would write it: tokens, sorted by length, runs of like texts, means, lengths of 1. */
class ByHand {
  static async open(file, intraOpNumThreads) {
    const session = await InferenceSession.create(join(minilm, 'onnx', `${file}.onnx`), { intraOpNumThreads });
    return new ByHand(session, new Tokenizer(json(minilm, 'tokenizer.json'), json(minilm, 'tokenizer_config.json')));
  }

  constructor(session, tokenizer) {
    Object.assign(this, { session, tokenizer });
  }

  async embed(list, { rows, tokens }) {
    const ids = list.map((text) => this.tokenizer.encode(text).ids.slice(0, 256));
    const order = ids.map((_, i) => i).sort((a, b) => ids[a].length - ids[b].length);
    let out;
    for (let from = 0, to; from < order.length; from = to) {
      to = from + 1;
      while (to < order.length && to - from < rows && (to - from + 1) * ids[order[to]].length <= tokens) to++;
      const batch = order.slice(from, to);
      const length = ids[batch.at(-1)].length;
      const [input, mask] = [0, 0].map(() => new BigInt64Array(batch.length * length));
      for (const [r, i] of batch.entries()) {
        for (const [t, id] of ids[i].entries()) {
          input[r * length + t] = BigInt(id);
          mask[r * length + t] = 1n;
        }
      }
      const dims = [batch.length, length];
      const { last_hidden_state: states } = await this.session.run({
        input_ids: new Tensor('int64', input, dims),
        attention_mask: new Tensor('int64', mask, dims),
        token_type_ids: new Tensor('int64', new BigInt64Array(input.length), dims),
      });
      const { data } = states;
      const dim = states.dims[2];
      out ??= new Float32Array(list.length * dim);
      for (const [r, i] of batch.entries()) {
        const row = out.subarray(i * dim, (i + 1) * dim);
        for (let t = 0; t < ids[i].length; t++) {
          for (let d = 0; d < dim; d++) row[d] += data[(r * length + t) * dim + d];
        }
        const norm = Math.hypot(...row);
        for (let d = 0; d < dim; d++) row[d] /= norm;
      }
    }
    return out;
  }
}

async function transformer(file) {
  const list = texts.slice(0, TEXTS[file]);
  const [hand, alone] = [await ByHand.open(file, threads), await ByHand.open(file, 1)];
  const embedder = await Embedder.load({ path: minilm, model: `onnx/${file}.onnx`, threads });
  const contenders = {
    funnelvec: () => embedder.embed(list),
    ...Object.fromEntries(
      Object.entries(LAYOUTS).map(([name, layout]) => [
        `by hand, ${name}`,
        () => (layout.alone ? alone : hand).embed(list, layout),
      ]),
    ),
  };
  // Warm, and the same vectors.
  const [ours, theirs] = [
    await embedder.embed(list.slice(0, 64)),
    await hand.embed(list.slice(0, 64), LAYOUTS['8 texts a run']),
  ];
  const far = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i])), 0);
  if (far > (file === 'model' ? 1e-4 : 0.05)) throw new Error(`the vectors of ${file} differ by ${far}`);
  const { times, cpu } = await takeTurns(contenders);
  await Promise.all([embedder.close(), hand.session.release(), alone.session.release()]);
  // Beside the batching that was best over all rounds: the best of each round would be the luckiest.
  const middle = (name) => quantile(times[name], 0.5);
  const best = Object.keys(times)
    .filter((name) => name !== 'funnelvec')
    .reduce((a, b) => (middle(b) < middle(a) ? b : a));
  const ratios = times.funnelvec.map((ms, r) => ms / times[best][r]);
  return { count: list.length, times, cpu, ratio: quantile(ratios, 0.5) };
}

// A static model

async function table() {
  const count = TEXTS.static;
  const fresh = (round) => texts.slice((round + 1) * count, (round + 2) * count);
  const tokenizer = new Tokenizer(json(wordllama, 'tokenizers', 'l2_supercat_tokenizer_config.json'), {});
  const options = { preset: 'wordllama', path: wordllama };
  const [alone, all] = [await Embedder.load({ ...options, threads: 1 }), await Embedder.load({ ...options, threads })];
  const contenders = {
    [`funnelvec, ${threads} threads`]: (round) => all.embed(fresh(round)),
    'funnelvec, 1 thread': (round) => alone.embed(fresh(round)),
    'the tokenizer alone, 1 thread': (round) => {
      for (const text of fresh(round)) tokenizer.encode(text, { add_special_tokens: false });
    },
  };
  const { times, cpu } = await takeTurns(contenders);
  await Promise.all([alone.close(), all.close()]);
  const tokens = times['the tokenizer alone, 1 thread'];
  const faster = (name) =>
    quantile(
      times[name].map((ms, r) => tokens[r] / ms),
      0.5,
    );
  return {
    count,
    times,
    cpu,
    ratio: faster(`funnelvec, ${threads} threads`),
  };
}

/** Milliseconds of each round, by contender, and of processors' work in them; the first round warms up. */
async function takeTurns(contenders) {
  const empty = () => Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  const [times, cpu] = [empty(), empty()];
  for (let round = -1; round < rounds; round++) {
    const all = Object.entries(contenders);
    for (const [name, run] of round % 2 === 0 ? all : all.toReversed()) {
      const [start, before] = [performance.now(), process.cpuUsage()];
      await run(round);
      const { user, system } = process.cpuUsage(before);
      if (round < 0) continue;
      times[name].push(performance.now() - start);
      cpu[name].push((user + system) / 1000);
    }
  }
  return { times, cpu };
}

const parts = [];
for (const [file, title] of [
  ['model', 'all-MiniLM-L6-v2, float32'],
  ['model_quantized', 'all-MiniLM-L6-v2, int8'],
]) {
  log(title);
  parts.push({ title, bound: `time ÷ by hand with the best batching`, most: BOUND.hand, ...(await transformer(file)) });
}
log('WordLlama');
parts.push({
  title: 'WordLlama, 256 dims',
  bound: 'rate ÷ the tokenizer’s on one thread',
  least: BOUND.static,
  ...(await table()),
});

const lines = parts.flatMap(({ title, count, times, cpu }) =>
  Object.entries(times).map(([name, list]) => {
    const rate = (count / quantile(list, 0.5)) * 1000;
    const bold = name.startsWith('funnelvec') ? '**' : '';
    const work = quantile(cpu[name], 0.5) / count;
    return `| ${title} | ${bold}${name}${bold} | ${rate.toFixed(0)} | ${work.toPrecision(3)} |`;
  }),
);
const bounds = parts.map(({ title, bound, ratio, most, least }) => {
  const met = most === undefined ? ratio >= least : ratio <= most;
  return `| ${met ? 'PASS' : '**FAIL**'} | ${title}: ${bound} | ${ratio.toFixed(2)} | ${most === undefined ? `≥ ${least}` : `≤ ${most}`} |`;
});
const text = [
  `${new Date().toISOString().slice(0, 10)}, ${os.cpus()[0].model.trim()}, Node ${process.version}, ${threads} threads, WordNet glosses ` +
    `of 60 characters on average, ${rounds} rounds of ${parts.map(({ count }) => count).join(', ')} texts, load before the run ${loadBefore.toFixed(1)}. ` +
    'By hand: onnxruntime-node on the calling thread, texts sorted by length; its tokens are the library’s. Ratios are medians of the rounds’; a processor’s time suffers less from what else runs than the clock’s.',
  '',
  '| model | contender | texts/s | processor ms/text |',
  '| :-- | :-- | --: | --: |',
  ...lines,
  '',
  '|  | bound | measured |  |',
  '| :-- | :-- | --: | --: |',
  ...bounds,
  '',
  pythonText,
].join('\n');
process.stdout.write(`${text}\n`);
if (values.write) {
  const results = join(root, 'bench', 'RESULTS.md');
  const before = existsSync(results) ? readFileSync(results, 'utf8') : '';
  writeFileSync(results, withPart(before, 'embedding', text, '## Texts into vectors'));
  log('bench/RESULTS.md written');
}
