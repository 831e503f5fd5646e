// One backend with one kind of rows: node kernel-contender.mjs f32|f16; FUNNELVEC_KERNELS chooses the backend.
import { activeKernels } from 'funnelvec/kernels';
import { noise, toHalf } from './data.mjs';
import { host } from './host.mjs';
import { CANDIDATES, SCAN_VALUES } from './kernels.mjs';

const kind = process.argv[2];
const kernels = activeKernels();
const make = (length) => (kind === 'f16' ? toHalf(noise(length)) : noise(length));
const few = make(CANDIDATES * 1536);
let many;

/** A task is "kernel dims". */
host((task) => {
  const [kernel, text] = task.split(' ');
  const dim = Number(text);
  const common = { metric: 'cosine', query: noise(dim, 2), dim };
  const rows = few.subarray(0, CANDIDATES * dim);
  if (kernel === 'scores') {
    const job = { ...common, rows, from: 0, to: dim, keys: new Float64Array(CANDIDATES) };
    return () => kernels.scores(job);
  }
  if (kernel === 'funnel') {
    const scales = Uint32Array.of(dim / 4, dim / 2, dim);
    const keep = Uint32Array.of(64, 32, 16);
    const job = { ...common, rows, scales, keep, indices: new Uint32Array(16), keys: new Float64Array(16) };
    return () => kernels.funnel(job);
  }
  many ??= make(SCAN_VALUES);
  const all = many.subarray(0, SCAN_VALUES - (SCAN_VALUES % dim));
  const job = { ...common, rows: all, to: dim, indices: new Uint32Array(10), keys: new Float64Array(10) };
  return () => kernels.scan(job);
});
