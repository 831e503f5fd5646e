/**
 * Reads sentence-transformers' own files about a model (as versions 5.7 and 6.2 read them), and lists in one place what
 * is done, what is refused, and what nobody here knows. A vector other than theirs would come without a word, so
 * whatever could decide one and is not done here is named.
 */
import type { Pooling, Role } from './types.js';

type Json = Record<string, unknown>;

/** Names that sentence_bert_config.json had in older versions, which Python reads in this order. */
export const OLDER_CONFIGURATIONS = [
  'bert',
  'roberta',
  'distilbert',
  'camembert',
  'albert',
  'xlm-roberta',
  'xlnet',
].map((kind) => `sentence_${kind}_config.json`);

export interface SentenceFiles {
  /** config_sentence_transformers.json. */
  model: unknown;
  /** sentence_bert_config.json, or by one of its older names. */
  transformer: unknown;
  /** Configuration of the module Pooling. */
  pooling: unknown;
  /** Configuration of the module Normalize. */
  normalize: unknown;
}

export interface SentenceFacts {
  pooling?: Pooling;
  /** Why the folder's pooling is not done here: an error where the model does not pool by itself. */
  unpooled?: string;
  /** A prompt that encode_document() of sentence-transformers is said to take and, from a saved folder, does not (6.2.0). */
  unreached?: string;
  /** false: tokens of the prefix are left out of pooling. */
  includePrompt: boolean;
  prefixes: Partial<Record<Role, string>>;
  /** The prompt that Python's encode() puts before texts whose role has none. */
  defaultPrompt?: { name: string; text: string };
  /** Tokens of a text, as the configuration says for both roles. */
  maxLength?: number;
  truncateDim?: number;
  /** Keys that are not done here, by name; each is an error. */
  refused: string[];
  /** Keys that are not known here. */
  unknown: string[];
}

const MODES: Record<string, Pooling | undefined> = {
  mean: 'mean',
  cls: 'cls',
  lasttoken: 'last',
  max: undefined,
  mean_sqrt_len_tokens: undefined,
  weightedmean: undefined,
};
const OLD_MODES: Record<string, string> = {
  pooling_mode_cls_token: 'cls',
  pooling_mode_max_tokens: 'max',
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_mean_sqrt_len_tokens: 'mean_sqrt_len_tokens',
  pooling_mode_weightedmean_tokens: 'weightedmean',
  pooling_mode_lasttoken: 'lasttoken',
};
const KNOWN = {
  '1_Pooling/config.json': [
    'pooling_mode',
    'include_prompt',
    'word_embedding_dimension',
    'embedding_dimension',
    ...Object.keys(OLD_MODES),
  ],
  'config_sentence_transformers.json': [
    '__version__',
    'model_type',
    'prompts',
    'default_prompt_name',
    'similarity_fn_name', // decides how vectors are compared, not what they are
    'truncate_dim',
  ],
  'sentence_bert_config.json': [
    'max_seq_length',
    'do_lower_case',
    'transformer_task',
    'modality_config',
    'module_output_name',
    'processing_kwargs',
    'unpad_inputs', // the same vectors, with flash attention
    'query_length',
    'document_length',
    'query_expansion',
    ...['model_args', 'model_kwargs', 'tokenizer_args', 'processor_kwargs', 'config_args', 'config_kwargs'],
  ],
} as const;
/** Arguments of loading that decide no vector beyond rounding. */
const IDLE_ARGUMENTS = [
  'torch_dtype',
  'dtype',
  'attn_implementation',
  'device_map',
  'trust_remote_code',
  'revision',
].concat([
  'use_fast',
  'use_cache',
  'add_pooling_layer',
  'low_cpu_mem_usage',
  'provider',
  'file_name',
  'export',
  'token',
]);

