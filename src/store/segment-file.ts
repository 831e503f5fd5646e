/**
 * A segment as sections of a file, and back. Sections are little-endian arrays; `meta` is JSON. An extension has a section `like`
 * in the place of those that say how rows are coded: the name of the file of its build, which has them.
 */
import { Buffer } from '../core/buffer.js';
import { INDEX_METRICS } from '../core/metrics.js';
import type { CodeKernels } from '../kernels/codes.js';
import { BLOCK_ROWS } from '../kernels/codes.js';
import { MOST_SKEW, readBasis, strideOf } from './engine/basis.js';
import { codedMetric } from './engine/centre.js';
import type { Coded } from './engine/extend.js';
import { arrayIn } from './engine/memory.js';
import { centroidCodes } from './engine/partition.js';
import type { Quantiser } from './engine/quantiser.js';
import {
  allBlocks,
  blocksOf,
  type Coding,
  type Lengths,
  type Partition,
  readMask,
  type Segment,
} from './engine/segment.js';
import {
  type ShortlistCoding,
  type ShortlistPlane,
  shortlistBlockBytes,
  shortlistMetric,
} from './engine/shortlist-plane.js';
import { corrupt } from './files/errors.js';
import { LIKE_SECTION } from './files/state.js';
import { inTurns, type Steps } from './files/step.js';
import { isTable, type Load, loadNeighbours, TABLE_SECTIONS, type TablesMeta, tableMeta } from './table-file.js';

interface Section {
  name: string;
  bytes: Uint8Array;
}

/** The members of a segment that are no arrays. */
interface Meta extends TablesMeta {
  dim: number;
  metric: Coding['metric'];
  head: number;
  width: number;
  full: number;
  count: number;
  /** 0: not rotated. */
  basisStep: number;
  lists: number;
  largestNorm: number;
  scales: Record<(typeof LENGTHS)[number], number>;
  /** Whether there is one; files from before there were some say nothing. */
  mean?: boolean;
  /** Files from before it was measured have none. */
  agreement?: number;
  depth?: number;
  /** Whether section `like` names the file that says how rows are coded, and whether its lists are those of that file, too. */
  like?: { lists: boolean };
  /** The shortlist plane, named as in the first files that had one; files from before have none. */
  order?: Pick<ShortlistCoding, 'kind' | 'length'> & { largestNorm: number; zeros: number; mean?: boolean };
}

const LENGTHS = ['coarseError', 'fineError', 'levelError', 'fullError', 'headTail', 'levelTail'] as const;
const PLANES = ['headPlane', 'finePlane', 'levelPlane', 'fullPlane'] as const;
const QUANTISERS = ['headQuantiser', 'levelQuantiser', 'fullQuantiser'] as const;

/** The build of an extension, and the name of its file. */
export interface Like {
  name: string;
  build: Coded;
}

export function* segmentSections(segment: Segment, like?: Like): Generator<Section> {
  const { coding, partition } = segment;
  const sharesLists = partition !== null && partition.codes.plane === like?.build.partition?.codes.plane;
  const { dim, metric, head, width, full, basis } = coding;
  const meta: Meta = {
    dim,
    metric,
    head,
    width,
    full,
    count: segment.count,
    basisStep: basis === null ? 0 : basis.step,
    lists: partition?.halfSquares.length ?? 0,
    largestNorm: segment.largestNorm,
    scales: Object.fromEntries(LENGTHS.map((name) => [name, segment[name].scale])) as Meta['scales'],
    ...(segment.agreement !== undefined && { agreement: segment.agreement }),
    ...(segment.depth !== undefined && { depth: segment.depth }),
    ...(coding.mean !== null && { mean: true }),
    ...(like !== undefined && { like: { lists: sharesLists } }),
    ...tableMeta(segment.neighbours),
    ...(segment.shortlist !== null && {
      order: {
        kind: coding.shortlist!.kind,
        length: coding.shortlist!.length,
        largestNorm: segment.shortlist.largestNorm,
        zeros: segment.shortlist.zeros.length,
        ...(coding.shortlist!.mean !== null && { mean: true }),
      },
    }),
  };
  yield { name: 'meta', bytes: Buffer.from(JSON.stringify(meta)) };
  if (like !== undefined) yield { name: LIKE_SECTION, bytes: Buffer.from(like.name) };
  else yield* codingSections(coding);
  for (const name of PLANES) if (segment[name].length > 0) yield section(name, segment[name]);
  for (const name of LENGTHS) if (segment[name].bytes.length > 0) yield section(name, segment[name].bytes);
  if (segment.norms.length > 0) yield section('norms', segment.norms);
  yield section('ordinals', segment.ordinals);
  if (partition !== null) {
    if (!sharesLists) {
      yield section('centroids', partition.centroids);
      yield section('halfSquares', partition.halfSquares);
    }
    yield section('offsets', partition.offsets);
  }
  if (segment.neighbours !== null) yield section(TABLE_SECTIONS[segment.neighbours.idBytes], segment.neighbours.table);
  if (segment.shortlist !== null) yield* shortlistSections(segment.shortlist);
}

