/** The model that makes vectors of texts. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { FunnelError } from '../core/errors.js';
import { UsageError } from './exit.js';

/** The part of an embedder that commands use; that of `funnelvec/embed` is one. */
export interface ModelEmbedder {
  /** Model and choices: vectors of embedders with other names do not compare. */
  readonly name: string;
  /** The name that versions up to 0.1.0 gave it; stores that have this one are its own, too. */
  readonly formerName?: string;
  readonly dim: number;
  /** Dims at which the model was trained to be cut. */
  readonly matryoshkaDims: readonly number[];
  /** `texts.length × dim`, row-major. */
  embed(
    texts: readonly string[],
    options?: { role?: 'query' | 'document'; signal?: AbortSignal },
  ): Promise<Float32Array>;
  close(): Promise<void> | void;
}

/** Which model: a preset's facts, files, or both. */
export interface ModelChoice {
  preset?: string;
  /** A folder of files, absolute. */
  path?: string;
  /** A file of weights, absolute. */
  model?: string;
  /** Dims that its vectors are cut to. */
  dim?: number;
  /** Texts without the blanks at their ends, as older collections were filled. */
  strip?: boolean;
  /** The output of an ONNX graph, where it has no known name. */
  output?: string;
  /** Texts in one run, at most; with 1 a text's vector never depends on others. */
  batchSize?: number;
  /** A model behind an endpoint as OpenAI's, in place of files. */
  endpoint?: { url: string; model: string };
  /** For an endpoint: put before each text of that role. */
  prefixes?: { query?: string; document?: string };
}

/** The model that made the vectors. */
export interface ModelState {
  /** The embedder's identity: model and choices. Vectors of another do not compare. */
  name: string;
  /** To load it again. */
  spec: ModelChoice;
  dim: number;
}

/** Tests put an embedder of their own in place. */
export type LoadEmbedder = (spec: ModelChoice) => Promise<ModelEmbedder>;

export interface ModelOptions {
  /** A preset's name, or the path of a file or folder. */
  model?: string | undefined;
  /** With a path: the preset whose facts these files have. */
  preset?: string | undefined;
  dim?: number | undefined;
  strip?: boolean | undefined;
  output?: string | undefined;
  batchSize?: number | undefined;
  embedUrl?: string | undefined;
  embedModel?: string | undefined;
  queryPrefix?: string | undefined;
  documentPrefix?: string | undefined;
}

/** @throws UsageError */
export function specOf(options: ModelOptions): ModelChoice | undefined {
  const { model, preset, dim, strip, output, batchSize } = options;
  if (options.embedUrl !== undefined) return endpointSpec(options);
  for (const [name, value] of Object.entries({
    '--embed-model': options.embedModel,
    '--query-prefix': options.queryPrefix,
    '--document-prefix': options.documentPrefix,
  })) {
    if (value !== undefined) throw new UsageError(`Expected --embed-url beside ${name}`);
  }
  if (model === undefined && preset === undefined) {
    if (dim !== undefined) throw new UsageError('Expected --model beside --dim');
    if (strip) throw new UsageError('Expected --model beside --strip');
    if (output !== undefined) throw new UsageError('Expected --model beside --output');
    if (batchSize !== undefined) throw new UsageError('Expected --model beside --batch-size');
    return undefined;
  }
  // A name that looks like a path is one, so that a missing folder is not taken for an unknown preset.
  const isPath = model !== undefined && (/[\\/]|^\.|\.(onnx|safetensors)$/.test(model) || existsSync(model));
  if (model !== undefined && !isPath && preset !== undefined && preset !== model) {
    throw new UsageError(`Expected the path of the files of ${preset} for --model but received ${model}`);
  }
  const name = preset ?? (isPath ? undefined : model);
  return {
    ...(name !== undefined && { preset: name }),
    ...(isPath && { [/\.(onnx|safetensors)$/.test(model!) ? 'model' : 'path']: resolve(model!) }),
    ...(dim !== undefined && { dim }),
    ...(strip && { strip }),
    ...(output !== undefined && { output }),
    ...(batchSize !== undefined && { batchSize }),
  };
}

