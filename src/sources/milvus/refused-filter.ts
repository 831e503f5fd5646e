/** A filter that a server refuses, as each version has a grammar of its own: which condition it is, and which version. */
import { overloaded } from '../../core/call.js';
import { FunnelError } from '../../core/errors.js';
import type { FilterNode } from '../../query/filter/ast.js';
import type { MilvusFields } from './fields.js';
import { toMilvusFilter } from './filter.js';

/** Conditions that are asked for one by one. */
const MOST = 16;

const WORDS = {
  match: 'match',
  except: 'match.except',
  text: 'match.text',
  range: 'range',
  dates: 'range',
  count: 'values_count',
  empty: 'is_empty',
  null: 'is_null',
  nested: 'nested',
  geo: 'geo',
} as const;

/**
 * The error to throw in place of the server's refusal: with the condition that the server refuses when it is asked for that
 * alone, or the refusal itself where it refuses none.
 *
 * @param askVersion - the server's words
 * @param ask - rejects as a search by that expression would
 */
export async function refusedFilter(
  refusal: unknown,
  node: FilterNode | undefined,
  fields: MilvusFields,
  where: string,
  askVersion: () => Promise<string | undefined>,
  ask: (expression: string) => Promise<unknown>,
): Promise<unknown> {
  if (!(refusal instanceof FunnelError) || refusal.code !== 'REFUSED' || node === undefined) return refusal;
  if (overloaded(refusal.cause)) return refusal;
  try {
    await ask('');
  } catch {
    return refusal; // no filter is to blame: a privilege is missing, or a quota is spent
  }
  for (const condition of conditionsIn(node).slice(0, MOST)) {
    const expression = toMilvusFilter(condition, fields);
    try {
      await ask(expression);
    } catch (error) {
      if (!(error instanceof FunnelError) || error.code !== 'REFUSED') return refusal;
      const version = await askVersion();
      const server = version ? `Milvus ${version.replace(/^v/, '')}` : 'a Milvus that does not tell its version';
      const said = expression.length > 200 ? `${expression.slice(0, 200)}…` : expression;
      return new FunnelError(
        'UNSUPPORTED',
        `${where} cannot express ${named(condition)}: ${server} refused ${said}. ` +
          `Ask for it otherwise (nativeFilter), or use a later version (${error.message})`,
        { cause: refusal },
      );
    }
  }
  return refusal;
}

/** Conditions before those that hold them, each once. */
function conditionsIn(node: FilterNode): FilterNode[] {
  const found = new Map<string, FilterNode>();
  const walk = (one: FilterNode): void => {
    if ('nodes' in one) for (const part of one.nodes) walk(part);
    else if (one.op === 'not') {
      walk(one.node);
      if (!('nodes' in one.node)) found.set(`not ${named(one.node)}`, one);
    } else found.set(named(one), one);
  };
  walk(node);
  return [...found.values()].sort((a, b) => Number(a.op === 'not') - Number(b.op === 'not'));
}

function named(node: FilterNode): string {
  if (node.op === 'not') return `must_not of ${named(node.node)}`;
  if (node.op === 'ids') return 'has_id';
  if (node.op === 'slice') return 'slice';
  if ('nodes' in node) return 'several conditions';
  const said = node.op === 'text' ? `match.${node.by}` : WORDS[node.op];
  return `${said} of ${JSON.stringify(node.path.text)}`;
}
