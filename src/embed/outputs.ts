/** Which output of an ONNX graph a text's vector is made of: known names alone, or the one that the caller names. */
import { FunnelError } from '../core/errors.js';
import type { OnnxSession } from './packages.js';
import type { Pooling } from './types.js';

/** The wishes that decide the output, beside the graph. */
export interface OutputWish {
  /** The .onnx file, for messages. */
  file: string;
  pooling: Pooling | undefined;
  /** Who says it. A folder's word is about the model, so that a graph that pools by itself does as it says. */
  poolingBy?: 'caller' | 'preset' | 'folder';
  /** The folder's pooling, where a preset says 'none' for a graph that does not pool itself. */
  poolingOfFolder?: Pooling;
  /** Why the folder's pooling cannot be done here; the graph must do it itself then. */
  unpooled?: string;
  /** The output that the caller names. */
  output?: string;
  /** config.json's. */
  modelType?: string;
  /** Widths of a token's vector that the folder's configuration allows; none where it is silent. */
  widths?: readonly number[];
}

export interface ChosenOutput {
  name: string;
  /** Axes: 2 for one vector a text, 3 for one a token. */
  rank: 2 | 3;
  /** 'none' for a graph that pools itself. */
  pooling: Pooling;
  /** For people. */
  why: string;
  /** Whether its width is the model's own matter. */
  whole: boolean;
  /** Whether the folder's steps behind pooling are still to be done. */
  unfinished: boolean;
}

/** The vector of the whole pipeline, as sentence-transformers' exports name it. */
const WHOLE = ['sentence_embedding', 'sentence_embeddings'];
/** One vector a text by other exporters' names; BGE-M3 has the first, towers of CLIP the second. */
const VECTORS = ['dense_vecs', 'text_embeds'];
/** A layer that most families trained for another purpose: alone where the model is made to be read there. The whole CLIP projects it. */
const POOLER = 'pooler_output';
const POOLER_FAMILIES = /^(clip_text_model|siglip)/;
/** One vector a token; the last is Jina v3's name of them. */
const TOKENS = ['last_hidden_state', 'token_embeddings', 'hidden_states', 'text_embeds'];
/** Outputs that a message lists: generating models have hundreds. */
const LISTED = 8;

/** @throws FunnelError BAD_ARGUMENT, UNSUPPORTED, naming the outputs that there are */
export function chooseOutput(session: OnnxSession, wish: OutputWish): ChosenOutput {
  const { pooling, poolingBy } = wish;
  const chosen = outputOf(session, wish);
  // A preset knows its model's steps, and 'none' says that the graph does them.
  const fellBack = poolingBy === 'preset' && pooling === 'none' && chosen.rank === 3;
  const saidDone = poolingBy === 'preset' || (pooling === 'none' && poolingBy !== 'folder');
  const finished = chosen.whole || (!fellBack && saidDone);
  return { ...chosen, unfinished: !finished };
}

