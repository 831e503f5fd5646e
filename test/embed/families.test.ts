/**
 * Small random models of the families that people embed with: token ids and vectors are those of sentence-transformers,
 * kept beside the models by families.py, or the model is refused by name; those of other precisions are of Python's
 * onnxruntime on the same graph, by precisions.py. FUNNELVEC_FAMILIES is another folder that these have written, with more
 * texts.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { Embedder, type EmbedderOptions, type Role } from 'funnelvec/embed';
import { describeModel } from '#dist/embed/spec.js';
import { TextTokenizer } from '#dist/embed/tokenizer.js';
import { distance } from './real.js';

const FOLDER = resolve(process.env['FUNNELVEC_FAMILIES'] ?? 'test/models/families');
const LIMIT = 1e-4;

/** The options that each folder needs beside its path; or the code and a part of the message of its refusal. */
const FAMILIES: Readonly<
  Record<string, Omit<EmbedderOptions, 'path'> | { refused: { code: string; message: RegExp } }>
> = {
  bert: {},
  distilbert: {},
  mpnet: {},
  roberta: {},
  'xlm-roberta': {},
  modernbert: {},
  qwen3: {},
  mistral: {},
  t5: {},
  't5-in-graph': {},
  embeddinggemma: {},
  'nomic-bert': {},
  gte: {},
  'jina-v3': {},
  eurobert: {},
  'bge-m3': {},
  clip: {},
  siglip: {},
  model2vec: {},
};

interface Expected {
  ids: Uint16Array[];
  vectors: Float32Array[];
}

const texts: string[] = JSON.parse(readFileSync(join(FOLDER, 'texts.json'), 'utf8'));

/** By role; a folder without prompts has one for both. */
function expectedOf(family: string): { dim: number; roles: Record<Role, Expected> } {
  const { dim, roles } = JSON.parse(readFileSync(join(FOLDER, family, 'expected.json'), 'utf8'));
  const of = ({ lengths, ids, vectors }: { lengths: string; ids: string; vectors: string }): Expected => {
    const all = shorts(ids);
    let at = 0;
    return {
      ids: Array.from(shorts(lengths), (length) => all.subarray(at, (at += length))),
      vectors: vectorsOf(vectors, texts.length, dim),
    };
  };
  const document = of(roles.document);
  return { dim, roles: { document, query: roles.query === undefined ? document : of(roles.query) } };
}

interface OtherPrecision {
  model: string;
  /** The first ones. */
  texts: number;
  roles: Partial<Record<Role, string>>;
}

/** By precision; few families have them. */
function precisionsOf(family: string): [string, OtherPrecision][] {
  const file = join(FOLDER, family, 'precisions.json');
  return existsSync(file) ? Object.entries(JSON.parse(readFileSync(file, 'utf8'))) : [];
}

function vectorsOf(base64: string, count: number, dim: number): Float32Array[] {
  const all = shorts(base64);
  return Array.from({ length: count }, (_, i) => Float32Array.from(all.subarray(i * dim, (i + 1) * dim), half));
}

function shorts(base64: string): Uint16Array {
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
  return new Uint16Array(bytes.buffer);
}

function half(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return bits >> 15 ? -size : size;
}

/** The texts whose vectors are elsewhere, the farthest first. */
function strays(vectors: Float32Array, expected: readonly Float32Array[], dim: number): string[] {
  return expected
    .map((one, i) => ({ text: texts[i]!, far: distance(vectors.subarray(i * dim, (i + 1) * dim), one) }))
    .filter(({ far }) => !(far < LIMIT))
    .sort((a, b) => b.far - a.far)
    .map(({ text, far }) => `cosine ${(1 - far).toFixed(4)} of ${JSON.stringify(text.slice(0, 80))}`);
}

for (const [family, options] of Object.entries(FAMILIES)) {
  const load = { ...options, path: join(FOLDER, family), threads: 1 };

  describe(family, () => {
    if ('refused' in options) {
      it('is refused by name when it is loaded', async () => {
        await assert.rejects(Embedder.load({ path: load.path }), options.refused);
      });
      return;
    }

    const { dim, roles } = expectedOf(family);

    it('gives the token ids of Python, for both roles', async () => {
      const { setup, prefixes } = await describeModel(load);
      const tokenizer = new TextTokenizer(setup.tokenizer);
      for (const role of ['query', 'document'] as const) {
        const others = texts.flatMap((text, i) => {
          const [ours, theirs] = [[...tokenizer.encode(prefixes[role] + text).ids], [...roles[role].ids[i]!]];
          return ours.join() === theirs.join()
            ? []
            : [`${JSON.stringify(text.slice(0, 80))}: ${ours}; Python ${theirs}`];
        });
        assert.deepEqual(others.slice(0, 5), [], `${role}: ${others.length} of ${texts.length} texts`);
      }
    });

    for (const [how, more] of [
      ['in batches', {}],
      ['alone', { batchSize: 1 }],
    ] as const) {
      it(`gives the vectors of Python, for both roles, ${how}`, async () => {
        const embedder = await Embedder.load({ ...load, ...more });
        try {
          assert.equal(embedder.dim, dim);
          for (const role of ['query', 'document'] as const) {
            const far = strays(await embedder.embed(texts, { role }), roles[role].vectors, dim);
            assert.deepEqual(far.slice(0, 5), [], `${role}: ${far.length} of ${texts.length} texts`);
          }
        } finally {
          await embedder.close();
        }
      });
    }

    for (const [precision, { model, texts: count, roles: byRole }] of precisionsOf(family)) {
      // Scales of a quantised model are those of a run, so that each text is compared alone.
      const batchSize = precision === 'int8' ? 1 : undefined;
      it(`as ${precision} gives the vectors of Python’s onnxruntime${batchSize ? ', alone' : ', in batches'}`, async () => {
        const embedder = await Embedder.load({ ...load, model, batchSize });
        try {
          for (const [role, vectors] of Object.entries(byRole) as [Role, string][]) {
            const ours = await embedder.embed(texts.slice(0, count), { role });
            const far = strays(ours, vectorsOf(vectors, count, dim), dim);
            assert.deepEqual(far.slice(0, 5), [], `${role}: ${far.length} of ${count} texts`);
          }
        } finally {
          await embedder.close();
        }
      });
    }
  });
}

describe('siglip', () => {
  it('is refused where its tokenizer pads before the text, as that of Gemma does when the folder does not say', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'funnelvec-siglip-'));
    t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    cpSync(join(FOLDER, 'siglip'), folder, { recursive: true });
    const file = join(folder, 'tokenizer_config.json');
    const config = JSON.parse(readFileSync(file, 'utf8'));
    for (const padding_side of ['left', undefined]) {
      writeFileSync(file, JSON.stringify({ ...config, padding_side }));
      await assert.rejects(Embedder.load({ path: folder, threads: 1 }), {
        code: 'UNSUPPORTED',
        message: /padding_side .*attention_mask/,
      });
    }
  });
});
