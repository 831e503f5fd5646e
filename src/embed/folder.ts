/** The facts that a model's folder states (Hugging Face's and sentence-transformers' layout). */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { FunnelError } from '../core/errors.js';
import { OLDER_CONFIGURATIONS, type SentenceFacts, sentenceFacts } from './sentence.js';
import type { Pooling, Role } from './types.js';

/** Facts that a folder states; undefined where it is silent. */
export interface FolderFacts {
  /** Where the transformer's own files are, or the folder itself. */
  home: string;
  /** The model's, as far as a path tells. */
  name: string;
  modelType?: string;
  pooling?: Pooling;
  /** Facts that sentence-transformers' files add. */
  sentence: SentenceFacts;
  /** Whether any of sentence-transformers' files is there that says pooling or prompts. */
  says: { pooling: boolean; prompts: boolean };
  /** Folders of the modules behind the transformer. */
  modules: string[];
  normalise?: boolean;
  /** Modules behind pooling, those apart that Embedder does to every vector in the end: length 1. */
  steps: { kind: string; folder: string }[];
  /** Steps behind pooling that are not ours to do, as modules.json calls them. */
  otherModules: string[];
  prefixes: Partial<Record<Role, string>>;
  maxLength?: number;
  /** Whether `maxLength` is sentence-transformers' own word. */
  ownLength: boolean;
  /** Tokens that model2vec reads, Infinity for all. */
  model2vecLength: number;
  /** Positions that the model has vectors for. */
  positions?: number;
  firstPosition: number;
  /** Whether positions are angles, of which there is no table. */
  rotary: boolean;
  /** Whether a token sees those before it alone. */
  causal: boolean;
  /** The length that texts are filled up to, for families that were trained so. */
  padTo?: number;
  /** Dims of a token's vector, and of one that is projected. */
  widths: number[];
  lowerCase: boolean;
  /** Whether sentence-transformers reads it as a table of tokens, by modules.json. */
  staticEmbedding: boolean;
  matryoshkaDims?: number[];
}

type Json = Record<string, unknown>;

