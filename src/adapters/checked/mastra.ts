/** funnelvec/mastra as Node.js imports it: without @mastra/core it says what to install. Bundlers take index.ts. */
import { withPeer } from '../../core/peers.js';

const { BackedVector, FunnelVector, MilvusVector } = await withPeer('@mastra/core', () => import('../mastra/index.js'));

export { BackedVector, FunnelVector, MilvusVector };
