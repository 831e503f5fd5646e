/** Transformers in ONNX files, run by onnxruntime-node. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FunnelError } from '../errors.js';
import { halfToFloat } from '../kernels/reference.js';
import { type BatchLimits, batchesOf } from './batches.js';
import { type EmbedResult, type EmbedTask, type Engine, notFinite, type TaskControl, wasClosed } from './engine.js';
import { finish } from './finish.js';
import type { Gate } from './gate.js';
import { loadOnnxruntime, type OnnxPackage, type OnnxSession, type OnnxTensor } from './packages.js';
import { pool } from './pooling.js';
import { TextTokenizer, type TokenizerSetup } from './tokenizer.js';
import type { Pooling, Role } from './types.js';

export interface OnnxSetup {
  kind: 'onnx';
  /** The .onnx file. */
  file: string;
  tokenizer: TokenizerSetup;
  /** undefined: the model must have an output of one vector a text. */
  pooling: Pooling | undefined;
  /** Of the runtime, for one run. */
  threads: number;
  batch: BatchLimits;
  /** Of tokens that fill a short text up; they are masked, so that any token of the vocabulary does. */
  padId: number;
  /** Of the input task_id, by role; for a model that has it. */
  tasks?: Readonly<Record<Role, number>>;
  /** Why the folder's pooling cannot be done here; the model must do it itself then. */
  unpooled?: string;
  /** Leaves the tokens of a prefix out of pooling. */
  promptLess?: boolean;
}

/** Outputs by what exporters call them; the first that the model has. */
const VECTORS = ['sentence_embedding', 'sentence_embeddings', 'text_embeds', 'pooler_output'];
const TOKENS = ['last_hidden_state', 'token_embeddings', 'hidden_states'];
/** Inputs that can be made from ids alone. */
const INPUTS = ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'];
/** Of models with an adapter for each task. */
const TASK = 'task_id';
/** Milliseconds of tokenising before others get their turn. */
const SLICE = 10;

