/** funnelvec/langchain as Node.js imports it: without @langchain/core it says what to install. Bundlers take index.ts. */
import { withPeer } from '../../core/peers.js';

const { embedderOf, FunnelEmbeddings, FunnelRetriever, FunnelVectorStore, milvusWriter, qdrantWriter } = await withPeer(
  '@langchain/core',
  () => import('../langchain/index.js'),
);

export { embedderOf, FunnelEmbeddings, FunnelRetriever, FunnelVectorStore, milvusWriter, qdrantWriter };
