/** Filters after they were checked, and those of one call, of which equal ones are one. */
import type { FilterNode } from './ast.js';
import { isTrue, parseFilter } from './parse.js';

export class Conditions {
  #text: string | undefined;

  constructor(readonly node: FilterNode) {}

  /** Filters with the same text are the same. It is asked for several times. */
  get text(): string {
    this.#text ??= nodeText(this.node);
    return this.#text;
  }
}

/**
 * Undefined where everything passes. Conditions stay as they are: adapters in this package make nodes of other languages.
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_ID, UNSUPPORTED
 */
export function conditionsOf(filter: unknown, where = 'filter'): Conditions | undefined {
  if (filter === undefined || filter === null) return undefined;
  if (filter instanceof Conditions) return filter;
  const node = parseFilter(filter, where);
  return isTrue(node) ? undefined : new Conditions(node);
}

/** Filters of one call: the same object, and the same JSON, is one filter, which is compiled or evaluated once. */
export class Filters<Checked extends object = Conditions> {
  /** Undefined where one alone will be asked for. */
  readonly #byObject: Map<unknown, Checked | undefined> | undefined;
  readonly #byText: Map<string, Checked> | undefined;

  /** @param many whether more than one will be asked for */
  constructor(
    many: boolean,
    private readonly check: (filter: unknown, where: string) => Checked | undefined,
  ) {
    this.#byObject = many ? new Map() : undefined;
    this.#byText = many ? new Map() : undefined;
  }

  /** Undefined where everything passes. @throws FunnelError as `check` */
  of(filter: unknown): Checked | undefined {
    if (filter === undefined || filter === null) return undefined;
    if (this.#byObject === undefined) return this.check(filter, 'filter');
    if (this.#byObject.has(filter)) return this.#byObject.get(filter);
    const checked = this.check(filter, 'filter');
    const shared = checked && this.shared(checked);
    this.#byObject.set(filter, shared);
    return shared;
  }

  /** The first one of the call that says the same. */
  shared(checked: Checked): Checked {
    if (this.#byText === undefined || !(checked instanceof Conditions)) return checked;
    const known = this.#byText.get(checked.text);
    if (known === undefined) this.#byText.set(checked.text, checked);
    return known ?? checked;
  }
}

/**
 * A checked filter as text: two that say the same have the same. A function that sees every value takes ten times as long: only for
 * what JSON has not, or not the same for all values.
 */
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
