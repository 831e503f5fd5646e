/** Commands and their options, by commander. */
import type { Command as CommandType } from 'commander';
import { FunnelError } from '../core/errors.js';
import { VERSION } from '../core/version.js';
import { load } from '../files/packages.js';
import type { Commander, Context } from './commands/context.js';
import { EXIT, Interrupted, UsageError } from './exit.js';
import type { Io } from './io.js';
import type { LoadEmbedder } from './model.js';

const EXIT_CODES = `
Exit codes: ${EXIT.ok} done, ${EXIT.failed} failed, ${EXIT.usage} a command line that makes no sense, ${EXIT.interrupted} Ctrl-C.
With --json stdout has one JSON document, also of an error: { "error": { "code", "message" } }.`;

type Add = (command: CommandType, context: Context) => unknown;

interface Listed {
  description: string;
  arguments?: readonly [term: string, description: string][];
  /** Its options, and what it does; loaded only when the command line names the command. */
  load(): Promise<Add>;
}

const operations = () => import('./commands/operate.js');
const measurements = () => import('./commands/tune.js');

const COMMANDS: Record<string, Listed> = {
  ingest: {
    description:
      'rows of JSONL, JSON, CSV, Parquet, Arrow, HDF5, SQLite, .npy, .fvecs or .fbin files into an index, Milvus or Qdrant; texts become vectors',
    arguments: [['<files...>', 'the rows']],
    load: async () => (await import('./commands/ingest.js')).addIngest,
  },
  search: {
    description: 'the best hits for a text, by the model that the store was made with; without one, as you type',
    arguments: [['[query...]', 'the text']],
    load: async () => (await import('./commands/search.js')).addSearch,
  },
  tune: {
    description: 'chooses the cheapest plan that keeps a promise of recall',
    load: async () => (await measurements()).addTune,
  },
  report: {
    description: 'draws what the last tune found, as one HTML file',
    load: async () => (await measurements()).addReport,
  },
  bench: {
    description: 'latency and recall of a store, mode by mode',
    load: async () => (await measurements()).addBench,
  },
  backup: {
    description: 'a copy of an index as of one commit, while others read and write it',
    arguments: [
      ['<index>', 'its folder'],
      ['<to>', 'a folder that is missing or empty'],
    ],
    load: async () => (await operations()).addBackup,
  },
  verify: {
    description: 'reads all of an index against its checksums; exit code 1 where something is not as it was written',
    arguments: [['<index>', 'its folder']],
    load: async () => (await operations()).addVerify,
  },
  compact: {
    description: 'drops dead rows, and makes codes of rows that have none: optimize()',
    arguments: [['<index>', 'its folder']],
    load: async () => (await operations()).addCompact,
  },
  stats: {
    description: 'counts, sizes and settings of an index',
    arguments: [['<index>', 'its folder']],
    load: async () => (await operations()).addStats,
  },
  mcp: {
    description: 'a store as tools of the Model Context Protocol, over standard input and output',
    load: async () => (await import('./commands/mcp.js')).addMcp,
  },
  demo: {
    description: 'what the package does, shown on made-up vectors or with a model of yours',
    load: async () => (await import('./commands/demo.js')).addDemo,
  },
  doctor: {
    description:
      'what runs on this machine, and why the rest does not; with --model what is decided for it (output, pooling, prompts, …), and why',
    arguments: [['[index]', 'the folder of an index: also how many of its rows have no codes or are dead']],
    // main.ts runs it.
    load: async () => {
      const { addModel } = await import('./commands/options.js');
      return (command) =>
        addModel(command)
          .option('--deep', 'also writes an index on disk and reads it, as --json and any other word do')
          .option('--json', 'one JSON document on stdout');
    },
  },
};

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
  for (const [name, listed] of Object.entries(COMMANDS)) {
    const command = root.command(name).description(listed.description);
    for (const [term, description] of listed.arguments ?? []) command.argument(term, description);
    if (args.includes(name)) (await listed.load())(command, context);
    else command.option('--json'); // the list says whether a command has options
  }
  for (const command of root.commands) inherit(command, root);
  try {
    await root.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (io.stop.aborted && error instanceof FunnelError && error.code === 'ABORTED') throw new Interrupted('Stopped.');
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return; // help was asked for
    if (error.code === 'commander.help') throw new UsageError(`Expected a command\n\n${root.helpInformation()}`);
    const message = error.message.replace(/^error: /, '');
    throw new UsageError(`${message}${remedyOf(error.code, message, args, root.commands)} (funnelvec --help)`);
  }
}

/** Commands that others call otherwise. */
const CALLED: Readonly<Record<string, readonly string[]>> = {
  ingest: ['add', 'create', 'import', 'index', 'insert', 'load', 'upsert'],
  search: ['ask', 'find', 'query'],
};

/** The end of a message: how it is said here, where another command, or another program, says it otherwise. */
function remedyOf(code: string, message: string, args: readonly string[], commands: readonly CommandType[]): string {
  const command = commands.find((one) => one.name() === args[0]);
  if (command === undefined) {
    const here = Object.keys(CALLED).find((name) => CALLED[name]!.includes(args[0] ?? ''));
    return here === undefined || /Did you mean/.test(message) ? '' : `. Its name here is ${here}`;
  }
  const name = command.name();
  const takesLimit = command.options.some(({ long }) => long === '--limit');
  if (takesLimit && /unknown option '--?(?:k|n|top|top[-_]?k)\b/i.test(message)) return '. Its name here is --limit';
  const byOption = command.options.some(({ long }) => long === '--store');
  if (code === 'commander.excessArguments' && byOption) return ` A store is named as in ${name} --store films`;
  const byPlace = command.registeredArguments.some((one) => one.name() === 'index');
  if (/'--(store|to)'/.test(message) && byPlace) return `. An index is named as in ${name} films`;
  return '';
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
