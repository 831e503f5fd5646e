/** Finds the files of a model in its folder, by the names that exporters write. */
import { access, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { FunnelError } from '../core/errors.js';
import { homeIn, modulesOf, valueIn } from './folder.js';
import { type Preset, presets } from './presets.js';
import { holdsTable } from './table.js';
import type { EmbedderOptions } from './types.js';

export interface ModelFiles {
  folder: string;
  model: string;
  tokenizer: string;
}

/** Below onnx/ first, as exports to the hub have it. */
const placesOf = (names: readonly string[]) => names.flatMap((name) => [`onnx/${name}.onnx`, `${name}.onnx`]);
/** The text's part of a larger model. */
const TOWER = 'text_model';
/** The file of the whole precision: as exported, then what an optimiser made of it, then the text's part of a larger model. */
const FLOAT32 = placesOf(['model', 'model_O1', 'model_O2', 'model_O3', TOWER, 'encoder_model']);
/** O4 is the optimiser's float16. */
const FLOAT16 = placesOf(['model_fp16', 'model_O4', `${TOWER}_fp16`]);
const OF_INTEL = ['model_qint8_avx512_vnni', 'model_quint8_avx2', 'model_qint8_avx512'];
const OF_ARM = ['model_qint8_arm64'];
/** Files made for this machine come before those for others, which run as well, but slower. */
const INT8 = placesOf([
  ...['model_quantized', 'model_int8', 'model_uint8'],
  ...(process.arch === 'arm64' ? [...OF_ARM, ...OF_INTEL] : [...OF_INTEL, ...OF_ARM]),
  ...[`${TOWER}_quantized`, `${TOWER}_int8`, `${TOWER}_uint8`],
]);
const INT4 = placesOf([
  ...['model_q4', 'model_q4f16', 'model_bnb4'],
  ...[`${TOWER}_q4`, `${TOWER}_q4f16`, `${TOWER}_bnb4`],
]);
const STATIC = ['model.safetensors', '0_StaticEmbedding/model.safetensors'];

/** @throws FunnelError NO_MODEL, which says what to put where */
export async function findModel(options: EmbedderOptions, preset?: Preset): Promise<ModelFiles> {
  const folder = folderOf(options, preset);
  const wanted = preset?.files ?? [];
  const where = preset === undefined ? `a model in ${folder}` : `preset ${preset.name} in ${folder}`;
  if (!(await isFolder(folder))) throw missing(where, 'there is no such folder', preset);

  const kinds = modulesOf(await valueIn(path.join(folder, 'modules.json')));
  const home = homeIn(kinds);
  const joint = options.model === undefined && (await isJoint(path.join(folder, home)));
  const [candidates, tokenizers] = [
    options.model === undefined ? modelNames(options, wanted[0], joint) : [options.model],
    options.tokenizer === undefined
      ? [...(wanted[1] ?? []), 'tokenizer.json', '0_StaticEmbedding/tokenizer.json']
      : [options.tokenizer],
  ];
  const below = (names: readonly string[]) =>
    home === '' ? [] : names.filter((name) => /\.(onnx|json)$/.test(name)).map((name) => path.posix.join(home, name));
  const there = [
    ...(await onnxFilesOf(folder)),
    ...below(home === '' ? [] : await onnxFilesOf(path.join(folder, home))),
  ];
  // Beside an ONNX file model.safetensors is most often the transformer's own, which is no table.
  const tables = options.precision === 'int8' || (there.length > 0 && !(await isTable(folder, kinds))) ? [] : STATIC;
  const model =
    options.model === undefined
      ? ((await firstOf(folder, [...candidates, ...below(candidates), ...tables])) ??
        onlyOnnx(folder, there, options.precision))
      : await firstOf(folder, candidates);
  if (model === undefined) {
    const instead = there.length === 0 ? '' : ` (there are ${there.join(', ')}: name one as model)`;
    const others = candidates.length - SHOWN;
    const more = others > 0 ? ` nor one of ${others} other names that exporters write` : '';
    const fits = preset === undefined ? await presetOf(folder) : undefined;
    const why = `there is no ${listed(candidates.slice(0, SHOWN))}${more}${instead}`;
    if (fits === undefined) throw missing(where, why, preset);
    const remedy = `Its files are those of preset ${fits}: name that, too (of the command: --preset ${fits})`;
    throw new FunnelError('NO_MODEL', `Expected the files of ${where} but ${why}. ${remedy}`);
  }
  if (!/\.(onnx|safetensors)$/.test(model)) {
    throw new FunnelError('BAD_ARGUMENT', `Expected a .onnx or .safetensors file for model but received ${model}`);
  }
  const tokenizer = await firstOf(
    folder,
    options.tokenizer === undefined ? [...tokenizers, ...below(['tokenizer.json'])] : tokenizers,
  );
  if (tokenizer === undefined) throw missing(where, `there is no ${listed(tokenizers)}`, preset);
  return { folder, model, tokenizer };
}

function folderOf({ path: folder, model }: EmbedderOptions, preset?: Preset): string {
  if (folder !== undefined) return path.resolve(folder);
  if (model !== undefined) {
    const beside = path.dirname(path.resolve(model));
    return path.basename(beside) === 'onnx' ? path.dirname(beside) : beside;
  }
  return path.resolve(process.env['FUNNELVEC_MODELS'] ?? 'models', preset!.name);
}

/** Whether the folder's safetensors file is a static model's. */
async function isTable(folder: string, kinds: ReturnType<typeof modulesOf>): Promise<boolean> {
  if (kinds?.[0]?.kind === 'StaticEmbedding' || (await holdsTable(path.join(folder, 'model.safetensors')))) return true;
  const config = (await valueIn(path.join(folder, 'config.json'))) as Record<string, unknown> | undefined;
  return config?.['model_type'] === 'model2vec';
}

/** Whether its configuration is of a model of texts and pictures or sounds, whose own graph wants both. */
async function isJoint(folder: string): Promise<boolean> {
  const config = (await valueIn(path.join(folder, 'config.json'))) as Record<string, unknown> | undefined;
  return ['vision_config', 'audio_config'].some((key) => typeof config?.[key] === 'object' && config[key] !== null);
}

function modelNames({ precision }: EmbedderOptions, wanted: readonly string[] | undefined, joint: boolean): string[] {
  const all = precision === 'int8' ? INT8 : [...FLOAT32, ...FLOAT16, ...INT8, ...INT4];
  const isTower = (name: string) => path.posix.basename(name).startsWith(TOWER);
  const known = joint ? [...all.filter(isTower), ...all.filter((name) => !isTower(name))] : all;
  const fits = (wanted ?? []).filter((name) => name.endsWith('.safetensors'));
  return precision === 'int8' ? known : [...fits, ...known];
}

async function firstOf(folder: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    const file = path.resolve(folder, name);
    try {
      await access(file);
      return file;
    } catch {}
  }
  return undefined;
}

