/** In place of embedder.ts in browsers and on the edge, where no model's files are: embedderOf() and embedEndpoint() are whole there. */
import { FunnelError } from '../core/errors.js';

export class Embedder {
  private constructor() {
    throw new FunnelError('BAD_ARGUMENT', 'Expected embedderOf(), which makes embedders here, but received new');
  }

  /** @throws FunnelError UNSUPPORTED */
  static async load(): Promise<never> {
    throw new FunnelError(
      'UNSUPPORTED',
      "Expected Node.js for Embedder.load(), which reads a model's files: embedderOf(embedEndpoint({ url, model }), { name }) " +
        'asks a server here',
    );
  }
}
