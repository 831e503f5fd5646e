/** Checks a native Milvus expression before it is joined to another one. */
import { expected, FunnelError } from '../../core/errors.js';

const CLOSES: Record<string, string> = { ')': '(', ']': '[', '}': '{' };

/**
 * Refuses an expression that could leave the parentheses put around it, as `true) or (tenant == 2` does. Whether it makes
 * sense otherwise is for Milvus to say.
 */
export function checkExpression(expression: unknown): asserts expression is string | undefined | null {
  if (expression === undefined || expression === null) return;
  if (typeof expression !== 'string') throw expected('BAD_ARGUMENT', 'a Milvus expression', 'nativeFilter', expression);
  const open: string[] = [];
  for (let at = 0; at < expression.length; at++) {
    const char = expression[at]!;
    if (char === '"' || char === "'") {
      const from = at;
      for (at++; expression[at] !== char; at++) {
        const inside = expression[at];
        // Milvus ends no literal at a line break, but does not know one that goes on behind it either.
        if (inside === undefined || inside === '\n' || inside === '\r') {
          throw unbalanced(expression, `the string at ${from} is not closed`);
        }
        if (inside === '\\') at++;
      }
    } else if ('([{'.includes(char)) open.push(char);
    else if (CLOSES[char] && open.pop() !== CLOSES[char]) throw unbalanced(expression, `nothing is open at ${at}`);
  }
  if (open.length > 0) throw unbalanced(expression, `"${open.at(-1)}" is not closed`);
}

function unbalanced(expression: string, why: string): FunnelError {
  const { message } = expected('BAD_ARGUMENT', 'an expression that is whole', 'nativeFilter', expression);
  return new FunnelError('BAD_ARGUMENT', `${message}: ${why}`);
}