function endpointSpec(options: ModelOptions): ModelChoice {
  const { embedUrl: url, embedModel: model, queryPrefix: query, documentPrefix: document, dim, batchSize } = options;
  if (!model) throw new UsageError('Expected --embed-model <name> beside --embed-url');
  for (const [name, value] of Object.entries({
    '--model': options.model,
    '--preset': options.preset,
    '--strip': options.strip,
    '--output': options.output,
  })) {
    if (value !== undefined) throw new UsageError(`Expected ${name} or --embed-url but received both`);
  }
  const prefixes = { ...(query !== undefined && { query }), ...(document !== undefined && { document }) };
  return {
    endpoint: { url: url!, model },
    ...(dim !== undefined && { dim }),
    ...(batchSize !== undefined && { batchSize }),
    ...(Object.keys(prefixes).length > 0 && { prefixes }),
  };
}

/**
 * Whether vectors that are kept under `name` are of this model. Under a name of versions up to 0.1.0 they are taken to be, and a
 * warning says what that name cannot tell.
 */
export function isModelOf(name: string, embedder: Pick<ModelEmbedder, 'name' | 'formerName'>, label: string): boolean {
  if (name === embedder.name) return true;
  if (name !== embedder.formerName) return false;
  process.emitWarning(
    `The model's name in ${label}, ${name}, is of a version whose names covered only the size and both ends of the weights: ` +
      `it is taken to be ${embedder.name}. If weights, tokenizer or configuration changed since, ingest again (--restart)`,
    { code: 'FUNNELVEC_MODEL' },
  );
  return true;
}

/** The remedy where this model differs from the store's own by the cut alone: how to make the store's vectors again. */
export function dimRemedy(
  name: string,
  { name: own, formerName = own }: Pick<ModelEmbedder, 'name' | 'formerName'>,
): string {
  const dim = /\bdim (\d+)\b/.exec(name)?.[1];
  if (dim === undefined) return '';
  const cut = (one: string) => one.replace(/\bdim \d+/, `dim ${dim}`).replace(/, cut last\b/, '');
  if (cut(formerName) !== name && cut(own) !== name) return '';
  const why =
    name === cut(formerName) && name !== cut(own) ? '; up to 0.1.0 the truncate_dim of a folder was not read' : '';
  return `. They are of one model and differ by their dims${why}: --model … --dim ${dim} makes vectors as that store has them`;
}

/**
 * The model as the options say it, run as it was for the store before.
 *
 * @throws FunnelError BAD_ARGUMENT: a store made by runs of one text is to be filled by others
 */
export function asBefore(given: ModelChoice, state: ModelState | undefined, label: string): ModelChoice {
  const { strip, output, batchSize, prefixes, endpoint } = state?.spec ?? {};
  // Files and endpoints have no choices in common; which of the two it is, the name tells.
  if ((given.endpoint === undefined) !== (endpoint === undefined)) return given;
  if (batchSize === 1 && given.batchSize !== undefined && given.batchSize !== 1) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected --batch-size 1, as ${label} was made with, but received ${given.batchSize}: leave it out, or --restart`,
    );
  }
  return {
    ...(strip && { strip }), // one choice of a collection, for all its texts
    ...(output !== undefined && { output }),
    ...(batchSize !== undefined && { batchSize }),
    ...given,
    ...((prefixes ?? given.prefixes) && { prefixes: { ...prefixes, ...given.prefixes } }),
  };
}

/**
 * The model of a store, or one that is said to be it.
 *
 * @param given by the options of this command: the files may have moved
 * @throws FunnelError BAD_ARGUMENT: it is another one
 */
export async function modelFor(
  state: ModelState | undefined,
  given: ModelChoice | undefined,
  label: string,
  load: LoadEmbedder,
): Promise<ModelEmbedder> {
  const spec = given === undefined ? state?.spec : asBefore(given, state, label);
  if (spec === undefined) {
    const why = `nobody knows which model made the vectors of ${label}`;
    throw new FunnelError('BAD_ARGUMENT', `Expected --model with a query text, or --vector: ${why}`);
  }
  // The cut that was asked for, and not the dims that came out: a folder's own cut (truncate_dim) follows another rule.
  const dim = spec.dim ?? state?.spec.dim;
  const embedder = await load({ ...spec, ...(dim !== undefined && { dim }) });
  if (state !== undefined && !isModelOf(state.name, embedder, label)) {
    await embedder.close();
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected the model of ${label}, ${state.name}, but received ${embedder.name}: their vectors do not compare${dimRemedy(state.name, embedder)}`,
    );
  }
  return embedder;
}
