/** An embedder as LangChain's Embeddings. */
import { Embeddings, type EmbeddingsInterface, type EmbeddingsParams } from '@langchain/core/embeddings';
import { expected } from '../../core/errors.js';
import type { Role, TextEmbedder } from '../../embed/types.js';
import { numberRows } from '../number-rows.js';

/**
 * An Embedder, or what embedderOf() gives, as LangChain takes it: documents with the prefix of documents, queries with that
 * of queries. Vectors are arrays of numbers, which caches and JSON keep.
 *
 * @example
 * const embeddings = new FunnelEmbeddings(await Embedder.load({ preset: 'wordllama' }));
 */
export class FunnelEmbeddings extends Embeddings {
  /** The embedder that makes the vectors. It stays the caller's, to be closed by them. */
  readonly embedder: TextEmbedder;

  /** @throws FunnelError BAD_ARGUMENT */
  constructor(embedder: TextEmbedder, params: EmbeddingsParams = {}) {
    super(params);
    if (!isEmbedder(embedder)) throw expected('BAD_ARGUMENT', 'an embedder (see embedderOf())', 'embedder', embedder);
    this.embedder = embedder;
  }

  async embedDocuments(documents: string[]): Promise<number[][]> {
    return this.#embed(documents, 'document');
  }

  async embedQuery(document: string): Promise<number[]> {
    return (await this.#embed([document], 'query'))[0]!;
  }

  async #embed(texts: string[], role: Role): Promise<number[][]> {
    const { dim, name } = this.embedder;
    return numberRows(await this.embedder.embed(texts, { role }), texts.length, dim, name);
  }
}

function isEmbedder(value: unknown): value is TextEmbedder {
  const one = value as Partial<TextEmbedder> | null | undefined;
  return typeof one?.embed === 'function' && typeof one.dim === 'number';
}

/** Embeddings as they are, an embedder as Embeddings. @throws FunnelError BAD_ARGUMENT */
export function embeddingsOf(given: EmbeddingsInterface | TextEmbedder): EmbeddingsInterface {
  if (isEmbedder(given)) return new FunnelEmbeddings(given);
  const one = given as Partial<EmbeddingsInterface> | null | undefined;
  if (typeof one?.embedDocuments === 'function' && typeof one.embedQuery === 'function') return given;
  throw expected('BAD_ARGUMENT', 'Embeddings of LangChain, or an embedder,', 'embeddings', given);
}