/** The one .onnx file of a folder and its onnx/, whatever its name; but for one that is known to be rounded in another way. */
function onlyOnnx(
  folder: string,
  found: readonly string[],
  precision: EmbedderOptions['precision'],
): string | undefined {
  const others = precision === 'int8' ? [...FLOAT16, ...INT4] : [];
  return found.length === 1 && !others.includes(found[0]!) ? path.join(folder, found[0]!) : undefined;
}

/** Below a folder, as relative paths. */
export async function onnxFilesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const below of ['', 'onnx']) {
    try {
      const names = await readdir(path.join(folder, below));
      found.push(...names.filter((name) => name.endsWith('.onnx')).map((name) => path.posix.join(below, name)));
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes(String((error as NodeJS.ErrnoException).code))) throw error;
    }
  }
  return found.sort();
}

async function isFolder(folder: string): Promise<boolean> {
  try {
    return (await stat(folder)).isDirectory();
  } catch {
    return false;
  }
}

/** Names of a list that a message shows. */
const SHOWN = 4;

/** The one whose weights lie here by a name of their own. */
async function presetOf(folder: string): Promise<string | undefined> {
  for (const { name, files } of Object.values(presets)) {
    const own =
      files[0]?.filter((file) => !FLOAT32.includes(file) && !INT8.includes(file) && !FLOAT16.includes(file)) ?? [];
    if ((await firstOf(folder, own)) !== undefined) return name;
  }
  return undefined;
}

function missing(where: string, why: string, preset?: Preset): FunnelError {
  const files = preset?.files ?? [['onnx/model.onnx', 'model.onnx', ...STATIC], ['tokenizer.json']];
  const remedy =
    `Put there ${files.map(listed).join(', ')}` + (preset === undefined ? '' : ` from ${preset.sources.join(' or ')}`);
  return new FunnelError('NO_MODEL', `Expected the files of ${where} but ${why}. ${remedy}`);
}

const listed = (names: readonly string[]): string => names.join(' or ');
