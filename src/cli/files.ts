/** Files of rows as the command reads them: errors name its options, and what the command line got wrong is a usage error. */
import { FunnelError } from '../core/errors.js';
import { checkNeighboursName } from '../files/formats/neighbours.js';
import { type Format, formatOf, hasVectors, isText, openReader } from '../files/formats/open.js';
import type { OptionName, Reader, TextOptions } from '../files/formats/reader.js';
import { UsageError } from './exit.js';

export const optionOfCommand: OptionName = (option, value) => {
  const name = `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  if (value === undefined) return name;
  return `${name} ${/^[\w.<>-]+$/.test(value) ? value : `'${value}'`}`;
};

/** @throws UsageError: nobody says what it is */
export function formatOfFile(path: string, given?: Format): Format {
  return asUsage(() => formatOf(path, given, optionOfCommand));
}

/** @throws UsageError: nobody knows files of this name */
export function checkTruthName(path: string): void {
  asUsage(() => checkNeighboursName(path));
}

/** @throws as openReader(); UsageError */
export function openFile(path: string, format: Format | undefined, reading: TextOptions = {}): Promise<Reader> {
  return openReader(path, formatOfFile(path, format), { ...reading, option: optionOfCommand });
}

/** A refusal of what was asked for, whatever the file has. */
export function asUsage<Value>(work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    if (error instanceof FunnelError && error.code === 'BAD_ARGUMENT') throw new UsageError(error.message);
    throw error;
  }
}

interface FileOfQueries {
  path: string;
  format?: Format;
  text?: readonly string[];
  vector?: string;
}

/** Whether queries of a file are texts, for which a model is needed. */
export function needModel(file: FileOfQueries | undefined): boolean {
  return (
    file !== undefined &&
    file.vector === undefined &&
    (file.text !== undefined || isText(file) || !hasVectors(formatOfFile(file.path, file.format)))
  );
}
