/** A reader told by the command what is wanted of it. */
import type { Reader } from '../files/formats/reader.js';
import { type Mapping, prepareReader } from '../files/mapping.js';
import type { VectorForm } from '../files/vector-type.js';
import { asUsage } from './files.js';

/** @throws as prepareReader(); UsageError: a type that makes no sense, whatever the file has */
export function preparedForCommand(reader: Reader, mapping: Mapping): VectorForm {
  const { vector, vectorType } = mapping;
  const prepare = () => prepareReader(reader, mapping);
  const senseless = vectorType !== undefined && (vector === undefined || reader.kind === 'matrix');
  return senseless ? asUsage(prepare) : prepare();
}
