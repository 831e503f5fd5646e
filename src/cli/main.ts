#!/usr/bin/env node
/**
 * The `funnelvec` command. `doctor` and `--version` run by themselves, so that they work where nothing else is installed;
 * commander reads the rest. Everything else is loaded when a command needs it, so that these answer at once.
 */
import module from 'node:module';
import { VERSION } from '../core/version.js';
import { EXIT, errorAsJson, errorAsText, exitCodeOf, UsageError } from './exit.js';
import { type Io, print, printJson } from './io.js';
import type { ModelOptions } from './model.js';

const stop = new AbortController();
const kill = new AbortController();
const args = process.argv.slice(2);
const { stdin, stdout, stderr, env } = process;
const io: Io = { stdin, stdout, stderr, env, json: args.includes('--json'), stop: stop.signal, kill: kill.signal };

// The first Ctrl-C ends what is under way where nothing is lost, the second at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (kill.signal.aborted) process.exit(EXIT.interrupted);
    if (stop.signal.aborted) kill.abort();
    else stop.abort();
  });
}
// A reader that has seen enough: `funnelvec search … | head`.
stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed));

(module as { enableCompileCache?: () => unknown }).enableCompileCache?.(); // from Node.js 22.8 on
try {
  await run();
  process.exitCode ??= io.exitCode ?? EXIT.ok;
} catch (error) {
  process.exitCode = exitCodeOf(error);
  if (io.json) printJson(io, errorAsJson(error));
  else stderr.write(`funnelvec: ${errorAsText(error)}\n`);
}

async function run(): Promise<void> {
  const words = args.filter((word) => word !== '--json');
  if (words[0] === '--version' || words[0] === '-V') return runVersion(words.slice(1));
  if (args[0] === 'doctor' && !args.includes('--help') && !args.includes('-h')) return runDoctor(words.slice(1));
  const { program } = await import('./program.js');
  await program(io, args);
}

/** Without commander, so that a broken installation can still be reported by its version. */
function runVersion(others: readonly string[]): void {
  if (others.length > 0) throw new UsageError(`Expected --version alone but received ${others[0]} too`);
  if (io.json) printJson(io, { version: VERSION });
  else print(io, VERSION);
}

async function runDoctor(words: readonly string[]): Promise<void> {
  const { paths, model } = words.length > 0 ? await readDoctor(words) : { paths: [], model: {} };
  const { doctor } = await import('./doctor.js');
  // Without a word it answers at once; whoever reads JSON, or asks for more, is told all that can be tried.
  const { report, text, healthy } = await doctor(paths[0], model, io.json || words.length > 0);
  if (io.json) printJson(io, report);
  else print(io, text);
  process.exitCode = healthy ? EXIT.ok : EXIT.failed;
}

/** Its arguments, which most calls have none of. */
async function readDoctor(words: readonly string[]): Promise<{ paths: string[]; model: ModelOptions }> {
  const { parseArgs } = await import('node:util');
  let model: ModelOptions;
  let paths: string[];
  try {
    // The options of addModel(), read without commander.
    const { values, positionals } = parseArgs({
      args: [...words],
      options: {
        ...{ model: { type: 'string' }, preset: { type: 'string' }, output: { type: 'string' } },
        ...{ dim: { type: 'string' }, strip: { type: 'boolean' }, 'batch-size': { type: 'string' } },
        deep: { type: 'boolean' },
      },
      allowPositionals: true,
    });
    const { dim, 'batch-size': batchSize, deep: _, ...others } = values;
    model = others;
    if (dim !== undefined || batchSize !== undefined) {
      const { integer } = await import('./commands/options.js');
      if (dim !== undefined) model.dim = integer('--dim', 1)(dim);
      if (batchSize !== undefined) model.batchSize = integer('--batch-size', 1, 2 ** 31 - 1)(batchSize);
    }
    const { specOf } = await import('./model.js');
    specOf(model); // refuses what makes no sense before any work
    paths = positionals;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (paths.length > 1) throw new UsageError(`Expected one index for doctor but received ${paths.join(' and ')}`);
  return { paths, model };
}
