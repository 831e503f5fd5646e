/** funnelvec/langchain as it is required: without @langchain/core it says what to install. Of the CommonJS build alone. */
import { peerError } from '../../core/peers.js';

try {
  module.exports = require('../langchain/index.js');
} catch (cause) {
  throw peerError('@langchain/core', cause);
}
