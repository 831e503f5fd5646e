/** Steps behind pooling that a folder of sentence-transformers has: layers that change a text's vector, in its order. */

import path from 'node:path';
import { FunnelError } from '../core/errors.js';
import { expMinusOne, expOf, logOfOnePlus, tanhOf } from '../core/exact-math.js';
import { readJson } from './folder.js';
import { Safetensors, valuesIn } from './safetensors.js';

/** A module as modules.json has it: the last part of its type, and its folder. */
export interface Module {
  kind: string;
  folder: string;
}

export type VectorStep = (row: Float64Array) => Float64Array;

/**
 * @param modules those behind pooling
 * @throws FunnelError UNSUPPORTED, naming what is not done here; NO_MODEL, CORRUPT
 */
export async function readSteps(modules: readonly Module[]): Promise<{ steps: VectorStep[]; decisions: string[] }> {
  const unknown = modules.find(({ kind }) => !['Dense', 'Normalize', 'Dropout'].includes(kind));
  if (unknown !== undefined) {
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected Transformer, Pooling, Dense and Normalize, in that order, in modules.json but it has ${unknown.kind} ` +
        `(${unknown.folder}): use a model file that does its steps itself (output sentence_embedding)`,
    );
  }
  const steps: VectorStep[] = [];
  const decisions: string[] = [];
  for (const { kind, folder } of modules) {
    if (kind === 'Normalize') {
      steps.push(toLengthOne);
      decisions.push('step: length 1');
    } else if (kind === 'Dense') {
      const { step, words } = await readDense(folder);
      steps.push(step);
      decisions.push(`step: ${words}`);
    }
  }
  return { steps, decisions };
}

/** As torch.nn.functional.normalize: a vector of zeros stays one. */
function toLengthOne(row: Float64Array): Float64Array {
  const length = Math.max(Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)), 1e-12);
  return row.map((value) => value / length);
}

async function readDense(folder: string): Promise<{ step: VectorStep; words: string }> {
  const configFile = path.join(folder, 'config.json');
  const config = ((await readJson(configFile))?.value ?? {}) as Record<string, unknown>;
  refuseKeys(config, configFile);
  const name = config['activation_function'] ?? 'torch.nn.modules.activation.Tanh'; // the class's default
  const activation = activationNamed(String(name), configFile);
  const file = path.join(folder, 'model.safetensors');
  const tensors = await openWeights(file);
  const shape = tensors.tensors.get('linear.weight')?.shape ?? [];
  const [to = 0, from = 0] = shape;
  if (shape.length !== 2 || to === 0 || from === 0) {
    throw new FunnelError('CORRUPT', `Expected a matrix linear.weight in ${file} but it has [${shape.join(', ')}]`);
  }
  for (const [key, size] of [
    ['in_features', from],
    ['out_features', to],
  ] as const) {
    if (config[key] === undefined || config[key] === size) continue;
    throw new FunnelError(
      'CORRUPT',
      `Expected ${key} ${size}, as ${file} has it, in ${configFile} but received ${config[key]}`,
    );
  }
  const weight = new Float32Array(to * from);
  await tensors.floats('linear.weight', weight);
  let bias: Float32Array | undefined;
  if (config['bias'] !== false) {
    const size = valuesIn(tensors.tensors.get('linear.bias')?.shape ?? [0]);
    if (size !== to)
      throw new FunnelError('CORRUPT', `Expected ${to} values of linear.bias in ${file} but received ${size}`);
    bias = new Float32Array(to);
    await tensors.floats('linear.bias', bias);
  }
  const short = String(name).split('.').pop();
  return {
    step: (row) => multiplied(row, weight, bias, to, activation, folder),
    words: `Dense of ${from} dims to ${to}, ${bias === undefined ? 'no bias' : 'bias'}, ${short} (${path.basename(folder)})`,
  };
}

async function openWeights(file: string): Promise<Safetensors> {
  try {
    return await Safetensors.open(file);
  } catch (cause) {
    if (cause instanceof FunnelError) throw cause;
    throw new FunnelError(
      'NO_MODEL',
      `Expected the weights of a Dense layer, which modules.json names, at ${file} but there are none: put the file there ` +
        '(pytorch_model.bin is not read), or use a model file that does its steps itself (output sentence_embedding)',
      { cause },
    );
  }
}

/** Refuses keys that would make another vector than this layer's. */
function refuseKeys(config: Record<string, unknown>, file: string): void {
  const idle: Record<string, unknown> = {
    module_input_name: 'sentence_embedding',
    module_output_name: 'sentence_embedding',
  };
  for (const [key, expected] of Object.entries({ ...idle, use_residual: false })) {
    const value = config[key];
    if (value === undefined || value === null || value === expected) continue;
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected ${key} ${JSON.stringify(expected)} in ${file} but received ${JSON.stringify(value)}`,
    );
  }
}

function multiplied(
  row: Float64Array,
  weight: Float32Array,
  bias: Float32Array | undefined,
  to: number,
  activation: (value: number) => number,
  folder: string,
): Float64Array {
  const from = row.length;
  if (from * to !== weight.length) {
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected vectors of ${weight.length / to} dims before the Dense layer of ${folder} but received ${from}`,
    );
  }
  const out = new Float64Array(to);
  for (let o = 0, at = 0; o < to; o++) {
    let sum = bias === undefined ? 0 : bias[o]!;
    for (let d = 0; d < from; d++, at++) sum += weight[at]! * row[d]!;
    out[o] = activation(sum);
  }
  return out;
}

/** PyTorch's, with its defaults. */
const ACTIVATIONS: Readonly<Record<string, (x: number) => number>> = {
  Identity: (x) => x,
  Tanh: tanhOf,
  ReLU: (x) => (x > 0 || Number.isNaN(x) ? x : 0),
  ReLU6: (x) => Math.min(Math.max(x, 0), 6),
  LeakyReLU: (x) => (x > 0 ? x : 0.01 * x),
  ELU: (x) => (x > 0 ? x : expMinusOne(x)),
  Sigmoid: (x) => 1 / (1 + expOf(-x)),
  SiLU: (x) => x / (1 + expOf(-x)),
  Softplus: (x) => (x > 20 ? x : logOfOnePlus(expOf(x))),
  Mish: (x) => x * tanhOf(x > 20 ? x : logOfOnePlus(expOf(x))),
  GELU: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
};

function activationNamed(name: string, file: string): (x: number) => number {
  const known = /^torch\.nn\.(?:modules\.\w+\.)?(\w+)$/.exec(name)?.[1] ?? '';
  if (Object.hasOwn(ACTIVATIONS, known)) return ACTIVATIONS[known]!;
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected one of torch.nn's ${Object.keys(ACTIVATIONS).join(', ')} for activation_function in ${file} but received ` +
      JSON.stringify(name),
  );
}

/** The error function, by the series whose terms all have one sign. */
function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * expOf(-x * x) * sum;
}
