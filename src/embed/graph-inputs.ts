/** The inputs of a graph: those that texts have, what of others is refused, and their tensors for a run. */
import path from 'node:path';
import { FunnelError } from '../core/errors.js';
import { onnxFilesOf } from './model-files.js';
import type { OnnxPackage, OnnxSession, OnnxTensor } from './packages.js';
import type { Role } from './types.js';

export interface InputFacts {
  /** The .onnx file, for messages. */
  file: string;
  /** The id that fills a short text up. Such tokens are masked, so that any token of the vocabulary does. */
  padId: number;
  /** Values of the input task_id, by role; for a model that has it. */
  tasks?: Readonly<Record<Role, number>>;
  /** Who said `tasks`. */
  tasksBy?: 'caller' | 'preset';
  /** Value of the input position_ids where a text begins. @default 0 */
  firstPosition?: number;
}

/** Inputs that can be made from ids alone. */
const INPUTS = ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'];
/** The input of models that have an adapter for each task. */
const TASK = 'task_id';

/** Inputs of what is no text, of texts that are written, and of a memory of tokens before. */
const OTHERS: readonly [RegExp, string][] = [
  [
    /^(pixel_|image|input_features|input_values|audio)/,
    'it takes pictures or sounds beside texts: export its text tower alone',
  ],
  [/^decoder_/, 'it writes texts: export its encoder alone'],
  [/^past_key_values/, 'it writes texts: export it for feature extraction, without past'],
];

/** Refuses a graph that wants inputs which texts do not have, and tasks that it has no input for. */
export async function refuseInputs({ inputNames }: OnnxSession, { file, tasks, tasksBy }: InputFacts): Promise<void> {
  for (const name of inputNames) {
    if (INPUTS.includes(name) || (name === TASK && tasks !== undefined)) continue;
    if (name === TASK) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected tasks: { query, document }, numbers of the adapters of ${file}, but received undefined`,
      );
    }
    const message = `Expected only inputs among ${INPUTS.join(', ')} of ${file} but it wants ${name}`;
    const why = OTHERS.find(([names]) => names.test(name))?.[1];
    if (why === undefined) throw new FunnelError('UNSUPPORTED', message);
    const beside = (await onnxFilesOf(path.dirname(file))).filter((one) => one !== path.basename(file));
    const instead = beside.length === 0 ? '' : `, or name one of those beside it as model: ${beside.join(', ')}`;
    throw new FunnelError('UNSUPPORTED', `${message}, since ${why}${instead}`);
  }
  if (tasksBy !== 'caller' || inputNames.includes(TASK)) return;
  throw new FunnelError(
    'BAD_ARGUMENT',
    `Expected no tasks for ${file}, which has no input ${TASK}, but received ${JSON.stringify(tasks)}: ` +
      'leave tasks out, or export the model with its adapters',
  );
}

/** Which adapters are used, for people. */
export function adapterDecisions({ inputNames }: OnnxSession, { tasks, tasksBy }: InputFacts): string[] {
  if (tasks === undefined) return [];
  const { query, document } = tasks;
  const by = tasksBy === 'caller' ? 'the caller says so' : 'the preset says so';
  return [
    inputNames.includes(TASK)
      ? `adapters: ${query} for queries, ${document} for documents (${by})`
      : `adapters: none, the graph has no input ${TASK} for those that the preset knows`,
  ];
}

/** The inputs for these texts, rows × tokens of `dims`: short texts are filled up, and rows without one repeat the first. */
export function feedsOf(
  ort: OnnxPackage,
  session: OnnxSession,
  setup: InputFacts,
  texts: readonly ArrayLike<number>[],
  role: Role,
  dims: [number, number],
): Record<string, OnnxTensor> {
  const [count, length] = dims;
  const { padId, firstPosition = 0 } = setup;
  const feeds: Record<string, OnnxTensor> = {};
  for (const name of session.inputNames) {
    const input = session.inputMetadata?.find((one) => one.name === name);
    if (name === TASK) {
      feeds[name] = tensorOf(ort, input, input?.shape?.length === 0 ? [] : [1], (values) => {
        values[0] = setup.tasks![role];
      });
      continue;
    }
    feeds[name] = tensorOf(ort, input, dims, (values, step) => {
      for (let r = 0; r < count; r++)
        fill(name, texts[r] ?? texts[0]!, values, r * length, length, step, padId, firstPosition);
    });
  }
  return feeds;
}

/** @param write gets the values as int32; `step` apart, since the upper half of an int64 stays 0 */
function tensorOf(
  ort: OnnxPackage,
  input: { type?: string } | undefined,
  dims: number[],
  write: (values: Int32Array, step: number) => void,
): OnnxTensor {
  const size = dims.reduce((product, one) => product * one, 1);
  const type = input?.type ?? 'int64';
  if (type === 'int32') {
    const values = new Int32Array(size);
    write(values, 1);
    return new ort.Tensor(type, values, dims);
  }
  const values = new BigInt64Array(size);
  write(new Int32Array(values.buffer), 2);
  return new ort.Tensor('int64', values, dims);
}

/** The low halves of int64 values are 2 int32 apart on the little-endian machines that onnxruntime runs on. */
function fill(
  name: string,
  ids: ArrayLike<number>,
  values: Int32Array,
  from: number,
  length: number,
  step: number,
  padId: number,
  firstPosition: number,
): void {
  if (name === 'token_type_ids') return; // all of a single text are 0
  for (let t = 0; t < length; t++) {
    const inside = t < ids.length;
    let value = inside ? ids[t]! : padId;
    if (name === 'attention_mask') value = inside ? 1 : 0;
    else if (name === 'position_ids') value = firstPosition + t;
    values[(from + t) * step] = value;
  }
}