function outputOf(session: OnnxSession, wish: OutputWish): Omit<ChosenOutput, 'unfinished'> {
  const { pooling, output } = wish;
  const find = (names: readonly string[], rank: 2 | 3) =>
    names.find((name) => session.outputNames.includes(name) && (rankOf(session, name) ?? rank) === rank);
  if (output !== undefined) return named(session, wish, output);
  const whole = find(WHOLE, 2);
  const vectors = find(VECTORS, 2) ?? poolerOf(session, wish);
  const tokens = find(TOKENS, 3);
  const own = (name: string, why: string): Omit<ChosenOutput, 'unfinished'> => {
    return { name, rank: 2, pooling: 'none', whole: WHOLE.includes(name), why };
  };
  if (pooling === undefined || pooling === 'none') {
    const name = whole ?? vectors;
    if (name !== undefined) return own(name, 'the model pools itself');
  } else {
    if (whole !== undefined && wish.poolingBy === 'folder')
      return own(whole, 'the model does all steps of its folder itself');
    if (tokens !== undefined) {
      return { name: tokens, rank: 3, pooling, whole: false, why: 'one vector a token, pooled here' };
    }
    const name = whole ?? vectors;
    if (name !== undefined && wish.poolingBy !== 'caller') return own(name, 'the model pools itself');
  }
  const { poolingOfFolder: byFolder } = wish;
  if (wish.poolingBy === 'preset' && pooling === 'none' && tokens !== undefined && byFolder !== undefined) {
    return { name: tokens, rank: 3, pooling: byFolder, whole: false, why: 'pooled here, as the folder says' };
  }
  const rank = pooling === undefined || pooling === 'none' ? 2 : 3;
  if (pooling === undefined && tokens !== undefined) throw poolingWanted(wish);
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected an output of ${rank} axes by a known name (${(rank === 3 ? TOKENS : [...WHOLE, ...VECTORS, POOLER]).join(', ')}) ` +
      `of ${wish.file} for pooling ${pooling === undefined ? 'by the model' : `'${pooling}'`} but it has ${listed(session)}. ` +
      "Export the model for feature extraction, or name the right one: output: '…'",
  );
}

/** @throws FunnelError UNSUPPORTED: another width than the folder's configuration says, as logits have */
export function checkWidth({ name, whole }: ChosenOutput, wish: OutputWish, width: number): void {
  const widths = wish.widths ?? [];
  // Graphs that do all steps may have layers that change it, and a caller who names an output knows it.
  if (whole || wish.output !== undefined || widths.length === 0 || widths.includes(width)) return;
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected ${[...new Set(widths)].join(' or ')} dims of output ${name} of ${wish.file}, as its folder's config.json and ` +
      `1_Pooling say, but received ${width}. Take the model's own configuration, or say that it is right: output: '${name}'`,
  );
}

function named(session: OnnxSession, wish: OutputWish, name: string): Omit<ChosenOutput, 'unfinished'> {
  const { pooling, file } = wish;
  if (!session.outputNames.includes(name)) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected an output of ${file} for output but received ${JSON.stringify(name)}: it has ${listed(session)}`,
    );
  }
  const rank = rankOf(session, name) ?? (pooling === undefined || pooling === 'none' ? 2 : 3);
  const why = 'the caller says so';
  if (rank === 2) {
    if (pooling === undefined || pooling === 'none' || wish.poolingBy !== 'caller')
      return { name, rank, pooling: 'none', why, whole: true };
  } else if (rank === 3) {
    if (pooling === undefined) throw poolingWanted(wish);
    if (pooling !== 'none') return { name, rank, pooling, why, whole: false };
  }
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected ${pooling === 'none' ? 2 : 3} axes of output ${name} of ${file} for pooling '${pooling}' but received ${rank}: ` +
      `it has ${listed(session)}`,
  );
}

function poolingWanted({ file, unpooled }: OutputWish): FunnelError {
  if (unpooled !== undefined) {
    return new FunnelError(
      'UNSUPPORTED',
      `Expected ${unpooled}: use a model file that pools itself, or say pooling ('mean', 'cls' or 'last') for ${file}`,
    );
  }
  return new FunnelError(
    'BAD_ARGUMENT',
    `Expected pooling ('mean', 'cls' or 'last') for ${file}, whose folder does not say it (1_Pooling/config.json) and ` +
      'which has no output of one vector a text, but received undefined',
  );
}

function poolerOf(session: OnnxSession, { pooling, modelType = '' }: OutputWish): string | undefined {
  if (!session.outputNames.includes(POOLER)) return undefined;
  return pooling === 'none' || POOLER_FAMILIES.test(modelType) ? POOLER : undefined;
}

/** undefined where onnxruntime-node does not tell; a shape that the graph leaves open reads as one without axes. */
function rankOf({ outputMetadata }: OnnxSession, output: string): number | undefined {
  return outputMetadata?.find(({ name }) => name === output)?.shape?.length || undefined;
}

function listed({ outputNames, outputMetadata }: OnnxSession): string {
  const all = outputNames.map((name) => {
    const shape = outputMetadata?.find((one) => one.name === name)?.shape;
    return shape === undefined ? name : `${name} [${shape.join(', ')}]`;
  });
  const more = all.length - LISTED;
  return all.slice(0, LISTED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
