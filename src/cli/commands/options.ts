/** Options that several commands have, and how their values are read. */
import type { Command } from 'commander';
import { checkReading, FORMATS, type Format, isDelimiter } from '../../files/formats/open.js';
import type { TextOptions } from '../../files/formats/reader.js';
import { VECTOR_TYPES } from '../../files/vector-type.js';
import { encodingOf } from '../../store/import/encoding.js';
import { asUsage, optionOfCommand } from '../files.js';
import type { PlaceOptions } from '../stores/open.js';

/** @throws what commander makes a usage error of */
export function integer(name: string, least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw notA(
      `an integer of ${most === Number.MAX_SAFE_INTEGER ? `at least ${least}` : `${least} to ${most}`}`,
      name,
      text,
    );
  };
}

export function oneOf<T extends string>(name: string, values: readonly T[]): (text: string) => T {
  return (text) => {
    if (values.includes(text as T)) return text as T;
    throw notA(`one of ${values.join(', ')}`, name, text);
  };
}

/** Names with commas between; the option may come several times. */
export function names(name: string): (text: string, before: string[] | undefined) => string[] {
  return (text, before = []) => {
    const some = text.split(',').map((one) => one.trim());
    if (some.includes('')) throw notA('names with commas between', name, text);
    return [...before, ...some];
  };
}

export function integers(name: string): (text: string) => number[] {
  return (text) => text.split(',').map((one) => integer(name, 1)(one.trim()));
}

/** 64, or the name of a vector. */
export function dimsOrName(name: string): (text: string) => number | string {
  return (text) => (/^\d+$/.test(text) ? integer(name, 1)(text) : text);
}

/** 0.5; or one for each scale, with commas between. */
export function shares(name: string): (text: string) => number | number[] {
  return (text) => {
    const some = text.split(',').map(Number);
    if (some.every((one) => one > 0 && one <= 1)) return some.length === 1 ? some[0]! : some;
    throw notA('shares above 0, at most 1,', name, text);
  };
}

/** Above 0 and below 1. */
export function shareOption(name: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (value > 0 && value < 1) return value;
    throw notA('a number above 0 and below 1', name, text);
  };
}

/** A label of the WHATWG's, as the encoding's name. */
function encoding(label: string): string {
  try {
    return encodingOf(label, '--encoding');
  } catch (error) {
    throw invalid((error as Error).message);
  }
}

/** One character; a tab may be spelled. */
function delimiter(text: string): string {
  const one = text === '\\t' ? '\t' : text;
  if (isDelimiter(one)) return one;
  throw notA(
    "one character that is no quote and no line break, such as ';' or '\\t',",
    '--delimiter',
    JSON.stringify(text),
  );
}

/** How files are read. */
export function addReading(command: Command): Command {
  return command
    .option('--format <format>', FORMATS.join(', '), oneOf('--format', FORMATS))
    .option(
      '--encoding <label>',
      'of text files: windows-1252, shift_jis, … (default: utf-8; utf-16 where a byte order mark says so)',
      encoding,
    )
    .option(
      '--delimiter <character>',
      "between values of CSV: ';', '\\t', … (default: a comma; of .tsv a tab)",
      delimiter,
    )
    .option('--table <name>', 'of an SQLite database: the table or view (default: the only one)');
}

/** @throws UsageError: an option that none of the files has a use for */
export function textOptions(
  { encoding, delimiter, table }: TextOptions,
  formats: readonly (Format | 'txt')[],
): TextOptions {
  const reading: TextOptions = { encoding, delimiter, table };
  asUsage(() => checkReading(reading, formats, optionOfCommand));
  return Object.fromEntries(Object.entries(reading).filter(([, value]) => value !== undefined));
}

function notA(what: string, name: string, text: string): Error {
  return invalid(`Expected ${what} for ${name} but received ${text}`);
}

function invalid(message: string): Error {
  // By its shape: commander is loaded only when there is a command line to read.
  const error = new Error(message);
  return Object.assign(error, { name: 'CommanderError', code: 'commander.invalidArgument', exitCode: 2 });
}

export function addPlace(command: Command, name = '--store'): Command {
  return command
    .option(`${name} <folder>`, 'an embedded index')
    .option('--milvus <address>', 'Milvus at host:port (its token: MILVUS_TOKEN)')
    .option('--qdrant <url>', 'Qdrant at the URL of its REST interface (its key: QDRANT_API_KEY)')
    .option('--collection <name>', 'of Milvus or Qdrant');
}

/** The help text of `--vector-type`. */
export const VECTOR_TYPE = `what bytes or unsigned integers of vectors are: ${VECTOR_TYPES.join(', ')}`;

/** Adds the options that say what is searched: a prefix of an index, or vectors of a database. */
export function addVectorOptions(command: Command): Command {
  return command
    .option(
      '--head <dims or name>',
      'of an index: searched by a prefix, as a database is; of a database: the vector that it searches first',
      dimsOrName('--head'),
    )
    .option('--full <name>', 'of a database: the vector with all dims (without both: the only one)')
    .option(
      '--missing-vectors <what>',
      'points of Qdrant without the full vector: error (default) or skip',
      oneOf('--missing-vectors', ['error', 'skip']),
    );
}

/** Dims of an index's prefix; of a database --head is a name. */
export function headDims({ store, head }: PlaceOptions): number | undefined {
  return store !== undefined && typeof head === 'number' ? head : undefined;
}

export function addModel(command: Command): Command {
  return command
    .option('--model <name or path>', 'a preset, or the files of a model')
    .option('--preset <name>', 'with a path: the preset whose facts these files have')
    .option('--dim <dims>', 'cuts vectors to so many dims', integer('--dim', 1))
    .option('--strip', 'leaves out blanks at both ends of texts, as sentence-transformers did until 5.3')
    .option('--output <name>', 'of an ONNX model: the output that vectors are made of, where it has no known name')
    .option(
      '--batch-size <texts>',
      'texts in one run of an ONNX model, at most; 1: a text has the same vector always, with quantised models too',
      integer('--batch-size', 1, 2 ** 31 - 1),
    );
}

/** A model that somebody serves. */
export function addEndpoint(command: Command): Command {
  return command
    .option('--embed-url <url>', 'in place of --model: an endpoint as OpenAI’s (its key: FUNNELVEC_EMBED_KEY)')
    .option('--embed-model <name>', 'the model there')
    .option('--query-prefix <text>', 'of an endpoint: put before each query')
    .option('--document-prefix <text>', 'of an endpoint: put before each text that is kept');
}

export interface CommonOptions extends PlaceOptions {
  embedUrl?: string;
  embedModel?: string;
  queryPrefix?: string;
  documentPrefix?: string;
  model?: string;
  preset?: string;
  dim?: number;
  strip?: boolean;
  output?: string;
  batchSize?: number;
}

/** The option that says which model. */
export function nameOfModel({ embedUrl, model }: CommonOptions): string {
  return embedUrl !== undefined ? '--embed-url' : model !== undefined ? '--model' : '--preset';
}
