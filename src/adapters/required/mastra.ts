/** funnelvec/mastra as it is required, where Node.js requires ES modules: without @mastra/core it says what to install. */
import { peerError } from '../../core/peers.js';

/** By its place in the package, which has it as an ES module alone. */
const ENTRY = '../../../esm/adapters/mastra/index.js';

try {
  module.exports = require(ENTRY);
} catch (cause) {
  throw peerError('@mastra/core', cause);
}
