/** funnelvec/files: rows of files in many formats, as indexes and embedders take them. */

export type { PointBatch } from '../store/types.js';
export type { Skipped } from './batches.js';
export { type ColumnDescription, describeFile, type FileDescription } from './describe.js';
export type { Fingerprint } from './fingerprint.js';
export type { Format } from './formats/open.js';
export type { TextOptions } from './formats/reader.js';
export { type GroundTruthOptions, readGroundTruth } from './ground-truth.js';
export { type FileProgress, type ImportFileOptions, type ImportFileResult, importFile } from './import-file.js';
export type { FileOptions, ReadOptions, TextRowOptions, VectorRowOptions } from './options.js';
export type { FilePosition } from './position.js';
export { type FileBatch, readRows, type TextBatch } from './read-rows.js';
export type { VectorType } from './vector-type.js';
