/** The optional packages, as much of them as is used here. */
import { loadOptional } from '../core/optional.js';

/** `@huggingface/tokenizers`. */
export interface TokenizersPackage {
  Tokenizer: new (tokenizer: object, config: object) => HuggingFaceTokenizer;
  SplitPreTokenizer: new (step: object) => { pattern: RegExp | null };
}

export interface HuggingFaceTokenizer {
  encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
  token_to_id(token: string): number | undefined;
}

/** `onnxruntime-node`. */
export interface OnnxPackage {
  env?: { versions?: { node?: string } };
  InferenceSession: { create(model: string | Uint8Array, options: object): Promise<OnnxSession> };
  Tensor: new (type: string, data: ArrayBufferView, dims: readonly number[]) => OnnxTensor;
}

export interface OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Since 1.22; sizes that the model leaves open have a name instead. */
  readonly inputMetadata?: readonly OnnxMetadata[];
  readonly outputMetadata?: readonly OnnxMetadata[];
  run(feeds: Record<string, OnnxTensor>, fetches: readonly string[]): Promise<Record<string, OnnxTensor>>;
  release(): Promise<void>;
}

export interface OnnxMetadata {
  name: string;
  isTensor: boolean;
  type?: string;
  shape?: readonly (number | string)[];
}

export interface OnnxTensor {
  readonly type: string;
  readonly data: ArrayLike<number | bigint>;
  readonly dims: readonly number[];
}

export function loadTokenizers(): TokenizersPackage {
  return loadOptional('@huggingface/tokenizers', 'embedding texts needs') as TokenizersPackage;
}

export function loadOnnxruntime(): OnnxPackage {
  return loadOptional('onnxruntime-node', 'ONNX models need') as OnnxPackage;
}