/** @throws FunnelError CORRUPT, naming the file */
export async function readFolder(folder: string): Promise<FolderFacts> {
  const kinds = modulesOf(await valueIn(path.join(folder, 'modules.json')));
  const home = path.join(folder, homeIn(kinds));
  const [config, prompts, bert, tokenizer] = await Promise.all([
    valueAmong([home, folder], 'config.json'),
    valueIn(path.join(folder, 'config_sentence_transformers.json')),
    valueAmong([home, folder], 'sentence_bert_config.json'),
    valueAmong([home, folder], 'tokenizer_config.json'),
  ]);
  const pathOf = (wanted: string) => kinds?.find(({ kind }) => kind === wanted)?.path;
  const beside = await Promise.all(
    [pathOf('Pooling') ?? '1_Pooling', pathOf('Normalize')].map(async (at) =>
      at ? valueIn(path.join(folder, at, 'config.json')) : undefined,
    ),
  );
  const transformer = bert ?? (await olderConfig(home));
  const [pooling, normalize] = beside;
  const sentence = sentenceFacts({ model: prompts, transformer, pooling, normalize });
  return {
    home,
    name: nameOf(folder),
    modelType: text((config as Json)?.['model_type']),
    pooling: sentence.pooling,
    sentence,
    says: { pooling: pooling !== undefined, prompts: prompts !== undefined },
    modules: (kinds ?? [{ path: '1_Pooling' }]).map((one) => one.path).filter((at) => at !== ''),
    normalise: kinds === undefined ? flag((config as Json)?.['normalize']) : normalisesLast(kinds),
    steps: stepsOf(kinds ?? [], folder),
    otherModules: (kinds ?? []).map(({ kind }) => kind).filter((kind) => !KNOWN_MODULES.includes(kind)),
    prefixes: sentence.prefixes,
    maxLength: sentence.maxLength ?? maxLengthIn(transformer, tokenizer),
    model2vecLength: model2vecLengthIn(config),
    ownLength: sentence.maxLength !== undefined || count((transformer as Json)?.['max_seq_length']) !== undefined,
    ...positionsIn(config),
    causal: isCausal(config),
    padTo: padToIn(config, tokenizer),
    widths: widthsIn(config, pooling),
    staticEmbedding: kinds?.[0]?.kind === 'StaticEmbedding',
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

const TRANSFORMER = /^(Transformer|CLIPModel)$/;
const KNOWN_MODULES = ['Transformer', 'Pooling', 'Normalize', 'StaticEmbedding'];

export async function valueIn(file: string): Promise<unknown> {
  return (await readJson(file))?.value;
}

/** 'sentence_transformers.models.Pooling' → 'Pooling'. */
export function modulesOf(modules: unknown): { kind: string; path: string }[] | undefined {
  if (!Array.isArray(modules)) return undefined;
  return modules.map((module) => ({
    kind: String(module?.type).split('.').pop()!,
    path: String(module?.path ?? ''),
  }));
}

/** By the first of the folders that has the file. */
async function valueAmong(folders: readonly string[], name: string): Promise<unknown> {
  for (const folder of folders) {
    const value = await valueIn(path.join(folder, name));
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The folder of the first module, below the model's: where older versions kept the transformer's files ("0_Transformer"). */
export function homeIn(kinds: readonly { kind: string; path: string }[] | undefined): string {
  const first = kinds?.[0];
  return TRANSFORMER.test(first?.kind ?? '') ? first!.path : '';
}

/** Names that the configuration of the transformer had in older versions. */
async function olderConfig(home: string): Promise<unknown> {
  for (const name of OLDER_CONFIGURATIONS) {
    const value = await valueIn(path.join(home, name));
    if (value !== undefined) return value;
  }
  return undefined;
}

/** A layer behind Normalize changes the length again. */
function normalisesLast(kinds: readonly { kind: string }[]): boolean {
  return kinds.filter(({ kind }) => kind !== 'Dropout').at(-1)?.kind === 'Normalize';
}

/**
 * The modules that stand elsewhere than in Transformer, Pooling, …, Normalize of modules.json; each is a step that is
 * named when it is read.
 */
function stepsOf(kinds: readonly { kind: string; path: string }[], folder: string): FolderFacts['steps'] {
  let at = 0;
  if (TRANSFORMER.test(kinds[at]?.kind ?? '')) at++;
  if (kinds[at]?.kind === 'Pooling') at++;
  const end = normalisesLast(kinds) ? kinds.findLastIndex(({ kind }) => kind === 'Normalize') : kinds.length;
  return kinds.slice(at, Math.max(at, end)).map(({ kind, path: at }) => ({ kind, folder: path.join(folder, at) }));
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

/** Families of fairseq: positions begin behind that of padding. */
const OFFSET =
  /^(roberta|roberta-prelayernorm|xlm-roberta|xlm-roberta-xl|camembert|mpnet|data2vec-text|longformer|xmod|ibert|luke|lilt)$/;
/** Families that state positions as `n_positions`; T5 has the key too, but no table. */
const N_POSITIONS = /^(gpt2|openai-gpt)$/;

function positionsIn(config: unknown): Pick<FolderFacts, 'positions' | 'firstPosition' | 'rotary'> {
  const own = (config ?? {}) as Json;
  const ofText = (own['text_config'] ?? {}) as Json;
  const kind = String(own['model_type']);
  const all =
    count(own['max_position_embeddings']) ??
    count(ofText['max_position_embeddings']) ??
    (N_POSITIONS.test(kind) ? count(own['n_positions']) : undefined);
  const pad = own['pad_token_id'];
  const firstPosition = OFFSET.test(kind)
    ? (Number.isInteger(pad) && (pad as number) >= 0 ? (pad as number) : 1) + 1
    : 0;
  const rotary =
    Object.keys({ ...ofText, ...own }).some((key) => /^(rope|rotary|global_rope|local_rope)_/.test(key)) ||
    /^(rope|rotary)$/.test(String(own['position_embedding_type']));
  return { ...(all !== undefined && { positions: Math.max(1, all - firstPosition) }), firstPosition, rotary };
}

const CAUSAL =
  /^(clip|clip_text_model|gpt2|gpt_neo|gpt_neox|gptj|llama|mistral|mixtral|qwen2|qwen3|phi|phi3|gemma|gemma2|opt|bloom|falcon|olmo2?|granite|smollm3|starcoder2|stablelm)$/;

/** Some embedding models have made a causal family look both ways, and say it. */
function isCausal(config: unknown): boolean {
  const { model_type: kind, is_causal: causal, use_bidirectional_attention: both } = (config ?? {}) as Json;
  return CAUSAL.test(String(kind)) && causal !== false && (both === undefined || both === null || both === false);
}

/** SigLIP's default, which its configurations leave out. */
const SIGLIP_LENGTH = 64;

function padToIn(config: unknown, tokenizer: unknown): number | undefined {
  if (!String((config as Json)?.['model_type']).startsWith('siglip')) return undefined;
  return positionsIn(config).positions ?? count((tokenizer as Json)?.['model_max_length']) ?? SIGLIP_LENGTH;
}

/** Each family has its own key of it. */
const WIDTHS = ['hidden_size', 'd_model', 'dim', 'n_embd', 'emb_dim'];

/** The widths that the configuration of the model, of the text tower in it, and of pooling state. */
function widthsIn(config: unknown, pooling: unknown): number[] {
  const ofText = (config as Json)?.['text_config'];
  const say = (json: unknown, keys: readonly string[]) => keys.map((key) => count((json as Json)?.[key]));
  const hidden = [...say(config, WIDTHS), ...say(ofText, WIDTHS)];
  const pooled = say(pooling, ['word_embedding_dimension', 'embedding_dimension']);
  const projected = [...say(config, ['projection_dim']), ...say(ofText, ['projection_dim', 'projection_size'])];
  const widths = [...hidden, ...pooled].filter((width) => width !== undefined);
  // A projection alone would make its width the only one.
  return widths.length === 0 ? [] : [...widths, ...projected.filter((width) => width !== undefined)];
}

function dimsIn(value: unknown): number[] | undefined {
  return Array.isArray(value) && value.every((dim) => count(dim) !== undefined) ? value : undefined;
}
