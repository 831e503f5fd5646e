/**
 * Makes one description of a model from what the caller, the preset and the model's folder say; the earlier one wins.
 */

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { expected, FunnelError } from '../core/errors.js';
import { usableThreads } from '../core/threads.js';
import { type FolderFacts, readFolder, readJson } from './folder.js';
import { formerIdentityOf, modelIdentityOf } from './identity.js';
import { findModel } from './model-files.js';
import type { EngineSetup } from './open.js';
import type { TokenizerJson } from './pipeline/json.js';
import { type Preset, presetNamed } from './presets.js';
import { truncationSideOf } from './sentence.js';
import { choicesOf, decisionsOf, sayerOf, warningsOf } from './spec-decisions.js';
import { readTable } from './table.js';
import type { TokenizerSetup } from './tokenizer.js';
import { lowered, settleTokenizer, withSpecialTokens } from './tokenizer-settings.js';
import type { EmbedderOptions, Role } from './types.js';

export interface ModelSpec {
  setup: EngineSetup;
  name: string;
  prefixes: Record<Role, string>;
  normalise: boolean;
  layerNorm: boolean;
  /** undefined: nobody says; the model's own dims alone then. */
  matryoshkaDims: readonly number[] | undefined;
  /** Dims of whole vectors, as the preset says; undefined: nobody does, or the caller says dims. */
  presetDims: number | undefined;
  /** Threads of this library, each with an engine. */
  engines: number;
  /** Hash of every byte that decides a vector. */
  identity: string;
  /** The hash that versions before that took instead. */
  formerIdentity: string;
  /** The folder's own cut: dims that vectors are cut to where the caller says none. */
  truncateDim: number | undefined;
  /** Choices of the caller that no file tells. */
  choices: string[];
  /** One sentence each, for people. */
  decisions: string[];
  /** Sentences about what may be wrong, with the remedy. */
  warnings: string[];
}

/** @throws FunnelError NO_MODEL, CORRUPT, UNSUPPORTED, BAD_ARGUMENT */
export async function describeModel(options: EmbedderOptions): Promise<ModelSpec> {
  const preset = options.preset === undefined ? undefined : presetNamed(options.preset);
  if (preset?.weights === 'api') throw apiOnly(preset);
  const { folder, model, tokenizer } = await findModel(options, preset);
  const facts = await readFolder(folder);
  refuseKeys(facts, folder);
  const isStatic = model.endsWith('.safetensors');
  const threads = options.threads ?? usableThreads();
  const engines = isStatic ? threads : Math.min(threads, options.sessions ?? (await sessionsFor(model, threads)));
  const table = isStatic ? await readTable(model) : undefined;
  // model2vec 0.10 writes no model_type; only its table is called so.
  const model2vec = facts.modelType === 'model2vec' || (facts.modelType === undefined && table?.name === MODEL2VEC);
  const maxLength = model2vec
    ? (options.maxLength ?? preset?.maxLength ?? facts.model2vecLength)
    : maxLengthOf(options, facts, preset);
  const texts = await readTokenizer(tokenizer, folder, isStatic, maxLength, options.strip ?? false, {
    ...facts,
    keepsTruncation: facts.staticEmbedding && !model2vec && preset === undefined && options.maxLength === undefined,
  });
  const pooling = options.pooling ?? preset?.pooling ?? facts.pooling;
  if (isStatic) {
    refuseOfGraphs(options, model);
    refuseOtherModules(facts, pooling, preset, model);
  }
  const prefixes = {
    query: options.prefixes?.query ?? preset?.prefixes.query ?? facts.prefixes.query ?? '',
    document: options.prefixes?.document ?? preset?.prefixes.document ?? facts.prefixes.document ?? '',
  };
  if (preset === undefined) refuseDefaultPrompt(facts, options, folder);

  const setup: EngineSetup = isStatic
    ? {
        kind: 'static',
        // model2vec cuts a text at so many characters first, and leaves out what its vocabulary lacks.
        tokenizer: model2vec ? { ...texts.setup, maxCharacters: maxLength * texts.medianLength() } : texts.setup,
        ...table!,
        skipped: model2vec ? texts.unknown : undefined,
      }
    : {
        kind: 'onnx',
        file: model,
        tokenizer: texts.setup,
        pooling,
        poolingWhy: sayerOf(preset, options.pooling, preset?.pooling, facts.pooling),
        poolingBy: options.pooling !== undefined ? 'caller' : preset === undefined ? 'folder' : 'preset',
        output: options.output,
        modelType: facts.modelType,
        causal: facts.causal,
        padTo: facts.padTo ?? texts.padTo,
        padsLeft: texts.padsLeft,
        wantedLength: options.maxLength,
        firstPosition: facts.firstPosition,
        widths: preset === undefined ? facts.widths : [],
        poolingOfFolder: facts.pooling,
        steps: facts.steps,
        threads: Math.floor(threads / engines),
        batch: {
          rows: options.batchSize ?? 32,
          // A run should stay in the caches: larger runs were slower on every length of text.
          tokens: options.batchTokens ?? Math.max(128, 64 * Math.floor(threads / engines)),
        },
        padId: texts.padId,
        tasks: options.tasks ?? preset?.tasks,
        tasksBy: options.tasks === undefined ? 'preset' : 'caller',
        ...(facts.sentence.unpooled !== undefined && { unpooled: facts.sentence.unpooled }),
        ...(!facts.sentence.includePrompt && preset === undefined && { promptLess: true }),
      };
  const normalise = options.normalise ?? (preset !== undefined || (facts.normalise ?? true));
  const layerNorm = options.layerNorm ?? preset?.normalisation === 'layer_norm, l2';
  const { truncateDim } = facts.sentence;
  const [identity, formerIdentity] = await Promise.all([
    modelIdentityOf({ folder, model, tokenizer }, facts.modules),
    formerIdentityOf(model),
  ]);
  return {
    setup,
    name: options.name ?? preset?.name ?? facts.name,
    prefixes,
    normalise,
    layerNorm,
    matryoshkaDims: options.matryoshkaDims ?? preset?.matryoshkaDims ?? facts.matryoshkaDims,
    presetDims: options.matryoshkaDims === undefined ? preset?.dims : undefined,
    engines,
    identity,
    formerIdentity,
    truncateDim,
    choices: choicesOf(options),
    decisions: decisionsOf({ options, preset, facts, model, tokenizer, setup, prefixes, normalise, layerNorm }),
    warnings: warningsOf(options, preset, facts, model),
  };
}

