/** funnelvec/embed: texts to vectors, by models on this machine. */

export { Embedder } from './embedder.js';
export { type EndpointOptions, embedEndpoint } from './endpoint.js';
export { embedderOf } from './given.js';
export type {
  AiEmbeddingModel,
  EmbedFunction,
  GivenModel,
  GivenOptions,
  LangChainEmbeddings,
} from './given-models.js';
export { type Preset, presets } from './presets.js';
export type { EmbedderOptions, EmbedOptions, EmbedProgress, Pooling, Role, TextEmbedder } from './types.js';
