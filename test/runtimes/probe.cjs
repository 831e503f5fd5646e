// The package by require().
const { funnel } = require('funnelvec');
const { FunnelIndex } = require('funnelvec/store');

module.exports = (vectors, query, plan) => {
  const dim = query.length;
  const index = FunnelIndex.createSync(':memory:', { dim });
  index.upsertSync({ ids: Array.from({ length: vectors.length / dim }, (_, i) => i), vectors });
  if (index.querySync({ vector: query }).hits.length === 0) throw new Error('no hits');
  index.closeSync();
  return funnel({ vectors, dim }, query, plan);
};
