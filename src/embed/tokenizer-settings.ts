/**
 * Reads the files beside tokenizer.json that count in Python. transformers 5 makes the steps of the classes below anew,
 * out of tokenizer_config.json and their defaults, and takes no more than the vocabulary from tokenizer.json; for all
 * other classes it takes the file as it is. Compared with transformers 5.24; static models are read by no such class.
 */

import type { AddedToken, TokenizerJson, TokenizerStep } from './pipeline/json.js';
import { truncationSideOf } from './sentence.js';

export interface SettledTokenizer {
  json: TokenizerJson;
  truncationSide: 'left' | 'right';
  /** Sentences for people: where files disagree, and what was taken. */
  decisions: string[];
}

type Json = Record<string, unknown>;

/** The steps that a class makes; undefined: the file's stays. */
interface Steps {
  normalizer?: TokenizerStep | null;
  pre_tokenizer?: TokenizerStep | null;
  post_processor?: TokenizerStep;
  /** Fields of the model. */
  model?: Json;
}

/**
 * @param config - contents of tokenizer_config.json, `model` of config.json; both empty where there is none
 * @param lowerCase - do_lower_case of sentence_bert_config.json
 */
export function settleTokenizer(json: TokenizerJson, config: Json, model: Json, lowerCase = false): SettledTokenizer {
  const decisions: string[] = [];
  const truncationSide = truncationSideOf(config, json);
  const name = classOf(json, config, model);
  const made = name === undefined ? undefined : CLASSES[name]?.(json, config);
  const settled: TokenizerJson = { ...json };
  if (made !== undefined) {
    for (const step of ['normalizer', 'pre_tokenizer', 'post_processor'] as const) {
      const own = made[step];
      if (own === undefined) continue;
      if (plain(own) !== plain(json[step])) decisions.push(told(step, json[step], own, name!));
      settled[step] = own;
    }
    settled.model = { ...json.model, ...made.model };
    for (const [field, value] of Object.entries(made.model ?? {})) {
      const filed = json.model[field];
      if ((filed ?? null) !== value && filed !== undefined) decisions.push(told(`model.${field}`, filed, value, name!));
    }
  } else if (name !== undefined && REBUILDS.includes(name)) {
    decisions.push(
      `The steps of tokenizer.json are taken; ${name} of transformers 5 makes its own, which may differ and are not known here.`,
    );
  }
  decisions.push(...unread(config, name, made));
  const filed = json.added_tokens ?? [];
  if (!Array.isArray(filed)) return { json: settled, truncationSide, decisions }; // who reads it says what is wrong
  settled.added_tokens = addedOf(filed, config);
  const known = new Set(filed.map(({ content }) => content));
  const more = settled.added_tokens.filter(({ content }) => !known.has(content)).map(({ content }) => content);
  if (more.length > 0) {
    decisions.push(
      `added tokens that tokenizer.json does not list, as its companions say: ${JSON.stringify(more).slice(0, 160)}`,
    );
  }
  if (config['split_special_tokens'] === true) {
    settled.added_tokens = settled.added_tokens.map((token) => ({ ...token, ignored: token.special === true }));
    decisions.push('special tokens in a text are read as text (split_special_tokens)');
  }
  if (!lowerCase) return { json: settled, truncationSide, decisions };
  decisions.push('lower case comes before the normaliser (do_lower_case of sentence_bert_config.json)');
  return { json: lowered(settled), truncationSide, decisions };
}

/** With a normaliser that begins with lower case, as sentence-transformers puts it there, unless it has such a step. */
export function lowered<Json extends Pick<TokenizerJson, 'normalizer'>>(json: Json): Json {
  const { normalizer } = json;
  const steps =
    normalizer?.type === 'Sequence' ? (normalizer['normalizers'] as TokenizerStep[]) : normalizer ? [normalizer] : [];
  if (steps.some(({ type }) => type === 'Lowercase')) return json;
  return { ...json, normalizer: { type: 'Sequence', normalizers: [{ type: 'Lowercase' }, ...steps] } };
}

/** Attributes of a tokenizer that name a special token. */
const NAMED = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];
const EXTRA = ['extra_special_tokens', 'additional_special_tokens'];

/** The word of special_tokens_map.json wins, unless tokenizer_config.json lists the added tokens: then it is not read. */
export function withSpecialTokens(config: Json, special: Json): Json {
  return typeof config['added_tokens_decoder'] === 'object' ? config : { ...config, ...special };
}

