/** Classes of transformers 5 that make the steps of a tokenizer anew: which one a model has, and the steps of each. */
import type { TokenizerJson, TokenizerStep } from './pipeline/json.js';

type Json = Record<string, unknown>;

/** The steps that a class makes; undefined: the file's stays. */
export interface MadeSteps {
  normalizer?: TokenizerStep | null;
  pre_tokenizer?: TokenizerStep | null;
  post_processor?: TokenizerStep;
  /** Fields of the model. */
  model?: Json;
}

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
export const UNKNOWN_STEPS = [
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
export function tokenizerClassOf(json: TokenizerJson, config: Json, model: Json): string | undefined {
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

/** Keys of tokenizer_config.json that each class reads. */
export const KEYS_READ: Record<string, readonly string[]> = {
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

export const STEPS_OF_CLASS: Record<string, (json: TokenizerJson, config: Json) => MadeSteps> = {
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

function bert(json: TokenizerJson, config: Json, cls: string, sep: string): MadeSteps {
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

/** A token's text, in each of the forms that files have. */
export function contentOf(token: unknown): string | undefined {
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