function apiOnly({ name, dims, matryoshkaDims, sources }: Preset): FunnelError {
  return new FunnelError(
    'UNSUPPORTED',
    `Expected a preset with weights but ${name} has none: its vectors come from its provider's API (${sources[0]}). ` +
      `Fetch them there (${dims} dims; to be cut to ${matryoshkaDims.join(', ')}) and bring them as they are: ` +
      'FunnelIndex.upsert({ ids, vectors }), importNpy or importJsonl; a query is { vector }',
  );
}

function maxLengthOf(options: EmbedderOptions, facts: FolderFacts, preset?: Preset): number {
  const { maxLength } = options;
  if (maxLength !== undefined && facts.positions !== undefined && maxLength > facts.positions) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected at most ${facts.positions} tokens, the model's positions, for maxLength but received ${maxLength}`,
    );
  }
  if (maxLength !== undefined) return maxLength;
  const { positions = Number.POSITIVE_INFINITY } = facts;
  const said = preset?.maxLength ?? facts.maxLength;
  // Rotary positions go on behind those of the training; a table of them ends.
  const beyond = facts.rotary && (preset !== undefined || facts.ownLength);
  return beyond ? (said ?? positions) : Math.min(said ?? Number.POSITIVE_INFINITY, positions);
}

async function readTokenizer(
  file: string,
  folder: string,
  isStatic: boolean,
  maxLength: number,
  strip: boolean,
  { lowerCase, home, keepsTruncation }: FolderFacts & { keepsTruncation: boolean },
): Promise<{
  setup: TokenizerSetup;
  padId: number;
  padTo: number | undefined;
  padsLeft: boolean;
  unknown: string | undefined;
  medianLength(): number;
}> {
  const [json, config, special, modelConfig] = await Promise.all([
    readObject(file),
    ...['tokenizer_config.json', 'special_tokens_map.json', 'config.json'].map((name) =>
      readObjectOf([home, folder], name),
    ),
  ]);
  if (json === undefined) throw new FunnelError('NO_MODEL', `Expected a tokenizer at ${file} but there is none`);
  const settings = withSpecialTokens(config?.value ?? {}, special?.value ?? {});
  // Static models of sentence-transformers know no special tokens.
  const filed = keepsTruncation ? truncationIn(json.value) : Number.POSITIVE_INFINITY;
  const rules = { specialTokens: !isStatic, maxLength: Math.min(maxLength, filed), strip };
  const { model } = json.value as unknown as Partial<TokenizerJson>;
  // Static models are read by the library of tokenizer.json alone.
  const settled =
    isStatic || model === undefined
      ? undefined
      : settleTokenizer(json.value as unknown as TokenizerJson, settings, modelConfig?.value ?? {}, lowerCase);
  const plain = lowerCase ? JSON.stringify(lowered(json.value)) : json.text;
  const said = {
    truncationSide: keepsTruncation ? truncationSideOf({}, json.value) : settled?.truncationSide,
    decisions: Number.isFinite(filed)
      ? [`texts are cut to ${filed} tokens (truncation of tokenizer.json, which StaticEmbedding keeps)`]
      : (settled?.decisions ?? []),
  };
  const unknown =
    model?.['unk_token'] ?? (model?.['vocab'] as Record<string, unknown[]>)?.[String(model?.['unk_id'])]?.[0];
  return {
    setup: { json: settled === undefined ? plain : JSON.stringify(settled.json), file, ...rules, ...said },
    padId: padTokenOf(json.value as unknown as TokenizerJson, config?.value, special?.value),
    padTo: fixedPaddingIn(json.value),
    padsLeft: padsLeftIn(json.value, config?.value),
    unknown: typeof unknown === 'string' ? unknown : undefined,
    medianLength: () => medianLengthOf(json.value as unknown as TokenizerJson),
  };
}

