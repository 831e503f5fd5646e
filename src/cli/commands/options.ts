/** Options that several commands have, and how their values are read. */
import type { Command } from 'commander';
import type { PlaceOptions } from '../stores/open.js';
import { VECTOR_TYPES } from '../vector-type.js';

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

/** 0.5; or one for each scale, with commas between. */
export function shares(name: string): (text: string) => number | number[] {
  return (text) => {
    const some = text.split(',').map(Number);
    if (some.every((one) => one > 0 && one <= 1)) return some.length === 1 ? some[0]! : some;
    throw notA('shares above 0, at most 1,', name, text);
  };
}

/** Above 0 and below 1. */
export function share(name: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (value > 0 && value < 1) return value;
    throw notA('a number above 0 and below 1', name, text);
  };
}

function notA(what: string, name: string, text: string): Error {
  // By its shape: commander is loaded only when there is a command line to read.
  const error = new Error(`Expected ${what} for ${name} but received ${text}`);
  return Object.assign(error, { name: 'CommanderError', code: 'commander.invalidArgument', exitCode: 2 });
}

export function addPlace(command: Command, name = '--store'): Command {
  return command
    .option(`${name} <folder>`, 'an embedded index')
    .option('--milvus <address>', 'Milvus at host:port (its token: MILVUS_TOKEN)')
    .option('--qdrant <url>', 'Qdrant at the URL of its REST interface (its key: QDRANT_API_KEY)')
    .option('--collection <name>', 'of Milvus or Qdrant');
}

/** Of `--vector-type`. */
export const VECTOR_TYPE = `what bytes or unsigned integers of vectors are: ${VECTOR_TYPES.join(', ')}`;

export function addModel(command: Command): Command {
  return command
    .option('--model <name or path>', 'a preset, or the files of a model')
    .option('--preset <name>', 'with a path: the preset whose facts these files have')
    .option('--dim <dims>', 'cuts vectors to so many dims', integer('--dim', 1));
}

export interface CommonOptions extends PlaceOptions {
  model?: string;
  preset?: string;
  dim?: number;
}