export function sentenceFacts(files: SentenceFiles): SentenceFacts {
  const [model, transformer, pooling] = [files.model, files.transformer, files.pooling].map(objectOf);
  const refused: string[] = [];
  const unknown: string[] = [];
  for (const [name, json] of [
    ['1_Pooling/config.json', pooling],
    ['config_sentence_transformers.json', model],
    ['sentence_bert_config.json', transformer],
  ] as const) {
    for (const key of Object.keys(json ?? {})) {
      if (!(KNOWN[name] as readonly string[]).includes(key)) unknown.push(`${key} of ${name}`);
    }
  }
  const kind = model?.['model_type'];
  if (typeof kind === 'string' && kind !== 'SentenceTransformer') {
    refused.push(`model_type "${kind}" of config_sentence_transformers.json: its vectors are of another kind`);
  }
  const normalizes = objectOf(files.normalize)?.['module_input_name'];
  if (typeof normalizes === 'string' && normalizes !== 'sentence_embedding') {
    refused.push(`module_input_name "${normalizes}" of the module Normalize: here texts' vectors alone are normalised`);
  }
  refused.push(...refusedOf(transformer ?? {}));
  const cut = model?.['truncate_dim'];
  if (cut !== undefined && cut !== null && !isCount(cut)) {
    refused.push(`truncate_dim ${JSON.stringify(cut)} of config_sentence_transformers.json: it is no number of dims`);
  }
  const prompts = objectOf(model?.['prompts']) ?? {};
  return {
    ...(poolsItself(transformer) ? { pooling: 'none' as const } : poolingOf(pooling)),
    includePrompt: pooling?.['include_prompt'] !== false,
    ...promptsOf(prompts, model?.['default_prompt_name']),
    ...lengthOf(transformer ?? {}, refused),
    ...(isCount(cut) && { truncateDim: cut as number }),
    refused,
    unknown,
  };
}

function poolingOf(config: Json | undefined): Pick<SentenceFacts, 'pooling' | 'unpooled'> {
  if (config === undefined) return {};
  const given = config['pooling_mode'];
  const old = Object.entries(OLD_MODES).filter(([key]) => config[key] === true);
  const named = given !== undefined && given !== null;
  const modes: unknown[] = named ? (Array.isArray(given) ? given : [given]) : old.map(([, mode]) => mode);
  if (modes.length === 0) {
    // Python takes the mean where a configuration names no mode.
    return Object.keys(config).length === 0 ? {} : { pooling: 'mean' };
  }
  const words = modes.map((mode) => JSON.stringify(mode)).join(' and ');
  const one = modes.length === 1 && typeof modes[0] === 'string' ? MODES[modes[0]] : undefined;
  if (one !== undefined) return { pooling: one };
  return {
    unpooled: `pooling by one of "mean", "cls" and "lasttoken" in 1_Pooling/config.json but it has ${words}${
      modes.length > 1 ? ', whose vectors Python puts side by side' : ''
    }`,
  };
}

/** The names that encode_query() and encode_document() look for, in their order. */
function promptsOf(prompts: Json, byDefault: unknown): Pick<SentenceFacts, 'prefixes' | 'defaultPrompt' | 'unreached'> {
  const prompt = (name: string) => (typeof prompts[name] === 'string' ? (prompts[name] as string) : undefined);
  const unreached = prompt('document') === undefined ? ['passage', 'corpus'].find(prompt) : undefined;
  const fallback = typeof byDefault === 'string' ? prompt(byDefault) : undefined;
  return {
    prefixes: { query: prompt('query'), document: prompt('document') ?? prompt('passage') ?? prompt('corpus') },
    ...(unreached !== undefined && { unreached }),
    ...(fallback && { defaultPrompt: { name: byDefault as string, text: fallback } }),
  };
}