function* codingSections(coding: Coding): Generator<Section> {
  const { mean, basis, shortlist } = coding;
  if (mean !== null) yield section('mean', mean);
  if (basis !== null) yield section('basis', basis.plane);
  for (const name of QUANTISERS) {
    const { base, step } = coding[name];
    if (base.length === 0) continue;
    yield section(`${name}.base`, base);
    yield section(`${name}.step`, step);
  }
  if (shortlist === null) return;
  // The codes of int8 are those of the head and fine planes.
  if (shortlist.kind !== 'int8') {
    yield section('orderQuantiser.base', shortlist.quantiser.base);
    yield section('orderQuantiser.step', shortlist.quantiser.step);
  }
  if (shortlist.mean !== null) yield section('orderMean', shortlist.mean);
}

function* shortlistSections({ plane, norms, zeros }: ShortlistPlane): Generator<Section> {
  yield section('orderPlane', plane);
  if (norms.length > 0) yield section('orderNorms', norms);
  if (zeros.length > 0) yield section('orderZeros', zeros);
}

type LoadQuantiser = (name: (typeof QUANTISERS)[number] | 'orderQuantiser', dims: number) => Steps<Quantiser>;
type LoadMean = (name: 'mean' | 'orderMean', dims: number) => Steps<Float64Array>;

function section(name: string, array: ArrayBufferView): Section {
  return { name, bytes: new Uint8Array(array.buffer, array.byteOffset, array.byteLength) };
}

/**
 * @param read fills `into` with a section, checked
 * @param withFull whether the full plane is to be in memory
 * @param named the segment of a file that is loaded already
 * @throws FunnelError CORRUPT
 */
