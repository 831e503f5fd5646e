// Prints the peak memory, in bytes, of any program of Node that loads this model by onnxruntime-node, without a text
// embedded: floor.mjs MODEL.onnx [mapped]. mapped: as Embedder loads it, weights left in the file.
import { readFileSync } from 'node:fs';
import { InferenceSession } from 'onnxruntime-node';
import { mappedModel } from '../../dist/esm/embed/weights.js';

const [file, how] = process.argv.slice(2);
const mapped = how === 'mapped' ? mappedModel(file) : undefined;
const session = { model_external_initializers_file_folder_path: mapped?.folder };
const options = { intraOpNumThreads: 1, interOpNumThreads: 1, ...(mapped && { extra: { session } }) };
await InferenceSession.create(mapped?.bytes ?? file, options);
const [, peak] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
process.stdout.write(`${Number(peak) * 1024}\n`);