function lengthOf(transformer: Json, refused: string[]): { maxLength?: number } {
  const text = objectOf(objectOf(transformer['processing_kwargs'])?.['text']) ?? {};
  if (isCount(text['max_length'])) return { maxLength: text['max_length'] as number };
  const { query_length: query, document_length: document } = transformer;
  if (!isCount(query) && !isCount(document)) return {};
  if (query === document) return { maxLength: query as number };
  refused.push(
    `query_length ${query ?? null} and document_length ${document ?? null} of sentence_bert_config.json: ` +
      'one maxLength holds for both roles here (maxLength says it; two embedders have two)',
  );
  return {};
}

function refusedOf(transformer: Json): string[] {
  const where = 'of sentence_bert_config.json';
  const found: string[] = [];
  const { transformer_task: task, query_expansion: expansion } = transformer;
  if (typeof task === 'string' && task !== 'feature-extraction') found.push(`transformer_task "${task}" ${where}`);
  if (expansion !== undefined && expansion !== null) found.push(`query_expansion ${where}`);
  const modalities = objectOf(transformer['modality_config']);
  if (modalities !== undefined) {
    if ('message' in modalities) {
      found.push(`modality_config with "message" ${where}: Python puts each text into the model's chat template`);
    }
    const method = objectOf(modalities['text'])?.['method'];
    if (typeof method === 'string' && !['forward', 'get_text_features'].includes(method)) {
      found.push(`method "${method}" for text in modality_config ${where}`);
    }
    const output = method === 'get_text_features' ? undefined : outputOf(modalities);
    if (output !== undefined && output !== 'last_hidden_state' && !poolsItself(transformer)) {
      found.push(`method_output_name ${JSON.stringify(output)} for text in modality_config ${where}`);
    }
  }
  const processing = objectOf(transformer['processing_kwargs']) ?? {};
  for (const [bucket, keys] of Object.entries(processing)) {
    if (bucket !== 'text' && bucket !== 'common') continue; // of pictures, sounds, and templates, which are refused above
    for (const [key, value] of Object.entries(objectOf(keys) ?? {})) {
      const idle =
        (bucket === 'common' && key === 'return_tensors') ||
        (bucket === 'text' && key === 'max_length' && isCount(value)) ||
        (key === 'padding' && (value === true || value === 'longest')) ||
        (key === 'truncation' && (value === true || value === 'longest_first')) ||
        (key === 'add_special_tokens' && value === true);
      if (!idle) found.push(`processing_kwargs.${bucket}.${key} ${JSON.stringify(value)} ${where}`);
    }
  }
  for (const bucket of [
    'model_args',
    'model_kwargs',
    'tokenizer_args',
    'processor_kwargs',
    'config_args',
    'config_kwargs',
  ]) {
    for (const key of Object.keys(objectOf(transformer[bucket]) ?? {})) {
      if (!IDLE_ARGUMENTS.includes(key)) found.push(`${bucket}.${key} ${where}`);
    }
  }
  return found;
}

/** The output that the transformer hands on: a name, or a way into one of them. */
function outputOf(modalities: Json): unknown {
  const name = objectOf(modalities['text'])?.['method_output_name'] ?? undefined;
  return Array.isArray(name) && name.length === 1 ? name[0] : name;
}

/** Whether it hands on one vector a text, made by its own pooler; no module pools then. */
function poolsItself(transformer: Json | undefined): boolean {
  const modalities = objectOf(transformer?.['modality_config']) ?? {};
  const { method = 'forward' } = objectOf(modalities['text']) ?? {};
  return (
    method === 'forward' &&
    outputOf(modalities) === 'pooler_output' &&
    transformer?.['module_output_name'] === 'sentence_embedding'
  );
}

/** The end of a long text that is cut off: tokenizer_config.json wins over tokenizer.json. */
export function truncationSideOf(config: unknown, tokenizer: unknown): 'left' | 'right' {
  const side = objectOf(config)?.['truncation_side'] ?? objectOf(objectOf(tokenizer)?.['truncation'])?.['direction'];
  return String(side).toLowerCase() === 'left' ? 'left' : 'right';
}

function objectOf(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31;
}
