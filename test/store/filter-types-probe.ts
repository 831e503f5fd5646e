/** An index of typed payloads is an index: what takes any takes it, too. Compiled, never run. */
import { FunnelSearch } from 'funnelvec';
import { embeddedSource, type Filter, FunnelIndex } from 'funnelvec/store';

interface Movie {
  year: number;
  genres: string[];
  cast: { name: string; born?: number }[];
  when: Date | string;
  big?: bigint;
}

export async function typed(): Promise<FunnelIndex> {
  const index = await FunnelIndex.create<Movie>(':memory:', { dim: 3 });
  const source = embeddedSource(index);
  new FunnelSearch({ source, mirror: index });
  const other = await FunnelIndex.create(':memory:', { dim: 3 });
  await other.syncFrom(source);
  const vector = [1, 2, 3];
  const filter: Filter<Movie> = {
    must: [{ key: 'year', range: { gte: 1990 } }, { nested: { key: 'cast', filter: { must: { has_id: [1] } } } }],
  };
  await index.query({ vector, filter });
  await index.query({ vector, filter: { ids: [1] } });
  const { points } = await index.scroll({ filter: { must_not: { key: 'cast[].name', match: { value: 'x' } } } });
  points[0]!.payload!.year.toFixed();
  // @ts-expect-error there is no such key
  await index.query({ vector, filter: { must: [{ key: 'yeer', range: { gte: 1990 } }] } });
  // @ts-expect-error a year is a number
  await index.countMatching({ filter: { must: [{ key: 'year', match: { value: 'x' } }] } });
  return index;
}