/** @throws FunnelError MISSING_PACKAGE, CORRUPT, UNSUPPORTED, MODEL_FAILED */
export async function openOnnx(setup: OnnxSetup, gate: Gate): Promise<Engine> {
  const ort = loadOnnxruntime();
  const tokenizer = new TextTokenizer(setup.tokenizer);
  const options = {
    intraOpNumThreads: setup.threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    // Threads that spin while they wait for each other take the processor from those that have work, as soon as it is busy.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    logSeverityLevel: 4, // errors are thrown, and need not be printed as well
  };
  let session: OnnxSession;
  try {
    session = await within(gate, () => ort.InferenceSession.create(setup.file, options));
  } catch (cause) {
    if (cause instanceof FunnelError) throw cause;
    throw new FunnelError('CORRUPT', `Expected an ONNX model in ${setup.file} but onnxruntime refuses it: ${cause}`, {
      cause,
    });
  }
  const pools = setup.pooling !== undefined && setup.pooling !== 'none';
  if (!pools && (setup.unpooled !== undefined || setup.promptLess)) {
    try {
      refusePooling(setup, session.outputNames);
    } catch (error) {
      await session.release();
      throw error;
    }
  }
  const engine = new OnnxEngine(ort, session, tokenizer, setup, gate);
  try {
    await engine.measure();
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

/** A pooling that is not done here, unless the model has done it; and one that leaves the prefix out, where the model pools. */
function refusePooling({ pooling, file, unpooled, promptLess }: OnnxSetup, outputs: readonly string[]): void {
  if (pooling !== undefined) return; // 'none': the caller knows that the model does it
  const own = VECTORS.some((name) => outputs.includes(name));
  if (unpooled !== undefined && !own) {
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected ${unpooled}: use a model file that pools itself, or say pooling ('mean', 'cls' or 'last') for ${file}`,
    );
  }
  if (promptLess && own) {
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected pooling to be done here, since 1_Pooling/config.json says include_prompt: false, but ${file} pools itself: ` +
        "pooling: 'none' takes its vectors, in which the prefix counts",
    );
  }
}

class OnnxEngine implements Engine {
  width = 0;
  readonly #ort: OnnxPackage;
  readonly #session: OnnxSession;
  readonly #tokenizer: TextTokenizer;
  readonly #setup: OnnxSetup;
  readonly #gate: Gate;
  readonly #output: string;

  constructor(ort: OnnxPackage, session: OnnxSession, tokenizer: TextTokenizer, setup: OnnxSetup, gate: Gate) {
    this.#ort = ort;
    this.#session = session;
    this.#tokenizer = tokenizer;
    this.#setup = setup;
    this.#gate = gate;
    for (const name of session.inputNames) {
      if (INPUTS.includes(name) || (name === TASK && setup.tasks !== undefined)) continue;
      throw new FunnelError(
        name === TASK ? 'BAD_ARGUMENT' : 'UNSUPPORTED',
        name === TASK
          ? `Expected tasks: { query, document }, numbers of the adapters of ${setup.file}, but received undefined`
          : `Expected only inputs among ${INPUTS.join(', ')} of ${setup.file} but it wants ${name}`,
      );
    }
    this.#output = this.#chooseOutput();
  }

  /** A run of one text tells the width, and that the model runs at all. */
  async measure(): Promise<void> {
    const { dims } = await this.#run([this.#tokenizer.encode('a').ids], 'document');
    const wanted = this.#setup.pooling === 'none' || this.#setup.pooling === undefined ? 2 : 3;
    if (dims.length !== wanted) {
      throw new FunnelError(
        'UNSUPPORTED',
        `Expected ${wanted} axes of output ${this.#output} for pooling ${this.#setup.pooling} but received ${dims.length}`,
      );
    }
    this.width = dims[dims.length - 1]!;
  }

  async embed({ texts, places, role, prefix, finish: rule }: EmbedTask, control: TaskControl): Promise<EmbedResult> {
    const { ids, truncated } = await this.#encode(texts, places, prefix, control);
    const vectors = new Float32Array(texts.length * rule.dim);
    const row = new Float64Array(this.width);
    const lengths = ids.map(({ length }) => length);
    const skipped = this.#setup.promptLess && prefix !== '' ? this.#tokenizer.prefixLength(prefix) : 0;
    let done = 0;
    for (const batch of batchesOf(lengths, this.#setup.batch)) {
      if (control.cancelled()) break;
      if (lengths[batch[batch.length - 1]!] === 0) continue; // no tokens at all: zeros
      const rows = Array.from(batch, (i) => ids[i]!);
      const { data, dims } = await this.#run(rows, role);
      const length = dims.length === 3 ? dims[1]! : 1;
      for (let r = 0; r < rows.length; r++) {
        if (rows[r]!.length === 0) continue;
        const used = dims.length === 3 ? rows[r]!.length : 1;
        const skip = dims.length === 3 ? Math.min(skipped, used) : 0;
        pool(this.#setup.pooling ?? 'none', data, (r * length + skip) * this.width, used - skip, row);
        const at = batch[r]!;
        if (!finish(row, rule, vectors, at * rule.dim)) throw notFinite(places[at]!);
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

  /** The chosen output for these texts, short ones filled up to the longest. */
  async #run(
    texts: readonly ArrayLike<number>[],
    role: Role,
  ): Promise<{ data: ArrayLike<number>; dims: readonly number[] }> {
    const length = Math.max(1, ...texts.map((ids) => ids.length));
    const dims = [texts.length, length];
    const feeds: Record<string, OnnxTensor> = {};
    for (const name of this.#session.inputNames) {
      if (name === TASK) {
        feeds[name] = this.#tensor(name, this.#rankOf(name) === 0 ? [] : [1], (values) => {
          values[0] = this.#setup.tasks![role];
        });
        continue;
      }
      feeds[name] = this.#tensor(name, dims, (values, step) => {
        for (let r = 0; r < texts.length; r++)
          fill(name, texts[r]!, values, r * length, length, step, this.#setup.padId);
      });
    }
    let output: OnnxTensor;
    try {
      output = (await within(this.#gate, () => this.#session.run(feeds, [this.#output])))[this.#output]!;
    } catch (cause) {
      if (cause instanceof FunnelError) throw cause;
      throw new FunnelError('MODEL_FAILED', `onnxruntime failed on ${this.#setup.file}: ${cause}`, { cause });
    }
    return { data: floats(output), dims: output.dims };
  }

  /** @param write gets the values as int32; `step` apart, since the upper half of an int64 stays 0 */
  #tensor(name: string, dims: number[], write: (values: Int32Array, step: number) => void): OnnxTensor {
    const size = dims.reduce((product, one) => product * one, 1);
    const type = this.#session.inputMetadata?.find((input) => input.name === name)?.type ?? 'int64';
    if (type === 'int32') {
      const values = new Int32Array(size);
      write(values, 1);
      return new this.#ort.Tensor(type, values, dims);
    }
    const values = new BigInt64Array(size);
    write(new Int32Array(values.buffer), 2);
    return new this.#ort.Tensor('int64', values, dims);
  }

  #rankOf(input: string): number | undefined {
    return this.#session.inputMetadata?.find(({ name }) => name === input)?.shape?.length;
  }

  #chooseOutput(): string {
    const { outputNames, outputMetadata } = this.#session;
    const { pooling, file } = this.#setup;
    const known = (pooling === 'none' || pooling === undefined ? VECTORS : TOKENS).find((one) =>
      outputNames.includes(one),
    );
    if (known !== undefined) return known;
    const rank = pooling === 'none' ? 2 : 3;
    const fits = outputMetadata?.find(({ shape }) => shape?.length === rank)?.name;
    if (fits !== undefined && pooling !== undefined) return fits;
    if (outputMetadata === undefined && pooling !== undefined) return outputNames[0]!;
    throw new FunnelError(
      pooling === undefined ? 'BAD_ARGUMENT' : 'UNSUPPORTED',
      pooling === undefined
        ? `Expected pooling ('mean', 'cls' or 'last') for ${file}, whose folder does not say it (1_Pooling/config.json) and ` +
            `which has no output of one vector a text, but received undefined`
        : `Expected an output of ${rank} axes of ${file} for pooling '${pooling}' but it has ${outputNames.join(', ')}`,
    );
  }
}

async function within<T>(gate: Gate, run: () => Promise<T>): Promise<T> {
  if (!gate.enter()) throw wasClosed();
  try {
    return await run();
  } finally {
    gate.leave();
  }
}

/** The low halves of int64 values are 2 int32 apart on the little-endian machines that onnxruntime runs on. */
function fill(
  name: string,
  ids: ArrayLike<number>,
  values: Int32Array,
  from: number,
  length: number,
  step: number,
  padId: number,
): void {
  if (name === 'token_type_ids') return; // all of a single text are 0
  for (let t = 0; t < length; t++) {
    const inside = t < ids.length;
    const value = name === 'attention_mask' ? (inside ? 1 : 0) : name === 'position_ids' ? t : inside ? ids[t]! : padId;
    values[(from + t) * step] = value;
  }
}

function floats({ type, data }: OnnxTensor): ArrayLike<number> {
  if (type === 'float32' || type === 'float64' || data.constructor.name === 'Float16Array') return data as Float32Array;
  if (type === 'float16') return Float32Array.from(data as Uint16Array, halfToFloat);
  throw new FunnelError('UNSUPPORTED', `Expected an output of floats from the model but received ${type}`);
}