/** Characters of the middle token, rounded down. */
function medianLengthOf({ model, added_tokens: added }: TokenizerJson): number {
  const all = new Set([...tokensOf(model).keys(), ...(added ?? []).map(({ content }) => content)]);
  const lengths = Uint32Array.from(all, (token) => [...token].length).sort();
  const middle = lengths.length / 2;
  return Math.floor((lengths[Math.ceil(middle) - 1]! + lengths[Math.floor(middle)]!) / 2);
}

/** The ids of a vocabulary, be it an object or, as Unigram has it, a list with scores; of tokens that come twice the first. */
function tokensOf(model: TokenizerJson['model'] | undefined): Map<string, number> {
  const vocabulary = (model?.['vocab'] ?? {}) as [string, number][] | Record<string, number>;
  if (!Array.isArray(vocabulary)) return new Map(Object.entries(vocabulary));
  return new Map(vocabulary.map(([token], id): [string, number] => [token, id]).reverse());
}

/** The name that model2vec gives its table. */
const MODEL2VEC = 'embeddings';

/** By the first of the folders that has the file. */
async function readObjectOf(folders: readonly string[], name: string): ReturnType<typeof readObject> {
  for (const folder of folders) {
    const found = await readObject(path.join(folder, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function readObject(file: string): Promise<{ text: string; value: Record<string, unknown> } | undefined> {
  const json = await readJson(file);
  if (json === undefined) return undefined;
  const { text, value } = json;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw expected('CORRUPT', 'an object', file, value);
  }
  return { text, value: value as Record<string, unknown> };
}

/** The class of Gemma's tokenizer pads there where the folder does not say, and does not write it down (transformers 5.24). */
const PADS_LEFT = /^Gemma/;

function padsLeftIn(json: object, config: object | undefined): boolean {
  const { padding_side: side, tokenizer_class: name } = (config ?? {}) as Record<string, unknown>;
  const { padding } = json as { padding?: { direction?: unknown } | null };
  return (
    String(side ?? padding?.direction ?? (PADS_LEFT.test(String(name)) ? 'left' : 'right')).toLowerCase() === 'left'
  );
}

/** Tokens that tokenizer.json itself cuts a text to. */
function truncationIn(json: object): number {
  const { truncation } = json as { truncation?: { max_length?: unknown } | null };
  const length = truncation?.max_length;
  return Number.isInteger(length) && (length as number) > 0 ? (length as number) : Number.POSITIVE_INFINITY;
}

/** The length that tokenizer.json has texts filled up to. */
function fixedPaddingIn(json: object): number | undefined {
  const { padding } = json as { padding?: { strategy?: { Fixed?: unknown } } | null };
  const length = padding?.strategy?.Fixed;
  return Number.isInteger(length) && (length as number) > 0 ? (length as number) : undefined;
}

/** Where padding enters a vector its token decides it, wherever the folder names it: 0 only where nobody does. */
function padTokenOf(json: TokenizerJson, config: object | undefined, special: object | undefined): number {
  const { padding, added_tokens: added } = json as { padding?: { pad_id?: unknown } | null } & TokenizerJson;
  const named = (where: object | undefined) => {
    const name = (where as { pad_token?: string | { content: string } } | undefined)?.pad_token;
    return typeof name === 'object' ? name?.content : name;
  };
  const content = named(config) ?? named(special);
  const addedId = Array.isArray(added) ? added.find((token) => token?.content === content)?.id : undefined;
  const id = padding?.pad_id ?? addedId ?? (content === undefined ? undefined : tokensOf(json.model).get(content));
  return Number.isInteger(id) ? (id as number) : 0;
}

/**
 * Runs side by side, of one thread each, do more than runs that share their threads; but each session has weights in
 * memory. Where a model's weights are felt, two threads share one session, which halves them: all-MiniLM-L6-v2 takes
 * 206 MB in place of 313, 2 to 9 % longer on a quiet machine, and less time on a busy one.
 */
async function sessionsFor(model: string, threads: number): Promise<number> {
  const sizes = await Promise.all([model, `${model}_data`, `${model}.data`].map(sizeOf));
  const size = sizes.reduce((sum, one) => sum + one, 0);
  return Math.max(1, Math.min(size < FELT ? threads : Math.ceil(threads / 2), Math.floor(WEIGHTS / size)));
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch {
    return 0; // most have no second file
  }
}

/** Bytes of weights in memory that speed is worth, of all sessions. */
const WEIGHTS = 400_000_000;
/** Bytes of weights from which on they are most of what a session holds. */
const FELT = 60_000_000;

/** Steps that we would leave out give wrong vectors without a word. A model with an output of its own has done them. */
function refuseOtherModules(facts: FolderFacts, pooling: unknown, preset: Preset | undefined, model: string): void {
  if (facts.otherModules.length === 0 || pooling === 'none' || preset !== undefined) return;
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected Transformer, Pooling and Normalize alone in modules.json beside ${model} but it has ` +
      `${facts.otherModules.join(', ')}: use a model file that does these steps itself, with pooling: 'none'`,
  );
}

/** A static model has no outputs, and a text is the mean of its tokens: these options would be passed over. */
function refuseOfGraphs({ output, pooling, tasks }: EmbedderOptions, model: string): void {
  if (tasks !== undefined) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected an ONNX model beside tasks ${JSON.stringify(tasks)} but received ${model}, a static one: leave tasks out`,
    );
  }
  if (output !== undefined) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected an ONNX model beside output ${JSON.stringify(output)} but received ${model}, a static one: leave output out`,
    );
  }
  if (pooling === undefined || pooling === 'mean' || pooling === 'none') return;
  throw new FunnelError(
    'BAD_ARGUMENT',
    `Expected 'mean' for pooling of ${model}, a static model, but received ${JSON.stringify(pooling)}: leave pooling out`,
  );
}

/** Refuses keys that sentence-transformers would act on and this library does not. */
function refuseKeys({ sentence }: FolderFacts, folder: string): void {
  if (sentence.refused.length === 0) return;
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected nothing in the configuration of ${folder} that is not done here but it has ${sentence.refused.join('; ')}. ` +
      'Without it vectors would be other ones than those of sentence-transformers: take it out of the file if that is wanted',
  );
}

/** Python's encode() puts the default prompt before all texts, its encode_query() and encode_document() do not. */
function refuseDefaultPrompt({ sentence, prefixes }: FolderFacts, options: EmbedderOptions, folder: string): void {
  const { defaultPrompt } = sentence;
  if (defaultPrompt === undefined) return;
  const bare = (['query', 'document'] as const).filter(
    (role) => options.prefixes?.[role] === undefined && (prefixes[role] ?? '') === '',
  );
  if (bare.length === 0) return;
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected prefixes: { ${bare.join(', ')} } for ${folder}, whose config_sentence_transformers.json has the default_prompt_name ` +
      `"${defaultPrompt.name}" and no prompt for ${bare.join(' and ')}: encode() of sentence-transformers puts ` +
      `${JSON.stringify(defaultPrompt.text)} before each text, encode_query() and encode_document() do not. Say which is wanted, ` +
      'or name prompts query and document in that file',
  );
}
