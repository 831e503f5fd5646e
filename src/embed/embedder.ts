/** Embedder: a model on this machine, texts in, vectors out. */
import { expected, FunnelError } from '../core/errors.js';
import { type TextChunk, textChunks } from './chunks.js';
import { type Engine, embedderClosed, errorFromParts, errorParts, type TaskControl } from './engine.js';
import type { Finish } from './finish.js';
import { checkEmbedOptions, checkLoadOptions, checkTexts } from './input.js';
import { openEngine } from './open.js';
import { describeModel, type ModelSpec } from './spec.js';
import { EmbedThreads, type Loaded } from './threads.js';
import type { EmbedderOptions, EmbedOptions, Role } from './types.js';

/** Texts of a job for a thread, at most: to stop soon. */
const MOST = { onnx: 256, static: 512 };
/** Work of a job for a thread, at least: to be worth a message; for a transformer in characters, to fill a run. */
const LEAST = { onnx: 512, static: 32 };
/** Characters of a token, about; and what each text costs in addition, for the tokens around it. */
const CHARACTERS = 4;
const AROUND = 8;
/** Characters that a static model embeds where it is called: threads would not pay. */
const SMALL = 4_000;
/** Jobs that wait at a thread, beside the one at work. */
const AHEAD = 1;

export class Embedder {
  /** Dims of the vectors that embed() gives. */
  readonly dim: number;
  /** Dims that vectors may be cut to, longest first: those that the model was trained for. */
  readonly matryoshkaDims: readonly number[];
  /** Says model and choices, all that decides whether vectors can be compared: stores keep it beside theirs. */
  readonly name: string;
  /**
   * The name that versions up to 0.1.0 gave this model, whose hash took in only the size and both ends of the file of weights:
   * vectors kept under it are this model's, unless another one looks the same there.
   */
  readonly formerName: string;
  /** Decisions about the model, and why: output, pooling, prompts, limit and more, a sentence each. */
  readonly decisions: readonly string[];
  /**
   * Facts that its folder does not state, or that nobody here knows, with the remedy. Each is a warning of the process,
   * too.
   */
  readonly warnings: readonly string[];
  readonly #spec: ModelSpec;
  readonly #untrained: boolean;
  readonly #cutLast: boolean;
  /** The engine on this thread: for few texts of a static model, or for any model where there are no threads. */
  readonly #engine: Engine | undefined;
  readonly #threads: EmbedThreads | undefined;
  #closed = false;

