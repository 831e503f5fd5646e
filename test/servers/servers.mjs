// Starts the databases of the tests on 127.0.0.1, or uses running ones:
// QDRANT_URL (and QDRANT_GRPC as host:port), MILVUS_ADDRESS as host:port. QDRANT_GENERATION=1.19 takes the engine of that
// generation in place of the one of 1.18.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureEngine, ensureVenv } from '../../scripts/setup/venv.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const HOST = '127.0.0.1';
const READY_MS = 60_000;
const STDERR_LINES = 30;

/** Without `dataDir` the data goes when the server stops; with it they stay, for the next start. */
export async function startQdrant({ log = () => {}, dataDir } = {}) {
  if (process.env.QDRANT_URL) {
    const url = process.env.QDRANT_URL.replace(/\/+$/, '');
    const [grpcHost, grpcPort] = splitAddress(
      process.env.QDRANT_GRPC ?? `${new URL(url).hostname}:6334`,
      'QDRANT_GRPC',
    );
    log(`using the Qdrant server at ${url}`);
    return { url, grpcHost, grpcPort, real: true, version: await qdrantVersion(url), stop: async () => {} };
  }
  const place = dataDir ?? tempDir('funnelvec-qdrant-');
  let ports = { port: 0, grpcPort: 0 };
  let version;
  const start = async () => {
    const server = await launch(
      'Qdrant front',
      log,
      [
        '-m',
        'qdrant_front',
        '--host',
        HOST,
        '--port',
        String(ports.port),
        '--grpc-port',
        String(ports.grpcPort),
        '--data-dir',
        place,
      ],
      place === dataDir,
    );
    return server.whenReady(async () => {
      const line = await server.firstLine();
      ports = JSON.parse(line);
      version = await qdrantVersion(`http://${HOST}:${ports.port}`);
      await answersGrpc(HOST, ports.grpcPort, '/qdrant.Qdrant/HealthCheck');
    });
  };
  return managed(place === dataDir ? undefined : place, start, () => ({
    url: `http://${HOST}:${ports.port}`,
    grpcHost: HOST,
    grpcPort: ports.grpcPort,
    real: false,
    version,
  }));
}

