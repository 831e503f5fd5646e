/** Options and results of funnelvec/embed. */

/** Which side of a search a text is on: models may want another prefix for each. */
export type Role = 'query' | 'document';

/**
 * How the vectors of a text's tokens become one: their mean, the first token's, the last token's; or 'none' where the
 * model itself does it.
 */
export type Pooling = 'mean' | 'cls' | 'last' | 'none';

/** Which model is loaded, from where, and how it works. An option overrides preset and folder. */
export interface EmbedderOptions {
  /** Facts of a known model, by name; all of them can be overridden here. */
  preset?: string;
  /** A folder in Hugging Face layout. With a preset its default is `$FUNNELVEC_MODELS/<preset>`, or `models/<preset>`. */
  path?: string;
  /** The .onnx or .safetensors file, instead of the one that is found in `path`; relative to it. */
  model?: string;
  /** The tokenizer.json, likewise. */
  tokenizer?: string;
  /** Which of the ONNX files to take where a folder has several. @default 'float32' */
  precision?: 'float32' | 'int8';
  /** A static model has 'mean' alone. @default what preset or folder say */
  pooling?: Pooling;
  /**
   * The output of an ONNX model that vectors are made of: one of two axes is taken as it is, one of three is pooled.
   * @default sentence_embedding, or what `pooling` needs, by the names that exporters give; unknown names are refused
   */
  output?: string;
  /** Put before each text of that role. */
  prefixes?: Partial<Record<Role, string>>;
  /** The input task_id of each role, for a model with adapters. */
  tasks?: Record<Role, number>;
  /**
   * Whether blanks at both ends of a text are left out, as sentence-transformers did until 5.3 (by Python's strip(), its
   * prefix included): for collections that were filled so. From 5.4 on it leaves texts as they are.
   * @default false
   */
  strip?: boolean;
  /** Whether vectors get length 1, after the cut to `dim`. */
  normalise?: boolean;
  /** Whether mean and variance of all dims are taken out, before the cut. */
  layerNorm?: boolean;
  /** The prefix of the model's dims that vectors have. @default all, or the folder's truncate_dim, cut after normalising */
  dim?: number;
  /** The dims that the model was trained to be cut to, where no preset knows them. */
  matryoshkaDims?: readonly number[];
  /** Allows a `dim` that the model was not trained for. */
  untrained?: boolean;
  /** Tokens of a text, special ones included; what is beyond is left out. */
  maxLength?: number;
  /**
   * Texts in one run of an ONNX model, at most. A quantised model takes its scales of the whole run, and any model may round
   * otherwise there: with 1 a text has the same vector always, alone and among others.
   *
   * @default 32
   */
  batchSize?: number;
  /** Tokens in one run, padding included, at most (a single longer text runs alone). @default 64 for each thread, at least 128 */
  batchTokens?: number;
  /** @default as many as this process may keep busy */
  threads?: number;
  /**
   * Sessions of an ONNX model that share the threads. More are faster, and each holds the weights.
   * @default as many as 400 MB of weights allow, at least 1; of a model of 60 MB or more one for two threads
   */
  sessions?: number;
  /** The model's name in `embedder.name`. */
  name?: string;
}

/** Options of embed(). */
export interface EmbedOptions {
  /** @default 'document' */
  role?: Role;
  /** Cuts shorter than the embedder's own `dim`. */
  dim?: number;
  /** Told after each run. */
  onProgress?: (progress: EmbedProgress) => void;
  /** Ends the call when it aborts; the error then has the code ABORTED. */
  signal?: AbortSignal;
}

/** Progress of embed(). */
export interface EmbedProgress {
  /** Texts that have their vectors. */
  done: number;
  /** Texts of the call. */
  total: number;
  /** Texts found to be longer than the model reads, so far. */
  truncated: number;
}

/** The form of embedder that is taken wherever texts are embedded: an Embedder, or what embedderOf() makes of models of other packages. */
export interface TextEmbedder {
  /** Says model and choices: vectors of embedders with other names do not compare. */
  readonly name: string;
  /** The name that versions up to 0.1.0 gave it. */
  readonly formerName?: string;
  /** Dims of its vectors, where a call asks for no others. */
  readonly dim: number;
  /** Dims that vectors may be cut to, longest first. */
  readonly matryoshkaDims: readonly number[];
  /** `texts.length × dim`, row-major. */
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array>;
  /** Frees the model, where the embedder holds one; that of embedderOf() holds none. */
  close(): Promise<void> | void;
}
