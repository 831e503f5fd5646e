/** The front door: options and texts, checked before any work. */
import { isSignal } from '../core/call.js';
import { describe, expected, FunnelError } from '../core/errors.js';
import { checkInteger, checkKeys } from '../core/validate.js';
import type { EmbedderOptions, EmbedOptions, Role } from './types.js';

const LOAD = [
  'preset',
  'path',
  'model',
  'tokenizer',
  'precision',
  'pooling',
  'output',
  'prefixes',
  'tasks',
  'strip',
  'normalise',
  'layerNorm',
  'dim',
  'matryoshkaDims',
  'untrained',
  'maxLength',
  'batchSize',
  'batchTokens',
  'threads',
  'sessions',
  'name',
] as const;
const EMBED = ['role', 'dim', 'onProgress', 'signal'] as const;
export const POOLINGS = ['mean', 'cls', 'last', 'none'] as const;
const ROLES = ['query', 'document'] as const;

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS */
export function checkLoadOptions(options: EmbedderOptions): void {
  checkKeys(options, LOAD, 'Embedder.load()');
  const { preset, path, model, prefixes, matryoshkaDims } = options;
  if (preset === undefined && path === undefined && model === undefined) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      'Expected preset, path or model for Embedder.load() but received none of them',
    );
  }
  for (const key of ['preset', 'path', 'model', 'tokenizer', 'output', 'name'] as const) {
    const value: unknown = options[key];
    if (value !== undefined && (typeof value !== 'string' || value === '')) {
      throw expected('BAD_ARGUMENT', 'a string', key, value);
    }
  }
  for (const key of ['strip', 'normalise', 'layerNorm', 'untrained'] as const) {
    const value: unknown = options[key];
    if (value !== undefined && typeof value !== 'boolean') throw expected('BAD_ARGUMENT', 'true or false', key, value);
  }
  checkOneOf(options.precision, ['float32', 'int8'], 'precision');
  checkOneOf(options.pooling, POOLINGS, 'pooling');
  if (prefixes !== undefined) {
    checkKeys(prefixes, ROLES, 'prefixes');
    for (const role of ROLES) {
      const value: unknown = prefixes[role];
      if (value !== undefined && typeof value !== 'string') {
        throw expected('BAD_ARGUMENT', 'a string', `prefixes.${role}`, value);
      }
    }
  }
  if (options.tasks !== undefined) {
    checkKeys(options.tasks, ROLES, 'tasks');
    for (const role of ROLES) checkInteger(options.tasks[role], 0, 2 ** 31 - 1, `tasks.${role}`);
  }
  for (const key of ['dim', 'maxLength', 'batchSize', 'batchTokens', 'threads', 'sessions'] as const) {
    if (options[key] !== undefined)
      checkInteger(options[key], 1, key === 'threads' || key === 'sessions' ? 1024 : 2 ** 31 - 1, key);
  }
  if (matryoshkaDims !== undefined) {
    if (!Array.isArray(matryoshkaDims))
      throw expected('BAD_ARGUMENT', 'an array of dims', 'matryoshkaDims', matryoshkaDims);
    for (const [i, dim] of matryoshkaDims.entries()) checkInteger(dim, 1, 65_536, `matryoshkaDims[${i}]`);
  }
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkEmbedOptions(options: EmbedOptions): Role {
  checkKeys(options, EMBED, 'embed()');
  checkOneOf(options.role, ROLES, 'role');
  const { dim, onProgress, signal } = options;
  if (dim !== undefined) checkInteger(dim, 1, 65_536, 'dim');
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw expected('BAD_ARGUMENT', 'a function', 'onProgress', onProgress);
  }
  if (signal !== undefined && !isSignal(signal)) {
    throw expected('BAD_ARGUMENT', 'an AbortSignal', 'signal', signal);
  }
  return options.role ?? 'document';
}

/**
 * A copy, since the caller may change the array while it is embedded.
 *
 * @throws FunnelError BAD_ARGUMENT, naming the text
 */
export function checkTexts(texts: readonly string[]): string[] {
  if (!Array.isArray(texts)) throw expected('BAD_ARGUMENT', 'an array of strings', 'texts', texts);
  return Array.from(texts as readonly unknown[], (text, i) => {
    if (typeof text !== 'string') throw expected('BAD_ARGUMENT', 'a string', `texts[${i}]`, text);
    if (LONE_SURROGATE.test(text)) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected well-formed Unicode for texts[${i}] but received half of a character (a lone surrogate)`,
      );
    }
    return text;
  });
}

const LONE_SURROGATE = /\p{Surrogate}/u;

function checkOneOf(value: unknown, allowed: readonly string[], where: string): void {
  if (value === undefined || allowed.includes(value as string)) return;
  throw new FunnelError(
    'BAD_ARGUMENT',
    `Expected one of ${allowed.join(', ')} for ${where} but received ${describe(value)}`,
  );
}
