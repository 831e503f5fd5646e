/** A packed index as sections of a segment file; see column-file.ts. */

import { Buffer } from '../../core/buffer.js';
import type { Sliced } from '../../core/slices.js';
import { WIDE_SECTION } from '../files/state.js';
import type { ColumnMeta } from './column-file.js';
import { FACTS, type PayloadFacts } from './facts.js';
import { isBigint, type Packed } from './postings.js';

interface Section {
  name: string;
  bytes: Uint8Array;
}

export function* columnSections(
  given: Pick<ColumnMeta, 'key' | 'type' | 'rows'>,
  packed: PayloadFacts<Packed>,
): Sliced<Section[]> {
  const wide = given.type !== 'keyword' && !(packed.values.values instanceof Float64Array);
  const meta: ColumnMeta = { ...given, exact: true, ...(wide && { wide }) };
  const sections: Section[] = [{ name: 'meta', bytes: Buffer.from(JSON.stringify(meta)) }];
  for (const kind of FACTS) {
    const { values, offsets, ordinals } = packed[kind];
    if (values instanceof Float64Array) sections.push(section(`${kind}.values`, values));
    else if (given.type === 'keyword') sections.push(...(yield* stringSections(kind, values as readonly string[])));
    else sections.push(...(yield* wideSections(kind, values as readonly (number | bigint)[])));
    sections.push(section(`${kind}.offsets`, offsets), section(`${kind}.ordinals`, ordinals));
  }
  return sections;
}

function* stringSections(kind: string, strings: readonly string[]): Sliced<Section[]> {
  const starts = new Float64Array(strings.length + 1);
  for (let i = 0; i < strings.length; i++) {
    starts[i + 1] = starts[i]! + strings[i]!.length;
    if (i % STRINGS_AT_ONCE === 0) yield;
  }
  const units = Buffer.alloc(2 * starts.at(-1)!);
  for (let i = 0; i < strings.length; i++) {
    units.write(strings[i]!, 2 * starts[i]!, 'utf16le');
    if (i % STRINGS_AT_ONCE === 0) yield;
  }
  return [section(`${kind}.starts`, starts), { name: `${kind}.values`, bytes: units }];
}

const STRINGS_AT_ONCE = 1024;

function* wideSections(kind: string, numbers: readonly (number | bigint)[]): Sliced<Section[]> {
  const near = new Float64Array(numbers.length);
  const places: number[] = [];
  let digits = '';
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i]!;
    near[i] = Number(value);
    if (isBigint(value)) {
      places.push(i);
      digits += `${value}\n`;
    }
    if (i % STRINGS_AT_ONCE === 0) yield;
  }
  return [
    section(`${kind}.values`, near),
    section(`${kind}.places`, Uint32Array.from(places)),
    { name: WIDE_SECTION, bytes: Buffer.from(digits, 'latin1') },
  ];
}

function section(name: string, { buffer, byteOffset, byteLength }: ArrayBufferView): Section {
  return { name, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
}
