/** The command line of `funnelvec ingest`. */
import type { Command } from 'commander';
import { METRICS } from '../../core/metrics.js';
import type { Metric } from '../../core/types.js';
import { type Format, hasVectors } from '../../files/formats/open.js';
import type { TextOptions } from '../../files/formats/reader.js';
import type { Mapping } from '../../files/mapping.js';
import { VECTOR_TYPES, type VectorType } from '../../files/vector-type.js';
import { UsageError } from '../exit.js';
import { asUsage, formatOfFile, optionOfCommand } from '../files.js';
import type { IngestOptions, IngestResult } from '../ingest.js';
import { print, printJson } from '../io.js';
import { specOf } from '../model.js';
import { count, duration } from '../text.js';
import type { Context } from './context.js';
import {
  addEndpoint,
  addModel,
  addPlace,
  addReading,
  type CommonOptions,
  dimsOrName,
  integer,
  names,
  oneOf,
  textOptions,
  VECTOR_TYPE,
} from './options.js';

const EXAMPLES = `
Examples:
  $ funnelvec ingest films.jsonl --text plot --id imdb --model models/wordllama --to films
  $ funnelvec ingest films.csv --text title,plot --numbers year --model nomic-embed-text-v1.5 --to films
  $ funnelvec ingest export.csv --delimiter ';' --encoding windows-1252 --text title --id isbn --id-type string \\
      --model nomic-embed-text-v1.5 --to books
  $ funnelvec ingest films.jsonl --text plot --embed-url http://127.0.0.1:11434/v1 --embed-model bge-m3 --to films
  $ funnelvec ingest scroll.jsonl.gz --vector vector.full --id id --payload payload.title,payload.year --to films
  $ funnelvec ingest vectors.npy --to vectors
  $ funnelvec ingest saved_dataset --vector embedding --id id --to films   (a folder of Hugging Face's datasets)
  $ funnelvec ingest films.parquet --vector embedding --payload title,year \\
      --milvus 127.0.0.1:19530 --collection films --head 128

Columns may lie in objects: --vector _source.embedding, as filters name them; what is kept of payload.year is found by
payload.year. Integers are exact: ids beyond 2^53 need --id-type string, which keeps their digits. A line that is no text in
its encoding is a broken row. Files may be packed: .jsonl.gz, .csv.gz.

Ctrl-C, a crash or a full disk lose nothing that was written: the same command goes on from there. What the command
knows of the store (files, columns, model) is in funnelvec.json in the folder of an index, and for databases in
$FUNNELVEC_STATE (default: ~/.local/state/funnelvec).`;

interface Options extends CommonOptions, TextOptions {
  to?: string;
  text?: string[];
  vector?: string;
  vectorType?: VectorType;
  id?: string;
  idType?: 'number' | 'string';
  payload?: string[] | false;
  numbers?: string[];
  strings?: string[];
  format?: Format;
  metric?: Metric;
  batch?: number;
  skipBroken?: boolean;
  restart?: boolean;
  breakLock?: boolean;
  json?: boolean;
}

export function addIngest(command: Command, { io, load }: Context): void {
  addPlace(command, '--to');
  command
    .option('--text <columns>', 'the text that is embedded; of several columns, line by line', names('--text'))
    .option('--vector <column>', 'vectors, in place of texts')
    .option('--vector-type <type>', VECTOR_TYPE, oneOf('--vector-type', VECTOR_TYPES))
    .option('--id <column>', 'ids (default: the number of the row)')
    .option(
      '--id-type <type>',
      'number or string (default: as the first row has it)',
      oneOf('--id-type', ['number', 'string']),
    )
    .option(
      '--payload <columns>',
      'what is kept beside the vector (default: all but id and vector)',
      names('--payload'),
    )
    .option('--no-payload', 'nothing is kept beside the vector')
    .option('--numbers <columns>', 'columns of text files that have numbers', names('--numbers'))
    .option('--strings <columns>', 'columns whose numbers are kept as text, digit by digit', names('--strings'));
  addReading(command);
  addEndpoint(addModel(command))
    .option(
      '--head <dims or name>',
      'dims of the head vectors (an index has a better head of its own); or the name that a database has them under',
      dimsOrName('--head'),
    )
    .option('--full <name>', 'beside a name for --head: the vector with all dims (the same where there is no head)')
    .option('--metric <metric>', METRICS.join(', '), oneOf('--metric', METRICS))
    .option('--batch <rows>', 'rows that are embedded and written at once', integer('--batch', 1, 1 << 16))
    .option('--skip-broken', 'passes over rows that cannot be read, and lists them')
    .option('--restart', 'removes the store, and begins anew')
    .option(
      '--break-lock',
      'of an index: writes though another writer, dead for certain, cannot be seen to be so from here',
    )
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', EXAMPLES)
    .action(async (files: string[], options: Options) => {
      const { placeOf } = await import('../stores/open.js');
      const place = placeOf(
        { ...options, ...(options.to !== undefined && { store: options.to }) },
        io.env,
        '--to',
        true,
      );
      const { filesIn } = await import('../../files/formats/folders.js');
      const own = ingestOptions(filesIn(files), options);
      const { checkMapping } = await import('../../files/mapping.js');
      asUsage(() => checkMapping(own.mapping, own.idType, optionOfCommand));
      const { ingest } = await import('../ingest.js');
      const result = await ingest(place, own, io, load);
      if (io.json) printJson(io, result);
      else print(io, textOf(result, options));
    });
}