/** The version that the server tells, e.g. 1.18.3. */
async function qdrantVersion(url) {
  const response = await fetch(`${url}/`, { signal: AbortSignal.timeout(2_000) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return answer.version;
}

/** `dataDir` as for startQdrant. */
export async function startMilvus({ log = () => {}, dataDir } = {}) {
  if (process.env.MILVUS_ADDRESS) {
    const address = process.env.MILVUS_ADDRESS;
    splitAddress(address.replace(/^\w+:\/\//, ''), 'MILVUS_ADDRESS');
    log(`using the Milvus server at ${address}`);
    return { address, kind: 'milvus', real: true, stop: async () => {} };
  }
  const place = dataDir ?? tempDir('funnelvec-milvus-');
  const port = await freePort();
  const start = async () => {
    const server = await launch(
      'Milvus Lite',
      log,
      [path.join(here, 'milvus_lite_server.py'), 'server', '--data-dir', place, '--host', HOST, '--port', String(port)],
      place === dataDir,
    );
    return server.whenReady(() => answersGrpc(HOST, port, '/milvus.proto.milvus.MilvusService/GetVersion'));
  };
  return managed(place === dataDir ? undefined : place, start, () => ({
    address: `${HOST}:${port}`,
    kind: 'milvus-lite',
    real: false,
  }));
}

async function managed(ownDir, start, describe) {
  let child;
  try {
    child = await start();
  } catch (error) {
    if (ownDir) removeDir(ownDir);
    throw error;
  }
  return {
    ...describe(),
    async stop() {
      await child.end();
      if (ownDir) removeDir(ownDir);
    },
    // Same ports and data, so that clients can meet the server again.
    async restart() {
      await child.end();
      child = await start();
    },
  };
}

// Children: ended by their pid only, whatever way this process ends.

const running = new Set();
let hooked = false;

function hookExit() {
  if (hooked) return;
  hooked = true;
  process.on('exit', killRunning);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      killRunning();
      process.kill(process.pid, signal);
    });
  }
}

function killRunning() {
  for (const { child, dataDir } of running) {
    child.kill('SIGKILL');
    if (dataDir) removeDir(dataDir);
  }
  running.clear();
}

async function launch(name, log, args, keepData = false) {
  const { python } = await ensureVenv({ log });
  const generation = process.env.QDRANT_GENERATION;
  const paths = generation && generation !== '1.18' ? [here, await ensureEngine(generation, { log })] : [here];
  hookExit();
  const began = performance.now();
  const child = spawn(python, args, {
    cwd: here,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONUNBUFFERED: '1',
      PYTHONPATH: paths.join(path.delimiter),
    },
  });
  const entry = { child, dataDir: keepData ? undefined : args[args.indexOf('--data-dir') + 1] };
  running.add(entry);
  let stdout = '';
  let stderr = [''];
  let ended = '';
  const closed = new Promise((resolve) => {
    const onEnd = (how) => {
      ended ||= how;
      running.delete(entry);
      resolve();
    };
    child.on('error', (error) => onEnd(`could not be started: ${error.message}`));
    child.on('exit', (code, signal) => onEnd(`ended with ${signal ?? `code ${code}`}`));
  });
  child.stdin.on('error', () => {});
  child.stdout.on('data', (chunk) => {
    if (stdout.length < 10_000) stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    const lines = (stderr.pop() + chunk).split('\n');
    stderr = [...stderr, ...lines].slice(-STDERR_LINES);
  });

  async function end() {
    child.stdin.end();
    if (await within(closed, 5_000)) return;
    child.kill('SIGTERM');
    if (await within(closed, 3_000)) return;
    child.kill('SIGKILL');
    await closed;
  }

  return {
    /** Tries again until the check passes, the server ends or time is up. */
    async whenReady(check) {
      let reason = 'no answer';
      while (!ended && performance.now() - began < READY_MS) {
        try {
          await check();
          // A test that forgets stop() must still be able to end.
          for (const handle of [child, child.stdin, child.stdout, child.stderr]) handle.unref?.();
          log(`${name} ready after ${Math.round(performance.now() - began)} ms`);
          return { end };
        } catch (error) {
          reason = error.message;
          await sleep(50);
        }
      }
      const what = ended || `was not ready after ${READY_MS / 1000} s (${reason})`;
      await end();
      const shown = stderr.join('\n').trim();
      throw new Error(
        `${name} ${what}. ${shown ? `Its last lines on stderr:\n${shown}` : 'It wrote nothing on stderr.'}`,
      );
    },
    async firstLine() {
      if (!stdout.includes('\n')) throw new Error('it has not said that it is ready');
      return stdout.slice(0, stdout.indexOf('\n'));
    },
  };
}

// Ready checks

/** One call with an empty message; written out so that no client package is needed. */
async function answersGrpc(host, port, method) {
  await tcpConnect(host, port);
  await new Promise((resolve, reject) => {
    const session = http2.connect(`http://${host}:${port}`);
    const fail = (error) => {
      session.destroy();
      reject(error);
    };
    session.on('error', fail);
    session.setTimeout(3_000, () => fail(new Error(`${method} did not answer`)));
    const stream = session.request({
      ':method': 'POST',
      ':path': method,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status;
    const note = (headers) => {
      status = headers['grpc-status'] ?? status;
    };
    stream.on('error', fail);
    stream.on('response', note);
    stream.on('trailers', note);
    stream.on('end', () => {
      session.close();
      if (status === '0') resolve();
      else reject(new Error(`${method} answered with gRPC status ${status}`));
    });
    stream.resume();
    stream.end(Buffer.alloc(5)); // not compressed, length 0
  });
}

function tcpConnect(host, port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, timeout: 2_000 });
    socket.on('connect', () => resolve(socket.destroy()));
    socket.on('timeout', () => socket.destroy(new Error('connection timed out')));
    socket.on('error', reject);
  });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, HOST, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// Small things

function tempDir(prefix) {
  return mkdtempSync(path.join(os.tmpdir(), prefix));
}

function removeDir(dir) {
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}

function splitAddress(text, variable) {
  const match = /^(.+):(\d+)$/.exec(text);
  if (!match) throw new Error(`${variable} must be host:port, got "${text}"`);
  return [match[1], Number(match[2])];
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function within(promise, ms) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