export function* loadSegment(
  kernels: CodeKernels,
  file: string,
  read: (section: string, into?: Uint8Array) => Steps<Uint8Array>,
  alive: (ordinal: number) => boolean,
  withFull: boolean,
  named: (file: string) => Segment | undefined = () => undefined,
): Steps<Segment> {
  const meta = metaOf(yield* read('meta'), file);
  const { metric, head, width, full, count, lists } = meta;
  const load: Load = function* (name, array) {
    const { bytes } = section(name, array);
    if (bytes.length > 0 && (yield* read(name, bytes)).length < bytes.length) throw corrupt(file, name, 'ends early');
    return array;
  };
  const build = meta.like === undefined ? undefined : named(Buffer.from(yield* read(LIKE_SECTION)).toString());
  if (meta.like !== undefined && !isCodedLike(meta, build))
    throw corrupt(file, LIKE_SECTION, 'names no build of its kind');
  const coding =
    build === undefined
      ? yield* loadCoding(kernels, load, meta, file, withFull)
      : withFull === build.coding.full > 0
        ? build.coding
        : { ...build.coding, full: withFull ? full : 0 };
  const { mean } = coding;
  const padded = blocksOf(count) * BLOCK_ROWS;
  const lengthsOf = function* (name: (typeof LENGTHS)[number], there: boolean): Steps<Lengths> {
    const bytes = yield* load(name, arrayIn(kernels, Uint8Array, there ? padded : 0));
    return { bytes, scale: meta.scales[name] };
  };
  const ordinals = yield* load('ordinals', arrayIn(kernels, Uint32Array, count));
  const headPlane = yield* load('headPlane', arrayIn(kernels, Uint8Array, (padded * head) / 2));
  return {
    coding,
    count,
    headPlane,
    finePlane: yield* load('finePlane', arrayIn(kernels, Uint8Array, (padded * head) / 2)),
    levelPlane: yield* load('levelPlane', arrayIn(kernels, Uint8Array, count * (width - head))),
    fullPlane: yield* load('fullPlane', arrayIn(kernels, Uint8Array, withFull ? count * full : 0)),
    coarseError: yield* lengthsOf('coarseError', true),
    fineError: yield* lengthsOf('fineError', true),
    levelError: yield* lengthsOf('levelError', width > head),
    fullError: yield* lengthsOf('fullError', full > 0),
    headTail: yield* lengthsOf('headTail', true),
    levelTail: yield* lengthsOf('levelTail', true),
    norms: yield* load('norms', arrayIn(kernels, Float32Array, codedMetric(metric, mean) === 'cosine' ? 0 : padded)),
    largestNorm: meta.largestNorm,
    ordinals,
    partition:
      lists === 0 ? null : yield* loadPartition(kernels, load, meta, file, meta.like?.lists ? build : undefined),
    shortlist: coding.shortlist === null ? null : yield* loadShortlist(kernels, load, coding, meta, file),
    neighbours: yield* loadNeighbours(kernels, load, headPlane, meta, file),
    agreement: meta.agreement,
    depth: meta.depth,
    blocks: allBlocks(kernels, count),
    mask: yield* inTurns(readMask(kernels, ordinals, alive)),
  };
}

/** Whether the coding of a build, and its lists, are those that an extension tells of. */
function isCodedLike(
  { dim, metric, head, width, full, lists, like, order }: Meta,
  build: Segment | undefined,
): boolean {
  if (build === undefined) return false;
  const { coding, partition } = build;
  const sameLists = !like!.lists || partition?.halfSquares.length === lists;
  return (
    coding.dim === dim &&
    coding.metric === metric &&
    coding.head === head &&
    coding.width === width &&
    coding.fullQuantiser.base.length === full &&
    coding.shortlist?.kind === order?.kind &&
    sameLists
  );
}

function* loadCoding(kernels: CodeKernels, load: Load, meta: Meta, file: string, withFull: boolean): Steps<Coding> {
  const { dim, metric, head, width, full, basisStep } = meta;
  const quantiser: LoadQuantiser = function* (name, dims) {
    const base = yield* load(`${name}.base`, new Float64Array(dims));
    const step = yield* load(`${name}.step`, new Float64Array(dims));
    if (!step.every((s) => s > 0 && Number.isFinite(s))) throw corrupt(file, `${name}.step`, 'is not positive');
    return { base, step, inverse: step.map((s) => 1 / s) };
  };
  const meanOf: LoadMean = function* (name, dims) {
    const mean = yield* load(name, new Float64Array(dims));
    if (!mean.every(Number.isFinite)) throw corrupt(file, name, 'is not finite');
    return mean;
  };
  const mean = meta.mean === true ? yield* meanOf('mean', dim) : null;
  const plane = basisStep > 0 ? yield* load('basis', arrayIn(kernels, Uint8Array, 2 * width * strideOf(dim))) : null;
  const basis = plane === null ? null : yield* inTurns(readBasis(kernels, plane, basisStep, dim));
  if (basis !== null && !(basis.skew < MOST_SKEW)) throw corrupt(file, 'basis', 'is not orthonormal');
  const headQuantiser = yield* quantiser('headQuantiser', head);
  return {
    dim,
    metric,
    mean,
    basis,
    head,
    width,
    full: withFull ? full : 0,
    headQuantiser,
    levelQuantiser: yield* quantiser('levelQuantiser', width - head),
    fullQuantiser: yield* quantiser('fullQuantiser', full),
    shortlist: meta.order === undefined ? null : yield* shortlistCoding(meta, headQuantiser, quantiser, meanOf),
  };
}

