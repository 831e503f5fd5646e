/** Sees that a server has the partitions that a call reads: one that knows none reads all rows, without a word. */
import { expected, FunnelError } from '../../core/errors.js';
import type { MilvusClientLike } from './client.js';
import { refused } from './errors.js';
import { refusal } from './from-milvus.js';

export class Partitions {
  readonly #seen = new Set<string>();
  #lite: boolean | undefined;

  constructor(
    private readonly collection: string,
    /** The source's, for errors. */
    private readonly name: string,
  ) {}

  /** @throws FunnelError UNSUPPORTED, BAD_ARGUMENT naming the partition */
  async check(client: MilvusClientLike, names: readonly string[] | undefined): Promise<void> {
    const asked = names?.find((one) => !this.#seen.has(one));
    if (asked === undefined || typeof client.showPartitions !== 'function') return;
    const answer = await client.showPartitions({ collection_name: this.collection }).catch((error: unknown) => {
      // The SDK makes an answer of a call that the server does not have, and fails over it.
      if (error instanceof TypeError) return undefined;
      throw error;
    });
    const no = refusal(answer?.status);
    if (no) throw refused(this.name, answer.status.code || no.code, no.reason, answer);
    const there: unknown = answer?.partition_names;
    if (!Array.isArray(there) || there.length === 0) {
      throw new FunnelError(
        'UNSUPPORTED',
        `Expected no partitions for ${this.name} but received ${JSON.stringify(asked)}: its server has none (Milvus Lite before 3 has not) and would read all rows`,
      );
    }
    for (const one of there as string[]) this.#seen.add(one);
    const missing = names!.find((one) => !this.#seen.has(one));
    if (missing === undefined) return;
    const listed = there.map((one) => JSON.stringify(one)).join(', ');
    throw expected('BAD_ARGUMENT', `one of the partitions ${listed} of ${this.name}`, 'partitions', missing);
  }

  /** Whether count(*) counts the rows of all partitions, whichever are named: Milvus Lite 3.2 does. */
  async miscounts(client: MilvusClientLike): Promise<boolean> {
    this.#lite ??= /lite/i.test(String((await client.getVersion?.())?.version));
    return this.#lite;
  }
}
