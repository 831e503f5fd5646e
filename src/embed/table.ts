/** The table of a static model, as float32 in shared memory. */
import { FunnelError } from '../core/errors.js';
import { Safetensors, valuesIn } from './safetensors.js';

/** Names of the table in files of WordLlama, model2vec and sentence-transformers' StaticEmbedding. */
const TABLES = ['embeddings', 'embedding.weight'];

export interface StaticTable {
  /** Name of the table in its file. */
  name: string;
  table: Float32Array;
  width: number;
  weights?: Float32Array;
  mapping?: Int32Array;
}

/** Whether a file can be read as such, and holds a table. */
export async function holdsTable(file: string): Promise<boolean> {
  try {
    const { tensors } = await Safetensors.open(file);
    return TABLES.some((name) => tensors.has(name));
  } catch {
    return false;
  }
}

/** @throws FunnelError CORRUPT, UNSUPPORTED */
export async function readTable(file: string): Promise<StaticTable> {
  const tensors = await Safetensors.open(file);
  const name = TABLES.find((one) => tensors.tensors.has(one));
  const shape = name === undefined ? [] : tensors.tensors.get(name)!.shape;
  if (name === undefined || shape.length !== 2 || valuesIn(shape) === 0) {
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected a table ${TABLES.join(' or ')} of tokens × dims in ${file} but it has ` +
        `${[...tensors.tensors.keys()].slice(0, 3).join(', ')}, ...: ` +
        'a transformer runs from an ONNX file (onnx/model.onnx)',
    );
  }
  const [rows, width] = shape as [number, number];
  const table = shared(rows * width);
  await tensors.floats(name, table);

  const own = async (key: string): Promise<Float32Array | undefined> => {
    const tensor = tensors.tensors.get(key);
    if (tensor === undefined) return undefined;
    const values = shared(valuesIn(tensor.shape));
    await tensors.floats(key, values);
    return values;
  };
  const weights = await own('weights');
  const places = await own('mapping');
  const mapping = places === undefined ? undefined : new Int32Array(new SharedArrayBuffer(4 * places.length));
  mapping?.set(places!);
  if (mapping?.some((row) => row < 0 || row >= rows)) {
    throw new FunnelError('CORRUPT', `Expected rows in 0..${rows - 1} in mapping of ${file}`);
  }
  if (weights !== undefined && weights.length !== (mapping?.length ?? rows)) {
    throw new FunnelError(
      'CORRUPT',
      `Expected ${mapping?.length ?? rows} weights in ${file}, it has ${weights.length}`,
    );
  }
  return { name, table, width, ...(weights && { weights }), ...(mapping && { mapping }) };
}

function shared(size: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(4 * size));
}
