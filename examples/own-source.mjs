// FunnelSearch over a source of your own: filters, recommendations, groups and pages come with it.
import { FunnelSearch } from 'funnelvec';
import { arraySource } from './array-source.mjs';

const movies = [
  { id: 'alien', vector: [0.9, 0.1, 0.3, 0.1, 0.7, 0.2, 0.1, 0.4], payload: { year: 1979, kind: 'sf' } },
  { id: 'aliens', vector: [0.8, 0.2, 0.3, 0.1, 0.6, 0.4, 0.1, 0.3], payload: { year: 1986, kind: 'sf' } },
  { id: 'amelie', vector: [0.1, 0.9, 0.4, 0.3, 0.1, 0.2, 0.8, 0.1], payload: { year: 2001, kind: 'comedy' } },
  { id: 'brazil', vector: [0.7, 0.4, 0.1, 0.6, 0.3, 0.1, 0.4, 0.2], payload: { year: 1985, kind: 'sf' } },
].map((movie) => ({ ...movie, vector: Float32Array.from(movie.vector) }));

const source = arraySource(movies, { head: 4, dim: 8 });
const search = new FunnelSearch({ source, plan: { head: 4, candidates: 4, scales: [8], keep: 1 } });

const vector = [0.9, 0.1, 0.3, 0.1, 0.7, 0.1, 0.1, 0.5];
const filter = { must: [{ key: 'year', range: { gte: 1980 } }] };
const { hits } = await search.query({ vector, limit: 2, filter, withPayload: ['year'] });
for (const { id, score, payload } of hits) console.log(id, score.toFixed(4), payload);
// => aliens 0.9520 { year: 1986 }
// => brazil 0.7521 { year: 1985 }

const { groups } = await search.queryGroups({ vector, groupBy: 'kind', groupSize: 1 });
for (const { id, hits: best } of groups) console.log(`${id}: ${best[0].id}`);
// => sf: alien
// => comedy: amelie
