/** Conditions that later servers and clients alone know: nobody is asked by one that would drop it. */
import { FunnelError } from '../../core/errors.js';
import type { FilterNode } from '../../query/filter/ast.js';
import type { QdrantDriver } from './driver.js';

/** The first one that Qdrant has had since 1.19. */
function later(node: FilterNode): string | undefined {
  if ('nodes' in node) {
    for (const one of node.nodes) {
      const found = later(one);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if ('node' in node) return later(node.node);
  if (node.op === 'slice') return 'slice';
  return node.op === 'text' && node.by === 'prefix' ? `match.prefix (${JSON.stringify(node.path.text)})` : undefined;
}

/** The conditions that one client and its server know. */
export class KnownConditions {
  /** Servers become no older. */
  #server = false;

  constructor(
    private readonly driver: Pick<QdrantDriver, 'check' | 'version'>,
    private readonly name: string,
  ) {}

  /**
   * @param compile - the filter in the client's form
   * @throws FunnelError UNSUPPORTED: the server, or the gRPC client, is older than a condition
   */
  async check(
    filter: FilterNode | undefined,
    compile: (filter: FilterNode) => unknown,
    signal: AbortSignal,
  ): Promise<void> {
    const said = filter && later(filter);
    if (said === undefined) return;
    try {
      await this.driver.check?.(compile(filter!), undefined);
    } catch (cause) {
      if (!(cause instanceof FunnelError) || cause.code !== 'BAD_ARGUMENT') throw cause;
      throw unsupported(this.name, said, 'this gRPC client', 'use one of 1.19 or later, or the REST client', cause);
    }
    if (this.#server) return;
    // A server that does not tell refuses what it does not know.
    const version = await this.driver.version(signal).catch(() => undefined);
    const [major = 0, minor = 0] = version?.split('.').map(Number) ?? [];
    if (version !== undefined && (major < 1 || (major === 1 && minor < 19))) {
      const remedy = 'use one of 1.19 or later, or say it otherwise, by nativeFilter, say';
      throw unsupported(this.name, said, `Qdrant ${version}`, remedy);
    }
    this.#server = version !== undefined;
  }
}

function unsupported(name: string, said: string, who: string, remedy: string, cause?: unknown): FunnelError {
  return new FunnelError('UNSUPPORTED', `${name} cannot be asked for ${said}: ${who} does not know it; ${remedy}`, {
    cause,
  });
}
