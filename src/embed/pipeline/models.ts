/** The four models of tokenizer.json, from a piece of a text to ids, as the Rust library `tokenizers` does it. */
import { BytePairs } from './bpe.js';
import { type TokenizerStep, unsupportedStep } from './json.js';
import { Unigram } from './unigram.js';
import type { TokenModel } from './vocabulary.js';
import { WordLevel, WordPiece } from './words.js';

/** @throws UnsupportedStep */
export function modelOf(step: TokenizerStep): TokenModel {
  switch (typeOf(step)) {
    case 'WordPiece':
      return new WordPiece(step);
    case 'WordLevel':
      return new WordLevel(step);
    case 'BPE':
      return new BytePairs(step);
    case 'Unigram':
      return new Unigram(step);
    default:
      throw unsupportedStep('model', step.type);
  }
}

/** Old files do not name it. */
function typeOf(step: TokenizerStep): string | undefined {
  if (typeof step.type === 'string') return step.type;
  if (Array.isArray(step['vocab'])) return 'Unigram';
  if (step['merges'] !== undefined) return 'BPE';
  return step['continuing_subword_prefix'] === undefined ? 'WordLevel' : 'WordPiece';
}