/** The tokens that a text is searched for: flags of added_tokens_decoder win, special tokens that are named count. */
function addedOf(filed: readonly AddedToken[], config: Json): AddedToken[] {
  const added = [...filed];
  const put = (content: string, flags: Partial<AddedToken>) => {
    const at = added.findIndex((token) => token.content === content);
    if (at >= 0) added[at] = { ...flags, content };
    else added.push({ ...flags, content });
  };
  const listed = (key: string) => (typeof config[key] === 'object' ? Object.entries(config[key] ?? {}) : []);
  for (const [, token] of listed('added_tokens_decoder').sort(([a], [b]) => Number(a) - Number(b))) {
    const content = contentOf(token);
    if (content !== undefined) put(content, token as Partial<AddedToken>);
  }
  const extra = EXTRA.flatMap(listed).map(([, token]) => token);
  for (const token of [...NAMED.map((key) => config[key]), ...extra]) {
    const content = contentOf(token);
    if (content === undefined || added.some((one) => one.content === content)) continue;
    put(content, { ...(typeof token === 'object' ? (token as Partial<AddedToken>) : {}), special: true });
  }
  return added;
}

function told(what: string, filed: unknown, made: unknown, name: string): string {
  const short = (value: unknown) => (JSON.stringify(value) ?? 'none').slice(0, 160);
  return (
    `${what} is ${short(made)}, as ${name} of transformers 5 makes it (from tokenizer_config.json and its defaults); ` +
    `tokenizer.json has ${short(filed)}, which transformers 4 may have read.`
  );
}

/** Keys that look as if they decided something. */
function unread(config: Json, name: string | undefined, made: Steps | undefined): string[] {
  const out: string[] = [];
  for (const [key, token] of [
    ['add_bos_token', 'bos_token'],
    ['add_eos_token', 'eos_token'],
  ] as const) {
    if (config[key] !== true) continue;
    out.push(
      `${key}: true is not read, as by transformers 5, which takes special tokens from tokenizer.json; transformers 4 put ` +
        `${JSON.stringify(contentOf(config[token]) ?? token)} there.`,
    );
  }
  for (const key of ['do_lower_case', 'strip_accents', 'tokenize_chinese_chars', 'add_prefix_space']) {
    const value = config[key];
    if (value === undefined || value === null || (READ[name ?? '']?.includes(key) && made !== undefined)) continue;
    out.push(`${key}: ${JSON.stringify(value)} is not read, as by ${name ?? 'TokenizersBackend'} of transformers 5.`);
  }
  return out;
}

// Which class

/** By model_type, as AutoTokenizer has them; of the classes that make their steps. */
const BY_MODEL: Record<string, readonly string[]> = {
  BertTokenizer: [
    'bert',
    'distilbert',
    'electra',
    'ernie',
    'nomic_bert',
    'convbert',
    'squeezebert',
    'megatron-bert',
    'layoutlm',
    'chinese_clip',
    'nezha',
    'retribert',
    'blip',
    'align',
  ],
  MPNetTokenizer: ['mpnet'],
  RobertaTokenizer: ['roberta', 'roberta-prelayernorm', 'longformer', 'bart', 'ibert', 'data2vec-text', 'mra', 'clap'],
  XLMRobertaTokenizer: ['xlm-roberta', 'gte', 'jina_embeddings_v3', 'xmod', 'metaclip_2'],
  T5Tokenizer: ['t5', 'mt5', 'switch_transformers'],
  Qwen2Tokenizer: ['qwen2', 'qwen2_moe', 'qwen2_vl', 'qwen2_5_vl', 'qwen3', 'qwen3_moe', 'qwen3_vl', 'qwen3_next'],
  CLIPTokenizer: ['clip', 'clipseg', 'owlvit', 'owlv2', 'xclip', 'groupvit'],
  GemmaTokenizer: ['gemma', 'gemma2', 'gemma3', 'gemma3_text', 'gemma3n', 'gemma3n_text', 't5gemma'],
  GPT2Tokenizer: ['gpt2', 'gpt_neo', 'gptj', 'opt', 'phi', 'codegen', 'starcoder2'],
  TokenizersBackend: [
    'modernbert',
    'modernbert-decoder',
    'mistral',
    'ministral',
    'mixtral',
    'phi3',
    'umt5',
    'xlm-roberta-xl',
    'olmo2',
    'glm',
    'granite',
    'nystromformer',
  ],
};

