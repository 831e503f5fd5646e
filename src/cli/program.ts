/** Commands and their options, by commander. */
import type { Command as CommandType } from 'commander';
import { FunnelError } from '../core/errors.js';
import { VERSION } from '../core/places.js';
import { load } from '../files/packages.js';
import type { Commander, Context } from './commands/context.js';
import { addDemo } from './commands/demo.js';
import { addIngest } from './commands/ingest.js';
import { addMcp } from './commands/mcp.js';
import { addOperations } from './commands/operate.js';
import { addModel } from './commands/options.js';
import { addSearch } from './commands/search.js';
import { addBench, addReport, addTune } from './commands/tune.js';
import { EXIT, Interrupted, UsageError } from './exit.js';
import type { Io } from './io.js';
import type { LoadEmbedder } from './model.js';

const EXIT_CODES = `
Exit codes: ${EXIT.ok} done, ${EXIT.failed} failed, ${EXIT.usage} a command line that makes no sense, ${EXIT.interrupted} Ctrl-C.
With --json stdout has one JSON document, also of an error: { "error": { "code", "message" } }.`;

/** @throws UsageError, and what commands throw */
export async function program(io: Io, args: readonly string[], load_: LoadEmbedder = loaderOf(io)): Promise<void> {
  const commander = await load<Commander>('commander');
  const { Command, CommanderError } = commander;
  const root = new Command('funnelvec')
    .description('Funnel search over Matryoshka embeddings: from texts to answers.')
    .version(VERSION)
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // Commander's message about a wrong command line is thrown, and shown once.
      writeErr: () => {},
    });
  const context: Context = { io, commander, load: load_ };
  addIngest(root, context);
  addSearch(root, context);
  addTune(root, context);
  addReport(root, context);
  addBench(root, context);
  addOperations(root, context);
  addMcp(root, context);
  addDemo(root, context);
  const doctor = root
    .command('doctor')
    .description(
      'what runs on this machine, and why the rest does not; with --model what is decided for it (output, pooling, prompts, …), and why',
    )
    .argument('[index]', 'the folder of an index: also how many of its rows have no codes or are dead');
  addModel(doctor).option('--json', 'one JSON document on stdout');
  for (const command of root.commands) inherit(command, root);
  try {
    await root.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (io.stop.aborted && error instanceof FunnelError && error.code === 'ABORTED') throw new Interrupted('Stopped.');
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return; // help was asked for
    if (error.code === 'commander.help') throw new UsageError(`Expected a command\n\n${root.helpInformation()}`);
    throw new UsageError(`${error.message.replace(/^error: /, '')} (funnelvec --help)`);
  }
}

function inherit(command: CommandType, root: CommandType): void {
  command.copyInheritedSettings(root);
}

/** `funnelvec/embed`, when a command needs it. */
function loaderOf({ env }: Io): LoadEmbedder {
  return async (spec) => {
    if (spec.endpoint !== undefined) return (await import('./endpoint.js')).endpointEmbedder(spec, env);
    const { Embedder } = await import('../embed/index.js');
    return Embedder.load(spec);
  };
}
