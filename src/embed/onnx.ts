/** Transformers in ONNX files, run by onnxruntime-node. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FunnelError } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';
import { batchesOf } from './batches.js';
import { type Module, readSteps, type VectorStep } from './dense.js';
import {
  type EmbedResult,
  type EmbedTask,
  type Engine,
  embedderClosed,
  notFiniteOutput,
  type TaskControl,
} from './engine.js';
import { finishVector } from './finish.js';
import type { Gate } from './gate.js';
import { adapterDecisions, feedsOf, type InputFacts, refuseInputs } from './graph-inputs.js';
import { type ChosenOutput, checkWidth, chooseOutput, type OutputWish } from './outputs.js';
import { loadOnnxruntime, type OnnxPackage, type OnnxSession, type OnnxTensor } from './packages.js';
import { pool } from './pooling.js';
import { type RunFacts, type RunShape, runShape } from './runs.js';
import { TextTokenizer, type TokenizerSetup } from './tokenizer.js';
import type { Role } from './types.js';
import { mappedModel } from './weights.js';

export interface OnnxSetup extends OutputWish, RunFacts, InputFacts {
  kind: 'onnx';
  tokenizer: TokenizerSetup;
  /** Threads of the runtime, for one run. */
  threads: number;
  /** Leaves the tokens of a prefix out of pooling. */
  promptLess?: boolean;
  /** Who said `pooling`, for people. */
  poolingWhy?: string;
  /** Modules between pooling and the last Normalize. */
  steps?: readonly Module[];
}

/** Milliseconds of tokenising before others get their turn. */
const SLICE = 10;

/** @throws FunnelError MISSING_PACKAGE, NO_MODEL, CORRUPT, UNSUPPORTED, BAD_ARGUMENT, MODEL_FAILED */
export async function openOnnx(setup: OnnxSetup, gate: Gate): Promise<Engine> {
  const ort = loadOnnxruntime();
  const options = {
    intraOpNumThreads: setup.threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    // Threads that spin while they wait for each other take the processor from those that have work, as soon as it is busy.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    logSeverityLevel: 4, // errors are thrown, and need not be printed as well
  };
  const mapped = await mappedSession(ort, setup.file, options, gate);
  let session: OnnxSession;
  try {
    session = mapped ?? (await within(gate, () => ort.InferenceSession.create(setup.file, options)));
  } catch (cause) {
    if (cause instanceof FunnelError) throw cause;
    throw refusalOf(setup.file, cause);
  }
  try {
    await refuseInputs(session, setup);
    const engine = new OnnxEngine(ort, session, setup, gate);
    if (mapped !== undefined)
      engine.decisions.push('weights: mapped from the file, which is to be replaced whole, by a rename');
    await engine.measure();
    return engine;
  } catch (error) {
    await session.release();
    throw error;
  }
}

/**
 * Whether it takes the folder of weights beside a model that is given as bytes: since 1.22 for certain. 1.20 looks for them in the
 * working directory, where another file of that name may lie.
 */
function knowsFolder({ env }: OnnxPackage): boolean {
  const [major = 0, minor = 0] = (env?.versions?.node ?? '').split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 22);
}

/** Its weights stay in the file. undefined where that is not worth it, or where this onnxruntime wants the file itself. */
async function mappedSession(
  ort: OnnxPackage,
  file: string,
  options: { extra: { session: object } },
  gate: Gate,
): Promise<OnnxSession | undefined> {
  const model = knowsFolder(ort) ? mappedModel(file) : undefined;
  if (model === undefined) return undefined;
  const session = { ...options.extra.session, model_external_initializers_file_folder_path: model.folder };
  try {
    return await within(gate, () => ort.InferenceSession.create(model.bytes, { ...options, extra: { session } }));
  } catch (error) {
    if (error instanceof FunnelError) throw error; // closed meanwhile
    return undefined;
  }
}

/** Messages of onnxruntime about a whole file that this version of it cannot run. */
const BEYOND =
  /Unsupported model IR version|Opset \d+ is under development|Unsupported data type|NOT_IMPLEMENTED|Could not find an implementation|No Op registered|is not a registered function/;