/** @throws UsageError */
function ingestOptions(files: readonly string[], options: Options): IngestOptions {
  const twice = files.find((file, i) => files.indexOf(file) !== i);
  if (twice !== undefined) throw new UsageError(`Expected each file once but received ${twice} twice`);
  const formats = files.map((file) => formatOfFile(file, options.format));
  const { text, vector, vectorType, id, idType, payload, numbers = [], strings } = options;
  const model = specOf(options);
  const vectorsAlone = formats.every(hasVectors);
  if (text === undefined && vector === undefined && !vectorsAlone) {
    throw new UsageError('Expected --text <columns>, or --vector <column>');
  }
  if (text !== undefined && model === undefined) {
    throw new UsageError(
      'Expected --model <name or path>, or --embed-url <url>, beside --text: what makes vectors of texts',
    );
  }
  if (text === undefined && model !== undefined) throw new UsageError('Expected --text beside --model');
  const mapping: Mapping = {
    ...(text && { text }),
    ...(vector !== undefined && { vector }),
    ...(vectorType && { vectorType }),
    ...(id !== undefined && { id }),
    payload: payload === false ? [] : (payload ?? 'rest'),
    numbers,
    ...(strings && { strings }),
  };
  const { format, head, metric, batch, skipBroken = false, restart = false } = options;
  return {
    files,
    mapping,
    skipBroken,
    restart,
    reading: textOptions(options, formats),
    ...(format && { format }),
    ...(idType && { idType }),
    ...(model && { model }),
    ...(typeof head === 'number' && { head }),
    ...(metric && { metric }),
    ...(batch !== undefined && { batch }),
  };
}

function textOf(result: IngestResult, options: Options): string {
  const { store, rows, written, dim, head, model, skipped, duplicates, unseen, seconds } = result;
  const perSecond = seconds > 0 ? Math.round(written / seconds) : 0;
  const rate = perSecond > 0 ? ` (${count(perSecond)} rows/s)` : '';
  const from = rows > written ? 'after those that were there' : 'from 0 on';
  const shape = `${dim} dims${head === null ? '' : `, heads of ${head}`}${model === null ? '' : `, ${model}`}`;
  const lines = [
    `${count(written)} rows written in ${duration(seconds)}${rate}; ${store} has ${count(rows)}: ${shape}`,
    ...(written > 0 && options.id === undefined
      ? [`Ids are the numbers of the rows, ${from}; --id <column> takes those of a column`]
      : []),
    ...(duplicates > 0 ? [`${count(duplicates)} rows took the place of others, since they have their ids`] : []),
    ...(skipped.count > 0 ? [`${count(skipped.count)} broken rows were passed over:`] : []),
    ...skipped.first.map(({ why }) => `  ${why}`),
    ...(skipped.count > skipped.first.length ? [`  and ${count(skipped.count - skipped.first.length)} more`] : []),
    ...unseen.map(({ file, columns }) => {
      const names = columns.map((name) => JSON.stringify(name)).join(', ');
      return `No row that was read of ${file} has ${names}: named by --payload, --numbers or --strings`;
    }),
  ];
  const where = options.to !== undefined ? `--store ${options.to}` : placeWords(options);
  const query = model === null ? '--vector query.json' : '"what you are looking for"';
  return [...lines, `Search it: funnelvec search ${where} ${query}`].join('\n');
}

function placeWords({ milvus, qdrant, collection }: Options): string {
  return `${milvus === undefined ? `--qdrant ${qdrant}` : `--milvus ${milvus}`} --collection ${collection}`;
}
