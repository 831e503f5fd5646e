/** How texts share runs of a graph: which length and number its inputs have, and what fills short texts up. */
import { FunnelError } from '../core/errors.js';
import type { BatchLimits } from './batches.js';
import type { OnnxSession } from './packages.js';

export interface RunFacts {
  /** The .onnx file, for messages. */
  file: string;
  /** config.json's. */
  modelType?: string;
  /** Whether a token sees those before it alone. */
  causal?: boolean;
  /** The length that the folder wants every text filled up to, for a graph that has no mask. */
  padTo?: number;
  /** Whether the tokenizer puts padding before the text. */
  padsLeft?: boolean;
  /** The length that the caller asks for. */
  wantedLength?: number;
  batch: BatchLimits;
}

export interface RunShape {
  /** Tokens of each text of a run; undefined: as many as its longest has. */
  length: number | undefined;
  /** Texts of each run, copies of the first among them; undefined: as many as there are. */
  rows: number | undefined;
  /** Only texts of one length share a run, since padding would enter their vectors. */
  uniform: boolean;
  limits: BatchLimits;
  /** For people. */
  decisions: string[];
}

/** Trained on texts filled up to the full length, which their vectors show. */
const FILLED = /^siglip/;
/** Finds its last token by the ids. */
const ENDS_BY_ID = /^clip(_text_model)?$/;

/**
 * @param pools whether the graph itself makes one vector of a text
 * @throws FunnelError UNSUPPORTED, BAD_ARGUMENT
 */
export function runShape(session: OnnxSession, facts: RunFacts, pools: boolean): RunShape {
  const { file, modelType = '', causal = false, padTo, padsLeft = false, wantedLength, batch } = facts;
  const [rows, length] = fixedSizes(session);
  const decisions: string[] = [];
  let filled = length;
  let uniform = false;
  if (length !== undefined && wantedLength !== undefined && wantedLength > length) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected at most ${length} tokens, the fixed length of ${file}, for maxLength but received ${wantedLength}`,
    );
  }
  const masked = session.inputNames.includes('attention_mask');
  if (masked || (causal && (!pools || ENDS_BY_ID.test(modelType)))) {
    decisions.push(`padding: ${masked ? 'masked' : 'behind the text, which a causal model does not see'}`);
  } else if (FILLED.test(modelType) || (modelType === '' && padTo !== undefined)) {
    if (length !== undefined && padTo !== undefined && length !== padTo)
      throw unmasked(file, `is ${length} tokens long`);
    filled = length ?? padTo;
    if (filled === undefined) throw unmasked(file, 'its folder says no fixed length');
    if (padsLeft) {
      throw new FunnelError(
        'UNSUPPORTED',
        `Expected padding behind the text (padding_side "right" in tokenizer_config.json) of ${file}, which has no input ` +
          'attention_mask, but its tokenizer pads on the left: say padding_side there if that is wrong, or export the model with the mask',
      );
    }
    decisions.push(`padding: to ${filled} tokens always, as the folder says (the graph has no mask)`);
  } else if (modelType === '') {
    throw unmasked(file, 'its folder says neither model_type (config.json) nor a fixed length (tokenizer.json)');
  } else if (length !== undefined) {
    throw unmasked(file, `it is ${length} tokens long`);
  } else {
    uniform = true;
    decisions.push('padding: none, texts of one length share a run (the graph has no mask)');
  }
  if (length !== undefined) decisions.push(`limit: at most ${length} tokens, the length of the graph`);
  if (rows !== undefined) decisions.push(`batch: ${rows} texts a run, as the graph is made`);
  const most = filled === undefined ? batch.rows : Math.max(1, Math.min(batch.rows, Math.floor(batch.tokens / filled)));
  const limits =
    rows !== undefined
      ? { rows: Math.min(rows, batch.rows), tokens: Number.POSITIVE_INFINITY }
      : { rows: most, tokens: filled === undefined ? batch.tokens : Number.POSITIVE_INFINITY };
  return { length: filled, rows, uniform, limits, decisions };
}

/** Fixed axes of input_ids; undefined where the graph leaves them open, or onnxruntime-node does not tell. */
function fixedSizes({ inputMetadata }: OnnxSession): [number | undefined, number | undefined] {
  const shape = inputMetadata?.find(({ name }) => name === 'input_ids')?.shape ?? [];
  const size = (axis: number) => (typeof shape[axis] === 'number' && shape[axis] > 0 ? shape[axis] : undefined);
  return [size(0), size(1)];
}

function unmasked(file: string, why: string): FunnelError {
  return new FunnelError(
    'UNSUPPORTED',
    `Expected an input attention_mask of ${file}, without which padding enters the vectors, but ${why}: ` +
      'export the model with the mask, or put its own config.json and tokenizer.json beside it',
  );
}
