/**
 * Facts of known models. Each was compared with what is published about the model (its card, or code and pages that quote
 * it); what could not be confirmed so says it.
 */
import { expected } from '../core/errors.js';
import type { Pooling, Role } from './types.js';

/** Facts of a known model. */
export interface Preset {
  /** The name that `Embedder.load({ preset })` takes. */
  name: string;
  /** Dims of a whole vector. */
  dims: number;
  /** Dims that the model was trained to be cut to, longest first; a plain model has its own dims alone. */
  matryoshkaDims: readonly number[];
  /** 'none': the ONNX file does it, as an output of one vector a text. */
  pooling: Pooling;
  /** Put before each text of a role; '' where the model wants none. */
  prefixes: Readonly<Record<Role, string>>;
  /** How a pooled vector is normalised; a cut comes between layer_norm and l2. */
  normalisation: 'l2' | 'layer_norm, l2';
  /** Tokens of a text, at most; Infinity where the model reads all. */
  maxLength: number;
  /** The input task_id, for a model that has one. */
  tasks?: Readonly<Record<Role, number>>;
  /** Licence of the weights: an SPDX name, or the owner's own. */
  licence: string;
  /** Where its vectors come from: files here, or somebody's API. */
  weights: 'onnx' | 'static' | 'api';
  /** Which files to put into its folder: one of each list. */
  files: readonly (readonly string[])[];
  /** Where its files can be had: packages by name, other places by address. */
  sources: readonly string[];
}

const ONNX_FILES: Preset['files'] = [
  ['onnx/model.onnx', 'model.onnx', 'onnx/model_quantized.onnx', 'onnx/model_int8.onnx', 'onnx/model_fp16.onnx'],
  ['tokenizer.json'],
  ['tokenizer_config.json'],
  ['config.json'],
];
/** Weights above 2 GB, or as the exporter liked, lie in a second file. */
const ONNX_DATA_FILES: Preset['files'] = [...ONNX_FILES, ['onnx/model.onnx_data']];
const NO_PREFIXES = { query: '', document: '' };
const PASSAGES = { query: 'Represent this sentence for searching relevant passages: ', document: '' };
const NOMIC = { query: 'search_query: ', document: 'search_document: ' };

