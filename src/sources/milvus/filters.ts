/** The filters of calls: as expressions, asked about first where that is wanted, and named where the server refuses them. */
import type { FilterNode } from '../../query/filter/ast.js';
import type { Restriction } from '../../query/source/source.js';
import type { Nodes } from '../nodes.js';
import type { MilvusCall, MilvusCalls } from './calls.js';
import type { MilvusClientLike } from './client.js';
import { milvusVersion } from './clients.js';
import { checkExpression } from './expression.js';
import type { MilvusFields } from './fields.js';
import { scalarKeys, toMilvusFilter } from './filter.js';
import { scalarCounts } from './filter-json.js';
import { unsupported } from './filter-text.js';
import type { MilvusCommonOptions } from './options.js';
import { refusedFilter } from './refused-filter.js';
import type { MilvusFacts } from './schema.js';

export class MilvusFilters {
  /** As expressions, with what they were made by. */
  private readonly made = new WeakMap<FilterNode, { text: string; fields: MilvusFields }>();

  constructor(
    private readonly nodes: Nodes<MilvusClientLike>,
    private readonly calls: MilvusCalls,
    private readonly options: MilvusCommonOptions,
    /** The source's, for errors. */
    private readonly name: string,
  ) {}

  /** A call under a filter. @throws FunnelError UNSUPPORTED: the server refuses a condition of it, which the error names */
  async named<T>(
    filter: FilterNode | undefined,
    facts: MilvusFacts,
    options: MilvusCall,
    call: () => Promise<T>,
  ): Promise<T> {
    try {
      return await call();
    } catch (error) {
      const asked = { outputs: [facts.idField], names: [] };
      const ask = (expression: string) => this.calls.query(expression, asked, options, facts, { limit: 1 });
      const version = () => milvusVersion(this.nodes, options.signal);
      throw await refusedFilter(error, filter, facts.fields, this.name, version, ask);
    }
  }

  async expression(
    { filter, nativeFilter }: Restriction,
    facts: MilvusFacts,
    options: Omit<MilvusCall, 'scope'>,
  ): Promise<string | undefined> {
    checkExpression(nativeFilter);
    const { timeout, signal } = options;
    const call = { signal, ...(timeout !== undefined && { timeout }) };
    if (filter && this.options.scalars === 'ask') {
      // Conditions that the server refuses are named as they would be sent.
      const all = { ...facts, fields: { ...facts.fields, scalars: true } };
      await this.named(filter, all, call, () => this.askScalars(filter, facts, call));
    }
    return allOf([this.options.nativeFilter, nativeFilter, filter && this.compiled(filter, facts)]);
  }

  /** @throws FunnelError UNSUPPORTED: rows hold arrays or objects where the filter looks */
  private async askScalars(filter: FilterNode, facts: MilvusFacts, options: MilvusCall): Promise<void> {
    const { nativeFilter: standing } = this.options;
    for (const [key, path] of scalarKeys(filter, facts.fields)) {
      if (facts.scalarKeys.has(key)) continue;
      const [something, scalar] = scalarCounts(key);
      // In this order, so that an array that is written meanwhile is counted.
      const scalars = await this.calls.count(allOf([standing, scalar]), options, facts);
      const all = await this.calls.count(allOf([standing, something]), options, facts);
      if (all !== scalars) {
        throw unsupported(
          `a condition on the JSON key ${JSON.stringify(path)}`,
          `it does not look into arrays and objects, and ${all - scalars} of the ${all} rows with the key in ${this.name} hold one there (or null, which servers of 2.3 take for something)`,
        );
      }
      facts.scalarKeys.add(key);
    }
  }

  private compiled(filter: FilterNode, { fields }: MilvusFacts): string {
    const made = this.made.get(filter);
    if (made?.fields === fields) return made.text;
    const text = toMilvusFilter(filter, fields);
    this.made.set(filter, { text, fields });
    return text;
  }
}

/** Expressions that all hold. */
function allOf(expressions: readonly (string | null | undefined)[]): string | undefined {
  const parts = expressions.filter(Boolean) as string[];
  return parts.length < 2 ? parts[0] : parts.map((part) => `(${part})`).join(' and ');
}
