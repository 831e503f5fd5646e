/** funnelvec/embed: texts to vectors, by models on this machine. */

export { Embedder } from './embedder.js';
export { type EndpointOptions, embedEndpoint } from './endpoint.js';
export {
  type AiEmbeddingModel,
  type EmbedFunction,
  embedderOf,
  type GivenModel,
  type GivenOptions,
  type LangChainEmbeddings,
} from './given.js';
export { type Preset, presets } from './presets.js';
export type { EmbedderOptions, EmbedOptions, EmbedProgress, Pooling, Role, TextEmbedder } from './types.js';
