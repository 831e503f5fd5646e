/** A checked filter as text: two that say the same have the same. */
import type { FilterNode } from './ast.js';

/** A function that sees every value takes ten times as long: only for what JSON has not, or not the same for all values. */
export function nodeText(node: FilterNode): string {
  return needsTags(node) ? JSON.stringify(node, tagged) : JSON.stringify(node);
}

function needsTags(node: FilterNode): boolean {
  if ('nodes' in node) return node.nodes.some(needsTags);
  if ('node' in node) return needsTags(node.node);
  if (node.op === 'ids') return true;
  if ('values' in node) return node.values.some(isBigint);
  return 'bounds' in node && Object.values(node.bounds).some(isBigint);
}

function isBigint(value: unknown): boolean {
  return typeof value === 'bigint';
}

/** As it was before a toJSON that somebody gave to all bigints. */
function tagged(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const own = this[key];
  return typeof own === 'bigint' ? { bigint: `${own}` } : value;
}
