/** Models of a few bytes in folders of their own: a tokenizer of ten words, a table, and what else a test puts there. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path, { resolve } from 'node:path';
import { python } from './real.js';

export const WIDTH = 8;
/** Token 9, `nan`, is NaN in the table of the ONNX files. */
export const WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'zero', 'one', 'two', 'three', 'four', 'nan', 'five', 'six'];

/** Row `token` of the table of tiny_onnx.py. */
export function rowOf(token: number): number[] {
  return Array.from({ length: WIDTH }, (_, d) => Math.fround(Math.sin(token * WIDTH + d)));
}

/** The mean of words' rows, and what comes of it by the rule. */
export function meanOf(words: readonly string[]): number[] {
  const rows = words.map((word) => rowOf(WORDS.indexOf(word)));
  return Array.from({ length: WIDTH }, (_, d) => rows.reduce((sum, row) => sum + row[d]!, 0) / rows.length);
}

export function unit(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** With [CLS] and [SEP] around a text. */
export function tokenizerJson(): Record<string, unknown> {
  const special = (content: string) => ({
    id: WORDS.indexOf(content),
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  });
  const token = (id: string) => ({ id, ids: [WORDS.indexOf(id)], tokens: [id] });
  return {
    version: '1.0',
    added_tokens: WORDS.slice(0, 4).map(special),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, lowercase: false },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [],
      special_tokens: { '[CLS]': token('[CLS]'), '[SEP]': token('[SEP]') },
    },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(WORDS.map((word, id) => [word, id])),
    },
  };
}

/** A safetensors file of these tensors; `values` are bytes. */
export function safetensors(tensors: Record<string, { dtype: string; shape: number[]; values: Uint8Array }>): Buffer {
  let at = 0;
  const header: Record<string, unknown> = { __metadata__: { format: 'np' } };
  for (const [name, { dtype, shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...Object.values(tensors).map(({ values }) => values)]);
}

export const bytesOf = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** The table of tiny_onnx.py without its NaN, or other values, as a tensor. */
export function table(values?: readonly number[], dtype = 'F32') {
  const all = values ?? WORDS.flatMap((_, token) => rowOf(token));
  return { dtype, shape: [all.length / WIDTH, WIDTH], values: bytesOf(Float32Array.from(all)) };
}

export class Folder {
  readonly path = mkdtempSync(path.join(tmpdir(), 'funnelvec-embed-'));

  write(files: Record<string, string | object | Uint8Array>): this {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(this.path, name);
      mkdirSync(path.dirname(file), { recursive: true });
      const isText = typeof content === 'string' || content instanceof Uint8Array;
      writeFileSync(file, isText ? content : JSON.stringify(content));
    }
    return this;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A static model that loads. */
export function staticFolder(): Folder {
  return new Folder().write({
    'tokenizer.json': tokenizerJson(),
    'model.safetensors': safetensors({ 'embedding.weight': table() }),
  });
}

/** The files of tiny_onnx.py, with a tokenizer. */
export async function onnxFolder(): Promise<Folder> {
  const folder = new Folder().write({ 'tokenizer.json': tokenizerJson(), 'config.json': { model_type: 'bert' } });
  const run = spawnSync(await python(), [resolve('test/models/tiny_onnx.py'), folder.path], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr);
  return folder;
}
