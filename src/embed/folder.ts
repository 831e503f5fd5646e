/** Finds the files of a model, and reads what its folder says of it (Hugging Face's and sentence-transformers' layout). */
import { access, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { FunnelError } from '../errors.js';
import type { Preset } from './presets.js';
import { type SentenceFacts, sentenceFacts } from './sentence.js';
import type { EmbedderOptions, Pooling, Role } from './types.js';

export interface ModelFiles {
  folder: string;
  model: string;
  tokenizer: string;
}

/** What a folder says; undefined where it is silent. */
export interface FolderFacts {
  /** The model's, as far as a path tells. */
  name: string;
  modelType?: string;
  pooling?: Pooling;
  /** What sentence-transformers' files say beside. */
  sentence: SentenceFacts;
  /** Whether any of sentence-transformers' files is there that says pooling or prompts. */
  says: { pooling: boolean; prompts: boolean };
  /** Folders of the modules behind the transformer. */
  modules: string[];
  normalise?: boolean;
  /** Steps behind pooling that are not ours to do, as modules.json calls them. */
  otherModules: string[];
  prefixes: Partial<Record<Role, string>>;
  maxLength?: number;
  /** Tokens that model2vec reads, Infinity for all. */
  model2vecLength: number;
  /** Positions that the model has vectors for. */
  positions?: number;
  lowerCase: boolean;
  matryoshkaDims?: number[];
}

type Json = Record<string, unknown>;

const FLOAT32 = ['onnx/model.onnx', 'model.onnx'];
const INT8 = ['model_quantized', 'model_int8', 'model_uint8', 'model_qint8_avx512_vnni', 'model_quint8_avx2'].flatMap(
  (name) => [`onnx/${name}.onnx`, `${name}.onnx`],
);
const FLOAT16 = ['onnx/model_fp16.onnx', 'model_fp16.onnx'];
const STATIC = ['model.safetensors', '0_StaticEmbedding/model.safetensors'];

/** @throws FunnelError NO_MODEL, which says what to put where */
export async function findModel(options: EmbedderOptions, preset?: Preset): Promise<ModelFiles> {
  const folder = folderOf(options, preset);
  const wanted = preset?.files ?? [];
  const where = preset === undefined ? `a model in ${folder}` : `preset ${preset.name} in ${folder}`;
  if (!(await isFolder(folder))) throw missing(where, 'there is no such folder', preset);

  const [candidates, tokenizers] = [
    options.model === undefined ? modelNames(options, wanted[0]) : [options.model],
    options.tokenizer === undefined
      ? [...(wanted[1] ?? []), 'tokenizer.json', '0_StaticEmbedding/tokenizer.json']
      : [options.tokenizer],
  ];
  const model =
    (await firstOf(folder, candidates)) ?? (options.model === undefined ? await onlyOnnx(folder) : undefined);
  if (model === undefined) throw missing(where, `there is no ${listed(candidates)}`, preset);
  if (!/\.(onnx|safetensors)$/.test(model)) {
    throw new FunnelError('BAD_ARGUMENT', `Expected a .onnx or .safetensors file for model but received ${model}`);
  }
  const tokenizer = await firstOf(folder, tokenizers);
  if (tokenizer === undefined) throw missing(where, `there is no ${listed(tokenizers)}`, preset);
  return { folder, model, tokenizer };
}

/** @throws FunnelError CORRUPT, naming the file */
export async function readFacts(folder: string): Promise<FolderFacts> {
  const [config, modules, prompts, bert, tokenizer] = await Promise.all(
    [
      'config.json',
      'modules.json',
      'config_sentence_transformers.json',
      'sentence_bert_config.json',
      'tokenizer_config.json',
    ].map((name) => valueIn(path.join(folder, name))),
  );
  const kinds = modulesOf(modules);
  const pathOf = (wanted: string) => kinds?.find(({ kind }) => kind === wanted)?.path;
  const beside = await Promise.all(
    [pathOf('Pooling') ?? '1_Pooling', pathOf('Normalize')].map(async (at) =>
      at ? valueIn(path.join(folder, at, 'config.json')) : undefined,
    ),
  );
  const transformer = bert ?? (await olderConfig(folder, pathOf('Transformer') ?? ''));
  const [pooling, normalize] = beside;
  const sentence = sentenceFacts({ model: prompts, transformer, pooling, normalize });
  return {
    name: nameOf(folder),
    modelType: text((config as Json)?.['model_type']),
    pooling: sentence.pooling,
    sentence,
    says: { pooling: pooling !== undefined, prompts: prompts !== undefined },
    modules: (kinds ?? []).map((one) => one.path).filter((at) => at !== ''),
    normalise: kinds?.some(({ kind }) => kind === 'Normalize') ?? flag((config as Json)?.['normalize']),
    otherModules: (kinds ?? []).map(({ kind }) => kind).filter((kind) => !KNOWN_MODULES.includes(kind)),
    prefixes: sentence.prefixes,
    maxLength: sentence.maxLength ?? maxLengthIn(transformer, tokenizer),
    model2vecLength: model2vecLengthIn(config),
    positions: count((config as Json)?.['max_position_embeddings']),
    lowerCase: (transformer as Json)?.['do_lower_case'] === true,
    matryoshkaDims: dimsIn((config as Json)?.['matryoshka_dimensions']),
  };
}

/** A file of JSON, as text and parsed; undefined when it does not exist. */
export async function readJson(file: string): Promise<{ text: string; value: unknown } | undefined> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FunnelError('NO_MODEL', `Expected ${file} to be readable but it is not`, { cause: error });
  }
  try {
    return { text: content, value: JSON.parse(content) };
  } catch (cause) {
    throw new FunnelError('CORRUPT', `Expected JSON in ${file} but it is not: ${(cause as Error).message}`, { cause });
  }
}