function* loadPartition(
  kernels: CodeKernels,
  load: Load,
  { head: dims, lists, count }: Meta,
  file: string,
  build: Segment | undefined,
): Steps<Partition> {
  const offsets = yield* load('offsets', new Uint32Array(lists + 1));
  if (offsets[0] !== 0 || offsets[lists] !== count || offsets.some((o, i) => i > 0 && o < offsets[i - 1]!)) {
    throw corrupt(file, 'offsets', 'are not those of its rows');
  }
  if (build !== undefined) return { ...build.partition!, offsets };
  const centroids = yield* load('centroids', new Float32Array(dims * lists));
  const codes = centroidCodes(kernels, centroids, dims, lists);
  return { dims, centroids, codes, halfSquares: yield* load('halfSquares', new Float64Array(lists)), offsets };
}

function* shortlistCoding(
  { order }: Meta,
  headQuantiser: Quantiser,
  quantiser: LoadQuantiser,
  meanOf: LoadMean,
): Steps<ShortlistCoding> {
  const { kind, length } = order!;
  const dims = Math.ceil(length / 8) * 8;
  const mean = order!.mean === true ? yield* meanOf('orderMean', length) : null;
  return {
    kind,
    length,
    dims,
    mean,
    quantiser: kind === 'int8' ? headQuantiser : yield* quantiser('orderQuantiser', dims),
  };
}

function* loadShortlist(
  kernels: CodeKernels,
  load: Load,
  { shortlist, metric }: Coding,
  { count, order: meta }: Meta,
  file: string,
): Steps<ShortlistPlane> {
  const blocks = blocksOf(count);
  const withNorms = shortlist!.kind === 'prefix' && shortlistMetric(shortlist!, metric) !== 'cosine';
  const zeros = yield* load('orderZeros', arrayIn(kernels, Uint32Array, meta!.zeros));
  if (zeros.some((row) => row >= count)) throw corrupt(file, 'orderZeros', 'are not rows of it');
  return {
    plane: yield* load('orderPlane', arrayIn(kernels, Uint8Array, blocks * shortlistBlockBytes(shortlist!))),
    norms: yield* load('orderNorms', arrayIn(kernels, Float32Array, withNorms ? blocks * BLOCK_ROWS : 0)),
    largestNorm: meta!.largestNorm,
    zeros,
  };
}

function isOrder({ order, dim, head, count }: Meta): boolean {
  if (order === undefined) return true;
  const { kind, length, largestNorm, zeros } = order;
  const longest = kind === 'int8' ? head : kind === 'binary' || kind === 'prefix' ? dim : 0;
  const isCount = (n: number, most: number) => Number.isSafeInteger(n) && n >= 0 && n <= most;
  const whole = kind === 'prefix' ? length > 0 : length === longest;
  return isCount(length, longest) && whole && isCount(zeros, count) && Number.isFinite(largestNorm);
}

function metaOf(bytes: Uint8Array, file: string): Meta {
  let meta: Meta;
  try {
    meta = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw corrupt(file, 'meta', 'is not JSON', cause);
  }
  const sizes = [meta.dim, meta.head, meta.width, meta.full, meta.count, meta.lists];
  const sane =
    sizes.every((n) => Number.isSafeInteger(n) && n >= 0) &&
    INDEX_METRICS.includes(meta.metric) &&
    meta.head % 8 === 0 &&
    meta.width % 8 === 0 &&
    meta.full % 8 === 0 &&
    meta.width >= meta.head &&
    LENGTHS.every((name) => Number.isFinite(meta.scales?.[name])) &&
    Number.isFinite(meta.basisStep) &&
    meta.basisStep >= 0 &&
    (meta.agreement === undefined || Number.isFinite(meta.agreement)) &&
    (meta.depth === undefined || (Number.isSafeInteger(meta.depth) && meta.depth > 0)) &&
    (meta.like === undefined || typeof meta.like?.lists === 'boolean') &&
    isTable(meta) &&
    isOrder(meta);
  if (!sane) throw corrupt(file, 'meta', 'makes no sense');
  return meta;
}
