/** `funnelvec/source`: what a source of your own is written with. The suite for it is in `funnelvec/source/conformance`. */

export { type CallOptions, guarded } from '../core/call.js';
export { expected, FunnelError, type FunnelErrorCode } from '../core/errors.js';
export { type PackableRow, type PackOptions, packRows } from '../core/pack.js';
export type { FilterStats, Id, IdKind, Metric, PackedCandidates, Vector } from '../core/types.js';
export { checkIds, checkInteger, checkKeys } from '../core/validate.js';
export type { Bounds, FilterNode, NumberBounds, Path, Scalar, Step } from '../query/filter/ast.js';
export { compileFilter, type FilterTest } from '../query/filter/evaluate.js';
export { parseFilter } from '../query/filter/parse.js';
export { checkParams, type KnownParams } from '../query/params.js';
export { checkPayloadSelection, type PayloadSelector, payloadSelection } from '../query/payload.js';
export { type Examples, type Strategy, similarityOf, strategyScore } from '../query/recommend.js';
export { checkHeadQuery, type HeadOf, headBy } from '../query/source/layout.js';
export { checkFetchRequest, checkHeadRequest, checkScanRequest, type RequestLimits } from '../query/source/requests.js';
export { inOrder, joined } from '../query/source/rows.js';
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
  type ServerScales,
  type ServerStage,
  type Source,
  type SourceInfo,
  type StagedRequest,
} from '../query/source/source.js';
export { Known, type KnownOptions } from './known.js';