  private constructor(
    spec: ModelSpec,
    options: EmbedderOptions,
    loaded: Loaded,
    engine?: Engine,
    threads?: EmbedThreads,
  ) {
    if (typeof loaded !== 'object' || loaded === null) {
      throw new FunnelError('BAD_ARGUMENT', 'Expected Embedder.load(options), which makes embedders, but received new');
    }
    const { width, decisions } = loaded;
    this.#spec = spec;
    this.#engine = engine;
    this.#threads = threads;
    this.#untrained = options.untrained ?? false;
    const cut = spec.truncateDim === undefined ? width : Math.min(width, spec.truncateDim);
    this.dim = options.dim ?? cut;
    const trained = spec.matryoshkaDims?.filter((dim) => dim <= width) ?? [];
    const all = [...new Set([width, cut, ...trained])].sort((a, b) => b - a);
    checkDim(this.dim, width, all, this.#untrained);
    this.matryoshkaDims = Object.freeze(all.filter((dim) => dim <= this.dim));
    // As sentence-transformers does with its truncate_dim; a cut that the caller wants comes first.
    this.#cutLast =
      cut < width && options.dim === undefined && options.normalise === undefined && spec.layerNorm === false;
    this.name = nameOf(spec, this.dim, this.#cutLast);
    this.formerName = formerNameOf(spec, this.dim);
    this.decisions = Object.freeze([...spec.decisions, ...decisions]);
    this.warnings = Object.freeze([...spec.warnings, ...otherWidth(spec, width)]);
  }

  /**
   * Loads a model from files; nothing is downloaded. Transformers (ONNX files, through the package onnxruntime-node)
   * and static models (a safetensors table) alike; the tokenizer is the package @huggingface/tokenizers.
   *
   * The caller's options win over the preset, the preset over the folder's own files (config.json, modules.json,
   * 1_Pooling/config.json, config_sentence_transformers.json, sentence_bert_config.json, tokenizer_config.json).
   *
   * @throws FunnelError NO_MODEL (which files to put where), MISSING_PACKAGE, CORRUPT, UNSUPPORTED, BAD_ARGUMENT,
   * BAD_DIMS
   * @example
   * const embedder = await Embedder.load({ path: 'models/all-MiniLM-L6-v2' });
   */
  static async load(options: EmbedderOptions): Promise<Embedder> {
    const own = typeof options === 'object' && options !== null ? { ...options } : options; // read once
    checkLoadOptions(own);
    const spec = await describeModel(own);
    const isStatic = spec.setup.kind === 'static';
    const threaded = EmbedThreads.available && !(isStatic && spec.engines === 1);
    // A run of onnxruntime-node blocks its thread until it ends.
    const threads = threaded ? new EmbedThreads(spec.engines, spec.setup) : undefined;
    let engine: Engine | undefined;
    try {
      engine = isStatic || threads === undefined ? await openEngine(spec.setup) : undefined;
      const embedder = new Embedder(spec, own, engine ?? (await threads!.loaded()), engine, threads);
      for (const warning of embedder.warnings) process.emitWarning(warning, { code: 'FUNNELVEC_MODEL' });
      return embedder;
    } catch (error) {
      await Promise.all([engine?.close(), threads?.close()]);
      throw error;
    }
  }

  /**
   * texts.length × dim values, row by row, normalised as the model's rule says. A text longer than the model reads is
   * cut (onProgress counts them, countTokens() tells how long they are); one without any tokens, for a static model, is
   * a vector of zeros.
   *
   * @throws FunnelError BAD_ARGUMENT (naming the text), BAD_DIMS, NOT_FINITE, MODEL_FAILED, ABORTED, CLOSED
   */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<Float32Array> {
    const role = checkEmbedOptions(options);
    const own = checkTexts(texts);
    const { dim = this.dim, onProgress, signal } = options;
    checkDim(dim, this.dim, this.matryoshkaDims, this.#untrained);
    this.#checkOpen(signal);
    const { normalise, layerNorm, prefixes } = this.#spec;
    const out = new Float32Array(own.length * dim);
    const finish: Finish = { dim, layerNorm, normalise, cutLast: this.#cutLast && dim === this.dim };
    const progress = new Progress(own.length, onProgress);
    await this.#inChunks(own, signal, async (chunk, { cancelled, stop }) => {
      const tell = (done: number, cut: number) => {
        try {
          if (!cancelled()) progress.set(chunk, done, cut);
        } catch (error) {
          stop(error); // the caller's own
        }
      };
      const control: TaskControl = { cancelled, progress: tell };
      const result = await this.#engineFor(chunk, own.length).embed(
        { ...chunk, role, prefix: prefixes[role], finish },
        control,
      );
      if (cancelled()) return;
      const { places } = chunk;
      for (let r = 0; r < places.length; r++) {
        out.set(result.vectors.subarray(r * dim, (r + 1) * dim), places[r]! * dim);
      }
      tell(places.length, result.truncated);
      progress.end(chunk);
    });
    return out;
  }

  /**
   * Tokens of each text with its prefix, special ones included, before anything is cut.
   *
   * @throws FunnelError as embed()
   */
  async countTokens(texts: readonly string[], options: { role?: Role } = {}): Promise<Uint32Array> {
    const role = checkEmbedOptions(options);
    const own = checkTexts(texts);
    this.#checkOpen();
    const counts = new Uint32Array(own.length);
    await this.#inChunks(own, undefined, async (chunk, { cancelled }) => {
      const control: TaskControl = { cancelled, progress: () => {} };
      const engine = this.#engineFor(chunk, own.length);
      const some = await engine.countTokens(chunk.texts, this.#spec.prefixes[role], control);
      for (const [i, place] of chunk.places.entries()) counts[place] = some[i]!;
    });
    return counts;
  }

