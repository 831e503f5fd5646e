/** What the caller, the preset and the model's folder say, in that order, as one description of the model. */
import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { expected, FunnelError } from '../errors.js';
import { usableThreads } from '../store/threads.js';
import { type FolderFacts, findModel, readFacts, readJson } from './folder.js';
import type { EngineSetup } from './open.js';
import { type Preset, presetNamed } from './presets.js';
import { readTable } from './table.js';
import type { TokenizerSetup } from './tokenizer.js';
import type { EmbedderOptions, Role } from './types.js';

export interface ModelSpec {
  setup: EngineSetup;
  name: string;
  prefixes: Record<Role, string>;
  normalise: boolean;
  layerNorm: boolean;
  /** undefined: nobody says; the model's own dims alone then. */
  matryoshkaDims: readonly number[] | undefined;
  /** Threads of this library, each with an engine. */
  engines: number;
  /** A few bytes that tell one file of weights from another. */
  weights: string;
}

/** @throws FunnelError NO_MODEL, CORRUPT, UNSUPPORTED, BAD_ARGUMENT */
export async function describeModel(options: EmbedderOptions): Promise<ModelSpec> {
  const preset = options.preset === undefined ? undefined : presetNamed(options.preset);
  if (preset?.weights === 'api') throw apiOnly(preset);
  const { folder, model, tokenizer } = await findModel(options, preset);
  const facts = await readFacts(folder);
  const isStatic = model.endsWith('.safetensors');
  const threads = options.threads ?? usableThreads();
  const engines = isStatic ? threads : Math.min(threads, options.sessions ?? (await sessionsFor(model)));
  const texts = await readTokenizer(tokenizer, folder, isStatic, maxLengthOf(options, facts, preset), facts);
  const pooling = options.pooling ?? preset?.pooling ?? facts.pooling;
  if (isStatic) refuseOtherModules(facts, pooling, preset, model);

  const setup: EngineSetup = isStatic
    ? {
        kind: 'static',
        tokenizer: texts.setup,
        ...(await readTable(model)),
        // model2vec leaves out what its vocabulary lacks.
        skipped: facts.modelType === 'model2vec' ? texts.unknown : undefined,
      }
    : {
        kind: 'onnx',
        file: model,
        tokenizer: texts.setup,
        pooling,
        poolingBy: options.pooling !== undefined ? 'caller' : preset === undefined ? 'folder' : 'preset',
        output: options.output,
        modelType: facts.modelType,
        causal: facts.causal,
        padTo: facts.padTo ?? texts.padTo,
        wantedLength: options.maxLength,
        firstPosition: facts.firstPosition,
        widths: preset === undefined ? facts.widths : [],
        poolingOfFolder: facts.pooling,
        steps: facts.steps,
        threads: Math.floor(threads / engines),
        batch: {
          rows: options.batchSize ?? 32,
          // What a run holds should stay in the caches: larger runs were slower on every length of text.
          tokens: options.batchTokens ?? Math.max(128, 64 * Math.floor(threads / engines)),
        },
        padId: texts.padId,
        tasks: options.tasks ?? preset?.tasks,
      };
  return {
    setup,
    name: options.name ?? preset?.name ?? facts.name,
    prefixes: {
      query: options.prefixes?.query ?? preset?.prefixes.query ?? facts.prefixes.query ?? '',
      document: options.prefixes?.document ?? preset?.prefixes.document ?? facts.prefixes.document ?? '',
    },
    normalise: options.normalise ?? (preset !== undefined || (facts.normalise ?? true)),
    layerNorm: options.layerNorm ?? preset?.normalisation === 'layer_norm, l2',
    matryoshkaDims: options.matryoshkaDims ?? preset?.matryoshkaDims ?? facts.matryoshkaDims,
    engines,
    weights: await fingerprint(model),
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
  { lowerCase }: FolderFacts,
): Promise<{ setup: TokenizerSetup; padId: number; padTo: number | undefined; unknown: string | undefined }> {
  const [json, config] = await Promise.all([readObject(file), readObject(path.join(folder, 'tokenizer_config.json'))]);
  if (json === undefined) throw new FunnelError('NO_MODEL', `Expected a tokenizer at ${file} but there is none`);
  // sentence-transformers strips texts for transformers, and their static models know no special tokens.
  const rules = { specialTokens: !isStatic, maxLength, lowerCase, trim: !isStatic };
  const unknown = (json.value as { model?: { unk_token?: unknown } }).model?.unk_token;
  return {
    setup: { json: json.text, config: config?.text ?? '{}', file, ...rules },
    padId: padTokenOf(json.value, config?.value),
    padTo: fixedPaddingIn(json.value),
    unknown: typeof unknown === 'string' ? unknown : undefined,
  };
}

async function readObject(file: string): Promise<{ text: string; value: object } | undefined> {
  const json = await readJson(file);
  if (json === undefined) return undefined;
  const { text, value } = json;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw expected('CORRUPT', 'an object', file, value);
  }
  return { text, value };
}

/** The length that tokenizer.json has texts filled up to. */
function fixedPaddingIn(json: object): number | undefined {
  const { padding } = json as { padding?: { strategy?: { Fixed?: unknown } } | null };
  const length = padding?.strategy?.Fixed;
  return Number.isInteger(length) && (length as number) > 0 ? (length as number) : undefined;
}

function padTokenOf(json: object, config: object | undefined): number {
  const { padding, added_tokens: added } = json as {
    padding?: { pad_id?: unknown } | null;
    added_tokens?: { id: number; content: string }[];
  };
  const name = (config as { pad_token?: string | { content: string } } | undefined)?.pad_token;
  const content = typeof name === 'object' ? name?.content : name;
  const id =
    padding?.pad_id ?? (Array.isArray(added) ? added.find((token) => token?.content === content)?.id : undefined);
  return Number.isInteger(id) ? (id as number) : 0;
}

/**
 * Runs side by side, of one thread each, do more than runs that share their threads; but each session has the weights in
 * memory.
 */
async function sessionsFor(model: string): Promise<number> {
  const sizes = await Promise.all([model, `${model}_data`, `${model}.data`].map(sizeOf));
  return Math.max(1, Math.floor(WEIGHTS / sizes.reduce((sum, size) => sum + size, 0)));
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch {
    return 0; // most have no second file
  }
}

/** Bytes of weights in memory that speed is worth. */
const WEIGHTS = 400_000_000;

/** Steps that we would leave out give wrong vectors without a word. A model with an output of its own has done them. */
function refuseOtherModules(facts: FolderFacts, pooling: unknown, preset: Preset | undefined, model: string): void {
  if (facts.otherModules.length === 0 || pooling === 'none' || preset !== undefined) return;
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected Transformer, Pooling and Normalize alone in modules.json beside ${model} but it has ` +
      `${facts.otherModules.join(', ')}: use a model file that does these steps itself, with pooling: 'none'`,
  );
}

/** Of size, beginning and end: enough to tell versions and precisions apart, without reading gigabytes. */
async function fingerprint(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const hash = createHash('sha256').update(String(size));
    for (const from of [0, Math.max(0, size - SAMPLE)]) {
      const buffer = Buffer.alloc(Math.min(SAMPLE, size));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
      hash.update(buffer.subarray(0, bytesRead));
    }
    return hash.digest('hex').slice(0, 12);
  } finally {
    await handle.close();
  }
}

const SAMPLE = 1 << 20;