const SAME: Record<string, string> = {
  DistilBertTokenizer: 'BertTokenizer',
  ElectraTokenizer: 'BertTokenizer',
  MobileBertTokenizer: 'BertTokenizer',
  ConvBertTokenizer: 'BertTokenizer',
  SqueezeBertTokenizer: 'BertTokenizer',
  LongformerTokenizer: 'RobertaTokenizer',
  LEDTokenizer: 'RobertaTokenizer',
  BartTokenizer: 'RobertaTokenizer',
};

/** These classes take the file as it is. */
const WHOLE_FILE = ['TokenizersBackend', 'PreTrainedTokenizer', 'PythonBackend'];
/** These classes make their steps, too, by rules that are not written here. */
const REBUILDS = [
  'AlbertTokenizer',
  'BigBirdTokenizer',
  'CamembertTokenizer',
  'CohereTokenizer',
  'DebertaTokenizer',
  'DebertaV2Tokenizer',
  'FunnelTokenizer',
  'GPTNeoXTokenizer',
  'HerbertTokenizer',
  'MBartTokenizer',
  'MBart50Tokenizer',
  'NllbTokenizer',
  'PegasusTokenizer',
  'RemBertTokenizer',
  'Siglip2Tokenizer',
  'XGLMTokenizer',
  'XLNetTokenizer',
];

/** undefined: the file's own steps. */
function classOf(json: TokenizerJson, config: Json, model: Json): string | undefined {
  const said = nameOf(config['tokenizer_class']) ?? nameOf(model['tokenizer_class']);
  const type = model['model_type'];
  const usual = Object.keys(BY_MODEL).find((name) => BY_MODEL[name]!.includes(String(type)));
  const chosen = said === undefined || (usual !== undefined && WHOLE_FILE.includes(usual)) ? usual : said;
  if (chosen === undefined || WHOLE_FILE.includes(chosen)) return undefined;
  // A file of Llama 3's kind says LlamaTokenizer, and is taken whole.
  const isByteLevel = JSON.stringify([json.pre_tokenizer, json['decoder']]).includes('"ByteLevel"');
  return chosen === 'LlamaTokenizer' && isByteLevel ? undefined : (SAME[chosen] ?? chosen);
}

function nameOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value.replace(/Fast$/, '') : undefined;
}

// The steps of each class

const READ: Record<string, readonly string[]> = {
  BertTokenizer: ['do_lower_case', 'strip_accents', 'tokenize_chinese_chars'],
  MPNetTokenizer: ['do_lower_case', 'strip_accents', 'tokenize_chinese_chars'],
  RobertaTokenizer: ['add_prefix_space'],
  GPT2Tokenizer: ['add_prefix_space'],
  Qwen2Tokenizer: ['add_prefix_space'],
  XLMRobertaTokenizer: ['add_prefix_space'],
  LlamaTokenizer: ['add_prefix_space'],
};

const QWEN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const CLIP = "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

const CLASSES: Record<string, (json: TokenizerJson, config: Json) => Steps> = {
  BertTokenizer: (json, config) => bert(json, config, '[CLS]', '[SEP]'),
  MPNetTokenizer: (json, config) => bert(json, config, '<s>', '</s>'),
  RobertaTokenizer: (json, config) => ({
    normalizer: null,
    pre_tokenizer: byteLevel(config['add_prefix_space'] === true),
    post_processor: around(json, config, '<s>', '</s>'),
  }),
  GPT2Tokenizer: (_, config) => ({
    normalizer: null,
    pre_tokenizer: byteLevel(config['add_prefix_space'] === true),
  }),
  Qwen2Tokenizer: (_, config) => ({
    normalizer: { type: 'NFC' },
    pre_tokenizer: sequence(
      { type: 'Split', pattern: { Regex: QWEN }, behavior: 'Isolated', invert: false },
      { ...byteLevel(config['add_prefix_space'] === true), use_regex: false },
    ),
    model: { ignore_merges: false },
  }),
  CLIPTokenizer: (json, config) => ({
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: sequence(
      { type: 'Split', pattern: { Regex: CLIP }, behavior: 'Removed', invert: true },
      byteLevel(false),
    ),
    post_processor: around(
      json,
      { cls_token: config['bos_token'], sep_token: config['eos_token'] },
      '<|startoftext|>',
      '<|endoftext|>',
    ),
  }),
  GemmaTokenizer: () => ({
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
    pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false },
    model: { fuse_unk: true, byte_fallback: true },
  }),
  LlamaTokenizer: (_, config) => {
    const scheme = config['add_prefix_space'] === false ? 'never' : config['legacy'] === true ? 'always' : 'first';
    return {
      normalizer: null,
      pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: scheme, split: false },
      model: { fuse_unk: true, byte_fallback: true },
    };
  },
  XLMRobertaTokenizer: (json, config) => ({
    normalizer: charsmapOf(json),
    pre_tokenizer: words(config['add_prefix_space'] === false ? 'never' : 'always'),
    post_processor: around(json, config, '<s>', '</s>'),
    model: { unk_id: 3, byte_fallback: false },
  }),
  T5Tokenizer: (json) => ({
    normalizer: charsmapOf(json),
    pre_tokenizer: words('always'),
    model: { unk_id: 2, byte_fallback: false },
  }),
};

