/** Metrics by the names that others have for them. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { INDEX_METRICS, METRICS, type Metric, nameOfMetric } from '#dist/core/metrics.js';
import { MILVUS_METRICS } from '#dist/sources/milvus/schema.js';
import { QDRANT_METRICS } from '#dist/sources/qdrant/schema.js';

it('each database has a name for each metric, and the way back is the same metric', () => {
  for (const names of [MILVUS_METRICS, QDRANT_METRICS] as Record<string, Metric>[]) {
    for (const metric of METRICS) assert.equal(names[nameOfMetric(names, metric, 'it')], metric);
  }
  assert.equal(nameOfMetric(MILVUS_METRICS, 'dot', 'Milvus'), 'IP');
  assert.equal(nameOfMetric(QDRANT_METRICS, 'euclid', 'Qdrant'), 'Euclid');
});

it('a metric without a name is refused, with those that there are', () => {
  const names: Record<string, Metric> = { Cosine: 'cosine', Dot: 'dot' };
  assert.throws(() => nameOfMetric(names, 'euclid', 'the shelf'), {
    name: 'FunnelError',
    code: 'UNSUPPORTED',
    message: 'Expected a metric that the shelf has (cosine, dot) but received euclid',
  });
});

it('an index has metrics that there are', () => {
  assert.deepEqual(
    INDEX_METRICS.filter((metric) => !METRICS.includes(metric)),
    [],
  );
});
