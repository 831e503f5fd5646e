/**
 * Reads the files beside tokenizer.json that count in Python. transformers 5 makes the steps of the classes in
 * tokenizer-classes.ts anew, out of tokenizer_config.json and their defaults, and takes no more than the vocabulary from
 * tokenizer.json; for all other classes it takes the file as it is. Compared with transformers 5.24; static models are read
 * by no such class.
 */

import type { AddedToken, TokenizerJson, TokenizerStep } from './pipeline/json.js';
import { truncationSideOf } from './sentence.js';
import {
  contentOf,
  KEYS_READ,
  type MadeSteps,
  STEPS_OF_CLASS,
  tokenizerClassOf,
  UNKNOWN_STEPS,
} from './tokenizer-classes.js';

export interface SettledTokenizer {
  json: TokenizerJson;
  truncationSide: 'left' | 'right';
  /** Sentences for people: where files disagree, and what was taken. */
  decisions: string[];
}

type Json = Record<string, unknown>;

/**
 * @param config - contents of tokenizer_config.json, `model` of config.json; both empty where there is none
 * @param lowerCase - do_lower_case of sentence_bert_config.json
 */
export function settleTokenizer(json: TokenizerJson, config: Json, model: Json, lowerCase = false): SettledTokenizer {
  const decisions: string[] = [];
  const truncationSide = truncationSideOf(config, json);
  const name = tokenizerClassOf(json, config, model);
  const made = name === undefined ? undefined : STEPS_OF_CLASS[name]?.(json, config);
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
  } else if (name !== undefined && UNKNOWN_STEPS.includes(name)) {
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
function unread(config: Json, name: string | undefined, made: MadeSteps | undefined): string[] {
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
    if (value === undefined || value === null || (KEYS_READ[name ?? '']?.includes(key) && made !== undefined)) continue;
    out.push(`${key}: ${JSON.stringify(value)} is not read, as by ${name ?? 'TokenizersBackend'} of transformers 5.`);
  }
  return out;
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