/** The models that are known, by name. */
export const presets: Readonly<Record<string, Preset>> = Object.freeze(
  byName([
    {
      name: 'wordllama', // l2_supercat, of which the Python package ships the 256 dims (512 and 1024 exist)
      dims: 256,
      matryoshkaDims: [256, 128, 64],
      pooling: 'mean',
      prefixes: NO_PREFIXES,
      normalisation: 'l2',
      maxLength: Number.POSITIVE_INFINITY,
      licence: 'MIT',
      weights: 'static',
      files: [
        ['l2_supercat_256.safetensors', 'weights/l2_supercat_256.safetensors'],
        ['l2_supercat_tokenizer_config.json', 'tokenizers/l2_supercat_tokenizer_config.json'],
      ],
      sources: ['the PyPI package wordllama', 'https://github.com/dleemiller/WordLlama'],
    },
    {
      name: 'all-MiniLM-L6-v2', // a plain model: heads of it need an adapter
      dims: 384,
      matryoshkaDims: [384],
      pooling: 'mean',
      prefixes: NO_PREFIXES,
      normalisation: 'l2',
      maxLength: 256,
      licence: 'Apache-2.0',
      weights: 'onnx',
      files: ONNX_FILES,
      sources: ['https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2'],
    },
    {
      name: 'nomic-embed-text-v1', // before Matryoshka; often linked where v1.5 is meant
      dims: 768,
      matryoshkaDims: [768],
      pooling: 'mean',
      prefixes: NOMIC,
      normalisation: 'l2',
      maxLength: 8192,
      licence: 'Apache-2.0',
      weights: 'onnx',
      files: ONNX_FILES,
      sources: ['https://huggingface.co/nomic-ai/nomic-embed-text-v1'],
    },
    {
      name: 'nomic-embed-text-v1.5',
      dims: 768,
      matryoshkaDims: [768, 512, 256, 128, 64],
      pooling: 'mean',
      prefixes: NOMIC,
      normalisation: 'layer_norm, l2', // `layerNorm: false` does as the Milvus tutorial does
      maxLength: 8192,
      licence: 'Apache-2.0',
      weights: 'onnx',
      files: ONNX_FILES,
      sources: ['https://huggingface.co/nomic-ai/nomic-embed-text-v1.5'],
    },
    {
      name: 'text-embedding-3-small',
      dims: 1536,
      // Its API gives any number of dims; OpenAI published results for these alone (not confirmed that others were trained).
      matryoshkaDims: [1536, 512],
      pooling: 'none',
      prefixes: NO_PREFIXES,
      normalisation: 'l2',
      maxLength: 8191,
      licence: 'proprietary',
      weights: 'api',
      files: [],
      sources: [
        'https://platform.openai.com/docs/guides/embeddings',
        'https://openai.com/index/new-embedding-models-and-api-updates/',
      ],
    },
    {
      name: 'text-embedding-3-large',
      dims: 3072,
      matryoshkaDims: [3072, 1024, 256], // likewise
      pooling: 'none',
      prefixes: NO_PREFIXES,
      normalisation: 'l2',
      maxLength: 8191,
      licence: 'proprietary',
      weights: 'api',
      files: [],
      sources: [
        'https://platform.openai.com/docs/guides/embeddings',
        'https://openai.com/index/new-embedding-models-and-api-updates/',
      ],
    },
    {
      name: 'gte-multilingual-base',
      dims: 768,
      // The card says any number from 128 to 768; which ones were trained is not confirmed.
      matryoshkaDims: [768, 512, 256, 128],
      pooling: 'cls',
      prefixes: NO_PREFIXES,
      normalisation: 'l2',
      maxLength: 8192,
      licence: 'Apache-2.0',
      weights: 'onnx',
      files: ONNX_FILES,
      sources: [
        'https://huggingface.co/onnx-community/gte-multilingual-base',
        'https://huggingface.co/Alibaba-NLP/gte-multilingual-base',
      ],
    },
    {
      name: 'mxbai-embed-large-v1',
      dims: 1024,
      // Its authors call it a Matryoshka model; this list is a third party's, not confirmed by them.
      matryoshkaDims: [1024, 768, 512, 256, 128],
      pooling: 'cls',
      prefixes: PASSAGES,
      normalisation: 'l2',
      maxLength: 512,
      licence: 'Apache-2.0',
      weights: 'onnx',
      files: ONNX_FILES,
      sources: [
        'https://huggingface.co/mixedbread-ai/mxbai-embed-large-v1',
        'https://mixedbread.ai/docs/embeddings/mxbai-embed-large-v1',
      ],
    },
    {
      name: 'snowflake-arctic-embed-m-v1.5',
      dims: 768,
      matryoshkaDims: [768, 256],
      pooling: 'cls', // as all of the family; not confirmed for this one
      prefixes: PASSAGES,
      normalisation: 'l2',
      maxLength: 512,
      licence: 'Apache-2.0',
      weights: 'onnx',
      files: ONNX_FILES,
      sources: ['https://huggingface.co/Snowflake/snowflake-arctic-embed-m-v1.5'],
    },
    {
      name: 'embeddinggemma-300m',
      dims: 768,
      matryoshkaDims: [768, 512, 256, 128],
      pooling: 'none', // mean, then two dense layers: the output sentence_embedding has them behind it
      prefixes: { query: 'task: search result | query: ', document: 'title: none | text: ' },
      normalisation: 'l2',
      maxLength: 2048,
      licence: 'Gemma',
      weights: 'onnx',
      files: ONNX_DATA_FILES,
      sources: [
        'https://huggingface.co/onnx-community/embeddinggemma-300m-ONNX',
        'https://huggingface.co/google/embeddinggemma-300m',
      ],
    },
    {
      name: 'jina-embeddings-v3',
      dims: 1024,
      matryoshkaDims: [1024, 768, 512, 256, 128, 64, 32],
      pooling: 'mean',
      prefixes: {
        query: 'Represent the query for retrieving evidence documents: ',
        document: 'Represent the document for retrieval: ',
      },
      normalisation: 'l2',
      maxLength: 8192,
      tasks: { query: 0, document: 1 }, // retrieval.query and retrieval.passage among its adapters
      licence: 'CC-BY-NC-4.0',
      weights: 'onnx',
      files: ONNX_DATA_FILES,
      sources: ['https://huggingface.co/jinaai/jina-embeddings-v3'],
    },
  ]),
);

/** @throws FunnelError BAD_ARGUMENT, naming those that there are */
export function presetNamed(name: string): Preset {
  if (typeof name === 'string' && Object.hasOwn(presets, name)) return presets[name]!;
  throw expected('BAD_ARGUMENT', `one of ${Object.keys(presets).join(', ')}`, 'preset', name);
}

function byName(list: readonly Preset[]): Record<string, Preset> {
  return Object.fromEntries(list.map((preset) => [preset.name, Object.freeze(preset)]));
}