// Files

function folderOf({ path: folder, model }: EmbedderOptions, preset?: Preset): string {
  if (folder !== undefined) return path.resolve(folder);
  if (model !== undefined) {
    const beside = path.dirname(path.resolve(model));
    return path.basename(beside) === 'onnx' ? path.dirname(beside) : beside;
  }
  return path.resolve(process.env['FUNNELVEC_MODELS'] ?? 'models', preset!.name);
}

function modelNames({ precision }: EmbedderOptions, wanted: readonly string[] | undefined): string[] {
  const known = precision === 'int8' ? INT8 : [...FLOAT32, ...FLOAT16, ...INT8];
  const fits = (wanted ?? []).filter((name) => name.endsWith('.safetensors'));
  return precision === 'int8' ? known : [...fits, ...known, ...STATIC];
}

async function firstOf(folder: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    const file = path.resolve(folder, name);
    try {
      await access(file);
      return file;
    } catch {}
  }
  return undefined;
}

/** The one .onnx file of a folder, whatever its name. */
async function onlyOnnx(folder: string): Promise<string | undefined> {
  const found = (await readdir(folder)).filter((name) => name.endsWith('.onnx'));
  return found.length === 1 ? path.join(folder, found[0]!) : undefined;
}

async function isFolder(folder: string): Promise<boolean> {
  try {
    return (await stat(folder)).isDirectory();
  } catch {
    return false;
  }
}

function missing(where: string, why: string, preset?: Preset): FunnelError {
  const files = preset?.files ?? [[...FLOAT32, ...STATIC], ['tokenizer.json']];
  const remedy =
    `Put there ${files.map(listed).join(', ')}` + (preset === undefined ? '' : ` from ${preset.sources.join(' or ')}`);
  return new FunnelError('NO_MODEL', `Expected the files of ${where} but ${why}. ${remedy}`);
}

const listed = (names: readonly string[]): string => names.join(' or ');

// What they say

const KNOWN_MODULES = ['Transformer', 'Pooling', 'Normalize', 'StaticEmbedding'];

async function valueIn(file: string): Promise<unknown> {
  return (await readJson(file))?.value;
}

/** 'sentence_transformers.models.Pooling' → 'Pooling'. */
function modulesOf(modules: unknown): { kind: string; path: string }[] | undefined {
  if (!Array.isArray(modules)) return undefined;
  return modules.map((module) => ({
    kind: String(module?.type).split('.').pop()!,
    path: String(module?.path),
  }));
}

/** Names that the configuration of the transformer had in older versions, and the folder that it was in. */
async function olderConfig(folder: string, transformer: string): Promise<unknown> {
  const kinds = ['bert', 'roberta', 'distilbert', 'camembert', 'albert', 'xlm-roberta', 'xlnet'];
  for (const kind of kinds) {
    const value = await valueIn(path.join(folder, transformer, `sentence_${kind}_config.json`));
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The folder's name; in the cache of huggingface_hub, models--<who>--<model>/snapshots/<commit>, the model's. */
function nameOf(folder: string): string {
  const cached = /models--([^/\\]+)[/\\]snapshots[/\\][^/\\]+$/.exec(folder)?.[1];
  return cached?.split('--').pop() ?? path.basename(folder);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function flag(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

function maxLengthIn(bert: unknown, tokenizer: unknown): number | undefined {
  return count((bert as Json)?.['max_seq_length']) ?? count((tokenizer as Json)?.['model_max_length']);
}

function model2vecLengthIn(config: unknown): number {
  const { max_length: length } = (config ?? {}) as Json;
  return length === null ? Number.POSITIVE_INFINITY : (count(length) ?? 512); // its default
}

/** Tokenizers without a limit say 10^30. */
function count(value: unknown): number | undefined {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31
    ? (value as number)
    : undefined;
}

function dimsIn(value: unknown): number[] | undefined {
  return Array.isArray(value) && value.every((dim) => count(dim) !== undefined) ? value : undefined;
}
