/** As much of tokenizer.json as decides token ids (the format of Hugging Face's library `tokenizers`). */

/** A normaliser, a pre-tokenizer or a post-processor: `type`, and what that type has beside it. */
export interface TokenizerStep {
  type?: string;
  [key: string]: unknown;
}

export interface AddedToken {
  id?: number;
  content: string;
  single_word?: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
  normalized?: boolean;
  special?: boolean;
  /** It has its id, and is not looked for in texts. */
  ignored?: boolean;
}

export interface TokenizerJson {
  added_tokens?: AddedToken[] | null;
  normalizer?: TokenizerStep | null;
  pre_tokenizer?: TokenizerStep | null;
  post_processor?: TokenizerStep | null;
  model: TokenizerStep;
  [key: string]: unknown;
}

/** A step that this library cannot do as Python does; it becomes UNSUPPORTED at load. */
export class UnsupportedStep extends Error {}

export function unsupportedStep(kind: string, step: unknown): UnsupportedStep {
  return new UnsupportedStep(`its ${kind} ${JSON.stringify(step).slice(0, 200)} is not known here`);
}