  /** Ends the threads and gives the model's memory back; what is pending fails with CLOSED. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([this.#threads?.close(), this.#engine?.close()]);
  }

  #checkOpen(signal?: AbortSignal): void {
    if (this.#closed) throw embedderClosed();
    if (signal?.aborted) throw aborted(signal);
  }

  #engineFor({ texts }: TextChunk, total: number): Pick<Engine, 'embed'> & Pick<EmbedThreads, 'countTokens'> {
    if (this.#threads === undefined) return this.#engine!;
    if (this.#engine === undefined || total > MOST.static) return this.#threads;
    let characters = 0;
    for (const text of texts) characters += text.length;
    return characters <= SMALL ? this.#engine : this.#threads;
  }

  /** Several chunks at once, as many as keep the threads busy; the first error wins and the others stop. */
  async #inChunks(
    texts: readonly string[],
    signal: AbortSignal | undefined,
    run: (chunk: TextChunk, call: Call) => Promise<void>,
  ): Promise<void> {
    if (texts.length === 0) return;
    const { kind } = this.#spec.setup;
    const threads = this.#threads?.size ?? 1;
    const byLength = kind === 'onnx';
    const fair = (work: number) => Math.ceil(work / (threads * 4)); // so that all threads end at about the same time
    const longest = CHARACTERS * this.#spec.setup.tokenizer.maxLength; // what is behind is cut off
    const workOf = ({ length }: string) => Math.min(length, longest) + AROUND;
    let size = MOST[kind];
    let work = Number.POSITIVE_INFINITY;
    if (threads > 1 && byLength) work = Math.max(LEAST.onnx, fair(texts.reduce((sum, text) => sum + workOf(text), 0)));
    else if (threads > 1) size = Math.max(LEAST.static, Math.min(size, fair(texts.length)));
    const chunks = textChunks(texts, { size, work, workOf, byLength });
    let failure: { error: unknown } | undefined;
    const cancelled = () => failure !== undefined;
    const stop = (error: unknown) => {
      failure ??= { error };
      this.#threads?.cancel();
    };
    let onAbort!: () => void;
    const abort = new Promise<void>((resolve) => {
      onAbort = () => {
        stop(aborted(signal!));
        resolve(); // at once: what is at work ends by itself, and is dropped
      };
    });
    signal?.addEventListener('abort', onAbort);
    const lane = async () => {
      for (const chunk of chunks) {
        if (this.#closed) throw embedderClosed();
        await run(chunk, { cancelled, stop });
        if (cancelled()) return;
      }
    };
    try {
      const lanes = Math.min(threads * (1 + AHEAD), texts.length);
      const all = Promise.all(Array.from({ length: lanes }, () => lane().catch((error) => stop(ours(error)))));
      await (signal === undefined ? all : Promise.race([all, abort]));
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
    if (failure !== undefined) throw (failure as { error: unknown }).error;
  }
}

/** One call of embed(), as its chunks see it. */
interface Call {
  cancelled(): boolean;
  stop(error: unknown): void;
}

function ours(error: unknown): FunnelError {
  return error instanceof FunnelError ? error : errorFromParts(errorParts(error));
}

/** Chunks end in any order; people see one number. */
class Progress {
  /** Chunks at work. */
  readonly #parts = new Map<TextChunk, { done: number; truncated: number }>();
  #done = 0;
  #truncated = 0;

  constructor(
    readonly total: number,
    readonly report: EmbedOptions['onProgress'],
  ) {}

  set(chunk: TextChunk, done: number, truncated: number): void {
    if (this.report === undefined) return;
    const before = this.#parts.get(chunk);
    this.#done += done - (before?.done ?? 0);
    this.#truncated += truncated - (before?.truncated ?? 0);
    this.#parts.set(chunk, { done, truncated });
    // Said at the end of its chunk as well as at that of its last run.
    if (before?.done !== done) this.report({ done: this.#done, total: this.total, truncated: this.#truncated });
  }

  end(chunk: TextChunk): void {
    this.#parts.delete(chunk);
  }
}

function checkDim(dim: number, width: number, trained: readonly number[], untrained: boolean): void {
  if (dim > width) throw expected('BAD_DIMS', `at most ${width} dims`, 'dim', dim);
  if (untrained || trained.includes(dim)) return;
  throw new FunnelError(
    'BAD_DIMS',
    `Expected one of ${trained.join(', ')}, the dims that the model was trained to be cut to, for dim but received ${dim}: ` +
      'Embedder.load({ untrained: true }) allows it (recall will suffer), matryoshkaDims: [...] declares others',
  );
}

/** A preset's prompts and pooling beside the weights of another model give vectors that nobody trained. */
function otherWidth({ name, presetDims }: ModelSpec, width: number): string[] {
  if (presetDims === undefined || presetDims === width) return [];
  return [
    `The preset of ${name} is of a model of ${presetDims} dims, and these files give ${width}: they are of another model, whose ` +
      'prompts and pooling may be other ones. Name its preset, or none; matryoshkaDims: [...] says that it is right',
  ];
}

function nameOf({ identity, choices, ...spec }: ModelSpec, dim: number, cutLast: boolean): string {
  return nameWith(spec, identity, dim, [...(cutLast ? ['cut last'] : []), ...choices]);
}

function formerNameOf({ formerIdentity, ...spec }: ModelSpec, dim: number): string {
  return nameWith(spec, formerIdentity, dim, []);
}

function nameWith(
  { name, setup, prefixes, normalise, layerNorm }: Omit<ModelSpec, 'identity' | 'formerIdentity' | 'choices'>,
  hash: string,
  dim: number,
  more: readonly string[],
): string {
  const choices = [
    setup.kind === 'onnx' ? (setup.pooling ?? 'none') : 'mean',
    ...(layerNorm ? ['layer_norm'] : []),
    ...(setup.kind === 'onnx' && setup.output !== undefined ? [`output ${setup.output}`] : []),
    `dim ${dim}`,
    ...(normalise ? ['l2'] : []),
    ...(setup.tokenizer.strip ? ['strip'] : []),
    ...(['query', 'document'] as const)
      .filter((role) => prefixes[role])
      .map((role) => `${role} ${JSON.stringify(prefixes[role])}`),
    ...more,
  ];
  return `${name} ${hash} (${choices.join(', ')})`;
}

function aborted(signal: AbortSignal): FunnelError {
  return new FunnelError('ABORTED', 'Embedding was aborted', { cause: signal.reason });
}