const NO_DATA = /External data path does not exist: "?([^"\n]+)/;

function refusalOf(file: string, cause: unknown): FunnelError {
  const data = NO_DATA.exec(String(cause))?.[1];
  if (data !== undefined) {
    const remedy = `put the file of that name, with the model's weights, beside it: ${cause}`;
    return new FunnelError('NO_MODEL', `Expected ${data}, which ${file} names, but there is none: ${remedy}`, {
      cause,
    });
  }
  if (BEYOND.test(String(cause))) {
    const remedy = 'update onnxruntime-node, or export the model for an older version, with outputs of float32';
    const message = `Expected an ONNX model that the installed onnxruntime-node can run in ${file} but it refuses it: ${cause}. ${remedy}`;
    return new FunnelError('UNSUPPORTED', message, { cause });
  }
  const message = `Expected an ONNX model in ${file} but onnxruntime refuses it: ${cause}`;
  return new FunnelError('CORRUPT', message, { cause });
}

/** Tokens of a prefix cannot be left out of what the graph has pooled. */
function refusePooled({ file, poolingBy, promptLess }: OnnxSetup, { pooling }: ChosenOutput): void {
  // A caller who says it knows what the model does.
  if (!promptLess || poolingBy === 'caller' || pooling !== 'none') return;
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected pooling to be done here, since 1_Pooling/config.json says include_prompt: false, but ${file} pools itself: ` +
      "pooling: 'none' takes its vectors, in which the prefix counts",
  );
}

/** XLNet gives its last token another type than the others; all types are 0 here. */
function typed(file: string): FunnelError {
  return new FunnelError(
    'UNSUPPORTED',
    `Expected tokens of type_id 0 alone in the post_processor (single) of ${file} but it has others, which are not done here: ` +
      'its model would give other vectors',
  );
}

class OnnxEngine implements Engine {
  width = 0;
  readonly decisions: string[] = [];
  readonly #ort: OnnxPackage;
  readonly #session: OnnxSession;
  readonly #tokenizer: TextTokenizer;
  readonly #setup: OnnxSetup;
  readonly #gate: Gate;
  readonly #output: ChosenOutput;
  readonly #shape: RunShape;
  #steps: readonly VectorStep[] = [];
  /** Dims of a pooled vector, before the steps. */
  #pooled = 0;

  constructor(ort: OnnxPackage, session: OnnxSession, setup: OnnxSetup, gate: Gate) {
    this.#ort = ort;
    this.#session = session;
    this.#setup = setup;
    this.#gate = gate;
    this.#output = chooseOutput(session, setup);
    refusePooled(setup, this.#output);
    const { name, rank, why, pooling } = this.#output;
    this.#shape = runShape(session, setup, rank === 2);
    const { length = Number.POSITIVE_INFINITY, decisions } = this.#shape;
    const maxLength = Math.min(setup.tokenizer.maxLength, length);
    this.#tokenizer = new TextTokenizer({ ...setup.tokenizer, maxLength });
    if (!this.#tokenizer.oneType) throw typed(setup.tokenizer.file);
    const { poolingWhy = why } = setup;
    this.decisions.push(
      `output: ${name} of ${rank} axes (${why})`,
      pooling === 'none'
        ? 'pooling: by the model itself'
        : `pooling: ${pooling} (${pooling === setup.pooling ? poolingWhy : why})`,
      ...decisions,
      ...adapterDecisions(session, setup),
    );
  }

  /** A run of one text tells the width, and that the model runs at all. */
  async measure(): Promise<void> {
    const { dims } = await this.#run([this.#tokenizer.encode('a').ids], 'document');
    const { name, rank, pooling } = this.#output;
    if (dims.length !== rank) {
      throw new FunnelError(
        'UNSUPPORTED',
        `Expected ${rank} axes of output ${name} for pooling '${pooling}' but received ${dims.length}`,
      );
    }
    this.#pooled = dims[dims.length - 1]!;
    checkWidth(this.#output, this.#setup, this.#pooled);
    if (this.#output.unfinished) {
      const { steps, decisions } = await readSteps(this.#setup.steps ?? []);
      this.#steps = steps;
      this.decisions.push(...decisions);
    }
    this.width = this.#stepped(new Float64Array(this.#pooled)).length;
  }

  async embed({ texts, places, role, prefix, finish: rule }: EmbedTask, control: TaskControl): Promise<EmbedResult> {
    const { ids, truncated } = await this.#encode(texts, places, prefix, control);
    const vectors = new Float32Array(texts.length * rule.dim);
    const row = new Float64Array(this.#pooled);
    const lengths = ids.map(({ length }) => length);
    const skipped = this.#setup.promptLess && prefix !== '' ? this.#tokenizer.prefixLength(prefix) : 0;
    let done = 0;
    for (const batch of batchesOf(lengths, this.#shape.limits, this.#shape.uniform)) {
      if (control.cancelled()) break;
      if (lengths[batch[batch.length - 1]!] === 0) continue; // no tokens at all: zeros
      const rows = Array.from(batch, (i) => ids[i]!);
      const { data, dims } = await this.#run(rows, role);
      const length = dims.length === 3 ? dims[1]! : 1;
      for (let r = 0; r < rows.length; r++) {
        if (rows[r]!.length === 0) continue;
        const used = dims.length === 3 ? rows[r]!.length : 1;
        const skip = dims.length === 3 ? Math.min(skipped, used) : 0;
        pool(this.#output.pooling, data, (r * length + skip) * this.#pooled, used - skip, row);
        const at = batch[r]!;
        if (!finishVector(this.#stepped(row), rule, vectors, at * rule.dim)) throw notFiniteOutput(places[at]!);
      }
      done += rows.length;
      control.progress(done, truncated);
    }
    return { vectors, truncated };
  }

  async countTokens(texts: readonly string[], prefix: string): Promise<Uint32Array> {
    return Uint32Array.from(texts, (text) => this.#tokenizer.count(prefix + text));
  }

  close(): Promise<void> {
    return this.#session.release();
  }

  #stepped(row: Float64Array): Float64Array {
    let stepped = row;
    for (const step of this.#steps) stepped = step(stepped);
    return stepped;
  }

  async #encode(texts: readonly string[], places: Uint32Array, prefix: string, control: TaskControl) {
    const ids: ArrayLike<number>[] = [];
    let truncated = 0;
    let since = performance.now();
    for (const [i, text] of texts.entries()) {
      const encoded = this.#tokenizer.encode(prefix + text, places[i]!);
      if (encoded.truncated) truncated++;
      ids.push(encoded.ids);
      if (performance.now() - since < SLICE) continue;
      await nextTurn();
      if (control.cancelled()) break;
      since = performance.now();
    }
    return { ids, truncated };
  }

  /** The chosen output for these texts, short ones filled up to the longest, or as the graph wants it. */
  async #run(
    texts: readonly ArrayLike<number>[],
    role: Role,
  ): Promise<{ data: ArrayLike<number>; dims: readonly number[] }> {
    const length = this.#shape.length ?? Math.max(1, ...texts.map((ids) => ids.length));
    const count = this.#shape.rows ?? texts.length;
    const feeds = feedsOf(this.#ort, this.#session, this.#setup, texts, role, [count, length]);
    let output: OnnxTensor;
    try {
      const { name } = this.#output;
      output = (await within(this.#gate, () => this.#session.run(feeds, [name])))[name]!;
    } catch (cause) {
      if (cause instanceof FunnelError) throw cause;
      throw new FunnelError('MODEL_FAILED', `onnxruntime failed on ${this.#setup.file}: ${cause}`, { cause });
    }
    return { data: floats(output), dims: output.dims };
  }
}

async function within<T>(gate: Gate, run: () => Promise<T>): Promise<T> {
  if (!gate.enter()) throw embedderClosed();
  try {
    return await run();
  } finally {
    gate.leave();
  }
}

function floats({ type, data }: OnnxTensor): ArrayLike<number> {
  if (type === 'float32' || type === 'float64' || data.constructor.name === 'Float16Array') return data as Float32Array;
  if (type === 'float16') return Float32Array.from(data as Uint16Array, halfToFloat);
  throw new FunnelError('UNSUPPORTED', `Expected an output of floats from the model but received ${type}`);
}
