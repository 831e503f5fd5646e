/** The command, run within the test: what it printed, and how it ended. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { errorAsJson, errorAsText, exitCodeOf } from '#dist/cli/exit.js';
import type { Io } from '#dist/cli/io.js';
import type { LoadEmbedder } from '#dist/cli/model.js';
import { program } from '#dist/cli/program.js';
import { fakeLoader } from './fake-embedder.js';

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  /** The answer of `--json`. */
  // biome-ignore lint/suspicious/noExplicitAny: what it must be is what tests say
  json: any;
}

export interface CommandOptions {
  load?: LoadEmbedder;
  env?: Record<string, string>;
  stop?: AbortSignal;
  kill?: AbortSignal;
}

const never = new AbortController().signal;

/** @param line words of the command line */
export async function command(line: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const { load = fakeLoader(), env = {}, stop = never, kill = never } = options;
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const json = line.includes('--json');
  const io: Io = { stdin, stdout, stderr, env, json, stop, kill };
  let code = 0;
  try {
    await program(io, line, load);
    code = io.exitCode ?? 0;
  } catch (error) {
    code = exitCodeOf(error);
    if (json) stdout.write(JSON.stringify(errorAsJson(error)));
    else stderr.write(errorAsText(error));
  }
  const [out, err] = [stdout, stderr].map((stream) => String(stream.read() ?? '')) as [string, string];
  return { code, stdout: out, stderr: err, json: json ? JSON.parse(out) : undefined };
}

/** Runs a command that must go well. */
export async function done(line: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const outcome = await command(line, options);
  assert.equal(outcome.code, 0, outcome.stderr || outcome.stdout);
  return outcome;
}

/** Runs a command that must fail with this code and message. */
export async function fails(
  code: number,
  message: RegExp,
  line: readonly string[],
  options: CommandOptions = {},
): Promise<Outcome> {
  const outcome = await command(line, options);
  // On a slow machine stderr has progress, too, whatever stdout says.
  const printed = outcome.stderr + outcome.stdout;
  assert.match(printed, message);
  assert.equal(outcome.code, code, printed);
  return outcome;
}
