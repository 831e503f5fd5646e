/** Where a condition looks, as text and back: `user.tags[].name`, `"a key with . in it".b`. */
import { expected } from '../../core/errors.js';
import type { Path, Step } from './ast.js';

const MAX_LENGTH = 4096;
const MAX_STEPS = 64;

/** A quoted key, or anything without a mark that means something; then whether its elements are meant. */
const STEP = /(?:"([^"]*)"|([^".[\]]+))(\[\])?/y;

/** @throws FunnelError BAD_ARGUMENT */
export function parsePath(text: unknown, where: string): Path {
  if (typeof text !== 'string' || text.length > MAX_LENGTH || /\p{Surrogate}/u.test(text)) {
    throw expected('BAD_ARGUMENT', `a path, well-formed and of at most ${MAX_LENGTH} characters,`, where, text);
  }
  const steps: Step[] = [];
  for (let at = 0; ; at++) {
    STEP.lastIndex = at;
    const step = STEP.exec(text);
    if (!step || steps.length === MAX_STEPS) throw badPath(text, where);
    steps.push({ key: step[1] ?? step[2]!, each: step[3] !== undefined });
    at = STEP.lastIndex;
    if (at === text.length) return { text, steps };
    if (text[at] !== '.') throw badPath(text, where);
  }
}

function badPath(text: string, where: string) {
  const form = /\[\d+\]/.test(text) ? 'without positions in arrays' : `of at most ${MAX_STEPS} steps`;
  return expected('BAD_ARGUMENT', `a path ${form}, such as a.b, a[].b or "a.b",`, where, text);
}
