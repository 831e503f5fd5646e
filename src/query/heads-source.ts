/** The source of a collection that has heads alone, beside a mirror with the full vectors. */
import { expected, FunnelError } from '../core/errors.js';
import type { Id } from '../core/types.js';
import { inKind, type Mirror } from './mirror.js';
import { inOrder } from './source/rows.js';
import type { FetchAnswer, FetchRequest, HeadAnswer, HeadRequest, ScanRequest, Source } from './source/source.js';

/**
 * The source with the mirror's dims. It is asked for ids and payloads, never for vectors, and everything that would need full
 * vectors of the collection is refused by name.
 *
 * @throws FunnelError BAD_ARGUMENT: there is no mirror
 */
export function withFullOf(source: Source, mirror: Mirror | undefined): Source {
  if (!source.headsOnly) return source;
  const { name } = source;
  if (mirror === undefined) {
    throw expected('BAD_ARGUMENT', 'a mirror that has the full vectors, or a source with `full`,', name, mirror);
  }
  const refused = (what: string) =>
    new FunnelError(
      'UNSUPPORTED',
      `Expected a search that ${name} and its mirror can answer but the collection has heads alone, which is too little for ${what}: ` +
        "rank on the mirror (stages 'auto' or 'mirror'), or search there (search: 'mirror')",
    );
  let headDim = 0;
  const cut = ({ vector, ...request }: HeadRequest): HeadRequest => {
    if (request.mode === 'exact') throw refused("mode 'exact'");
    if (request.vectors !== false)
      throw refused('stages elsewhere than on the mirror (which may be too old, or of another collection)');
    return { ...request, vector: vector.subarray(0, headDim) };
  };
  const idOf = source.idOf?.bind(source);
  const canonicalId = source.canonicalId?.bind(source);
  const idKinds = source.idKinds?.bind(source);
  const count = source.count?.bind(source);
  const headBatch = source.headBatch?.bind(source);
  const info: Source['info'] = async (options) => {
    const told = await source.info(options);
    if (told.headDim > mirror.dim) {
      throw expected('BAD_DIMS', `at least ${told.headDim} dims, as heads of ${name} have,`, 'the mirror', mirror.dim);
    }
    ({ headDim } = told);
    return { ...told, dim: mirror.dim };
  };
  return {
    name,
    scope: source.scope,
    ...(source.payloadsInPools && { payloadsInPools: true }),
    ...(idOf && { idOf }),
    ...(canonicalId && { canonicalId }),
    ...(idKinds && { idKinds }),
    ...(count && { count }),
    info,
    async head(request: HeadRequest): Promise<HeadAnswer> {
      if (headDim === 0) await info(request);
      return source.head(cut(request));
    },
    ...(headBatch && {
      async headBatch(requests: readonly HeadRequest[]): Promise<HeadAnswer[]> {
        if (headDim === 0) await info(requests[0]);
        return headBatch(requests.map(cut));
      },
    }),
    async full(): ReturnType<Source['full']> {
      throw refused('a search over all dims');
    },
    async fetch(request: FetchRequest): Promise<FetchAnswer> {
      const answer = await source.fetch({ ...request, vectors: false });
      if (request.vectors === false) return answer;
      const { ids } = answer.rows;
      const { dim, idKind } = mirror;
      const vectors = new Float32Array(ids.length * dim);
      const absent = new Set(mirror.gather(idKind === undefined ? ids : inKind(idKind, ids), vectors));
      const lacking: Id[] = ids.filter((_, row) => absent.has(row));
      const kept = ids.filter((_, row) => !absent.has(row));
      const rows = inOrder({ ...answer.rows, vectors, dim }, kept);
      return { ...answer, rows, ...(lacking.length > 0 && { lacking }) };
    },
    async scan(request: ScanRequest) {
      if (request.vectors !== false) throw refused('its full vectors');
      return source.scan(request);
    },
  };
}
