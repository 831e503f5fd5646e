/** `funnelvec/source`: what a source of your own is written with. The suite for it is in `funnelvec/source/conformance`. */
export { expected, FunnelError, type FunnelErrorCode } from '../errors.js';
export type { Bounds, FilterNode, NumberBounds, Path, Scalar, Step } from '../query/filter/ast.js';
export { compileFilter, type FilterTest } from '../query/filter/evaluate.js';
export { parseFilter } from '../query/filter/parse.js';
export { checkParams, type KnownParams } from '../query/params.js';
export { checkPayloadSelection, type PayloadSelector, payloadSelection } from '../query/payload.js';
export type { Examples, Strategy } from '../query/recommend.js';
export type { FilterStats, Id, IdKind, Metric, PackedCandidates, Vector } from '../types.js';
export { checkIds, checkInteger, checkKeys } from '../validate.js';
export { type CallOptions, guarded } from './call.js';
export { Known, type KnownOptions } from './known.js';
export { checkHeadQuery, type HeadOf, headBy } from './layout.js';
export { type PackableRow, type PackOptions, packRows } from './pack.js';
export { checkFetchRequest, checkHeadRequest, checkScanRequest, type RequestLimits } from './requests.js';
export { inOrder, joined } from './rows.js';
export {
  type Exactness,
  type FetchAnswer,
  type FetchRequest,
  type HeadAnswer,
  type HeadRequest,
  type PackedRows,
  type PayloadSelection,
  type Restriction,
  rowsAtOnce,
  type ScanAnswer,
  type ScanRequest,
  type SearchParams,
  type Source,
  type SourceInfo,
} from './source.js';