function bert(json: TokenizerJson, config: Json, cls: string, sep: string): Steps {
  return {
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config['tokenize_chinese_chars'] ?? true,
      strip_accents: config['strip_accents'] ?? null,
      lowercase: config['do_lower_case'] ?? true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: around(json, config, cls, sep),
  };
}

function byteLevel(space: boolean): TokenizerStep {
  return { type: 'ByteLevel', add_prefix_space: space, use_regex: true };
}

function words(scheme: string): TokenizerStep {
  return sequence(
    { type: 'WhitespaceSplit' },
    { type: 'Metaspace', replacement: '\u2581', prepend_scheme: scheme, split: true },
  );
}

function sequence(...steps: TokenizerStep[]): TokenizerStep {
  return { type: 'Sequence', pretokenizers: steps };
}

function charsmapOf({ normalizer }: TokenizerJson): TokenizerStep | null {
  const all = normalizer?.type === 'Sequence' ? (normalizer['normalizers'] as TokenizerStep[]) : [normalizer];
  return all.find((step) => step?.type === 'Precompiled') ?? null;
}

/** undefined where the vocabulary lacks one of them: Python would give it an id that the model has no row for. */
function around(json: TokenizerJson, config: Json, cls: string, sep: string): TokenizerStep | undefined {
  const [first, last] = [contentOf(config['cls_token']) ?? cls, contentOf(config['sep_token']) ?? sep];
  const [left, right] = [idOf(json, first), idOf(json, last)];
  if (left === undefined || right === undefined) return undefined;
  return { type: 'BertProcessing', cls: [first, left], sep: [last, right] };
}

function contentOf(token: unknown): string | undefined {
  const content = typeof token === 'object' && token !== null ? (token as Json)['content'] : token;
  return typeof content === 'string' ? content : undefined;
}

function idOf({ added_tokens: added, model }: TokenizerJson, token: string): number | undefined {
  const one = added?.find(({ content }) => content === token)?.id;
  if (one !== undefined) return one;
  const { vocab } = model as { vocab?: [string, number][] | Record<string, number> };
  if (!Array.isArray(vocab)) return Object.hasOwn(vocab ?? {}, token) ? vocab![token] : undefined;
  const at = vocab.findIndex(([name]) => name === token);
  return at < 0 ? undefined : at;
}

/** A step in one spelling of several that mean the same. */
function plain(step: TokenizerStep | null | undefined): string {
  return JSON.stringify(simple(step ?? null));
}

/** Keys that change no ids, or that another key says. */
const IDLE = ['trim_offsets', 'str_rep', 'pair', 'tokens'];

function simple(step: TokenizerStep | null): unknown {
  if (step === null) return null;
  if (step.type === 'TemplateProcessing' || step.type === 'RobertaProcessing' || step.type === 'BertProcessing') {
    return idsAround(step);
  }
  const inner = (step['normalizers'] ?? step['pretokenizers']) as TokenizerStep[] | undefined;
  if (inner !== undefined) return inner.length === 1 ? simple(inner[0]!) : inner.map(simple);
  const { use_regex: regex = true, split = true, ...rest } = step;
  const own = { ...rest, ...(step.type === 'ByteLevel' && { regex }), ...(step.type === 'Metaspace' && { split }) };
  if (step.type === 'Metaspace') delete (own as Json)['add_prefix_space'];
  return Object.entries(own)
    .filter(([key]) => !IDLE.includes(key))
    .sort();
}

function idsAround(step: TokenizerStep): unknown {
  if (step.type !== 'TemplateProcessing') return [(step['cls'] as unknown[])[1], 'A', (step['sep'] as unknown[])[1]];
  const ids = step['special_tokens'] as Record<string, { ids: number[] }>;
  const items = step['single'] as { SpecialToken?: { id: string } }[];
  return items.flatMap(({ SpecialToken: token }): unknown[] =>
    token === undefined ? ['A'] : (ids[token.id]?.ids ?? []),
  );
}
