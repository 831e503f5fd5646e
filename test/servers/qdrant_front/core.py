"""Collections and requests in REST shape over the engine; both transports call this.

The engine does searching, filtering, prefetch, thresholds and payload selection.
Here is only what the real server, too, does above its segments: names, validation,
averaging recommend examples, groups and lookups.
"""

import json
import math
import shutil
import threading
from pathlib import Path

import qdrant_edge as edge

from .errors import ApiError, ValidationError, bad_format, bad_input, from_engine, no_collection, not_found, unsupported
from .filters import build_filter
from .groups import query_groups
from .ids import is_id, parse_id, show_id

DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Euclid": edge.Distance.Euclid,
    "Dot": edge.Distance.Dot,
    "Manhattan": edge.Distance.Manhattan,
}
DATATYPES = {
    "float32": edge.VectorStorageDatatype.Float32,
    "float16": edge.VectorStorageDatatype.Float16,
    "uint8": edge.VectorStorageDatatype.Uint8,
}
HNSW_DEFAULTS = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000, "max_indexing_threads": 0, "on_disk": False}
OPTIMIZER_DEFAULTS = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "max_segment_size": None,
    "memmap_threshold": None,
    "indexing_threshold": 10000,
    "flush_interval_sec": 5,
    "max_optimization_threads": None,
}
NUMBERS = {int, float}
DEFAULT_VECTOR = ""


class Collection:
    def __init__(self, name, path, config, fresh):
        self.name = name
        self.path = path
        self.config = config
        self.operations = 0
        self.lock = threading.Lock()
        vectors = config["vectors"]
        self.single = "size" in vectors
        self.vectors = {DEFAULT_VECTOR: vectors} if self.single else vectors
        if fresh:
            (path / "shard").mkdir(parents=True)
            (path / "config.json").write_text(json.dumps({"name": name, "config": config}))
            self.shard = edge.EdgeShard.create(str(path / "shard"), self._engine_config())
        else:
            self.shard = edge.EdgeShard.load(str(path / "shard"))

    def _engine_config(self):
        hnsw = self.config.get("hnsw_config") or {}
        optimizers = self.config.get("optimizers_config") or {}
        params = {name: _vector_params(p, hnsw) for name, p in self.vectors.items()}
        return edge.EdgeConfig(
            vectors=params[DEFAULT_VECTOR] if self.single else params,
            hnsw_config=_hnsw(hnsw),
            optimizers=edge.EdgeOptimizersConfig(
                indexing_threshold=optimizers.get("indexing_threshold"),
                max_segment_size=optimizers.get("max_segment_size"),
                default_segment_number=optimizers.get("default_segment_number"),
            ),
        )

    def close(self):
        self.shard.flush()
        self.shard.close()


class Store:
    def __init__(self, data_dir):
        self.root = Path(data_dir)
        self.root.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.collections = {}
        self.serial = 0
        # A restarted front finds what the one before it left.
        for meta in sorted(self.root.glob("*/config.json")):
            saved = json.loads(meta.read_text())
            self.collections[saved["name"]] = Collection(saved["name"], meta.parent, saved["config"], fresh=False)
            self.serial = max(self.serial, int(meta.parent.name))

    def close(self):
        with self.lock:
            for collection in self.collections.values():
                collection.close()
            self.collections.clear()

    # Collections

    def get(self, name):
        try:
            return self.collections[name]
        except KeyError:
            raise no_collection(name) from None

    def create(self, name, config):
        if not isinstance(config, dict):
            raise bad_format("invalid type: expected struct CreateCollection")
        vectors = config.get("vectors") or {}
        for key in ("sparse_vectors", "quantization_config"):
            if config.get(key):
                raise unsupported(key)
        if not name or any(c in name for c in '<>:"/\\|?*\0\x1f'):
            raise ValidationError("[name: collection name cannot contain special characters]")
        if not isinstance(vectors, dict):
            raise bad_format("data did not match any variant of untagged enum VectorsConfig")
        for params in [vectors] if "size" in vectors else vectors.values():
            if not isinstance(params, dict) or params.get("distance") not in DISTANCES or not _is_int(params.get("size")):
                raise bad_format("data did not match any variant of untagged enum VectorsConfig")
            if not 1 <= params["size"] <= 65536:
                raise ValidationError(
                    f"[vectors.size: value {params['size']} invalid, must be from 1 to 65536]"
                )
            for key in ("multivector_config", "quantization_config"):
                if params.get(key):
                    raise unsupported(key)
        if not vectors:
            raise unsupported("a collection without vectors")
        with self.lock:
            if name in self.collections:
                raise ApiError(409, 6, f"Wrong input: Collection `{name}` already exists!")
            self.serial += 1
            path = self.root / f"{self.serial:06d}"
            try:
                self.collections[name] = Collection(name, path, config, fresh=True)
            except Exception as error:
                shutil.rmtree(path, ignore_errors=True)
                raise from_engine(error) from error
        return True

    def delete(self, name):
        with self.lock:
            collection = self.collections.pop(name, None)
            if collection is None:
                return False
            collection.shard.close()
            shutil.rmtree(collection.path, ignore_errors=True)
        return True

    def update_collection(self, name):
        """The real server builds indexes by itself; here this call does, and waits for it."""
        collection = self.get(name)
        with collection.lock:
            _call(collection.shard.optimize)
        return True

    def names(self):
        return sorted(self.collections)

    def info(self, name):
        collection = self.get(name)
        info = _call(collection.shard.info)
        config = collection.config
        return {
            "status": "green",
            "optimizer_status": "ok",
            "indexed_vectors_count": info.indexed_vectors_count,
            "points_count": info.points_count,
            "segments_count": info.segments_count,
            "config": {
                "params": {
                    "vectors": config["vectors"],
                    "shard_number": 1,
                    "replication_factor": 1,
                    "write_consistency_factor": 1,
                    "on_disk_payload": True,
                },
                "hnsw_config": {**HNSW_DEFAULTS, **_present(config.get("hnsw_config"))},
                "optimizer_config": {**OPTIMIZER_DEFAULTS, **_present(config.get("optimizers_config"))},
                "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1},
                "quantization_config": None,
            },
            "payload_schema": {
                key: {"data_type": repr(field.data_type).rsplit(".", 1)[-1].lower(), "points": field.points}
                for key, field in info.payload_schema.items()
            },
        }

    # Writes

    def upsert(self, name, points):
        """points: an iterable of (raw id, raw vector, payload)."""
        collection = self.get(name)
        made = [edge.Point(parse_id(i), _stored_vector(collection, v), p or {}) for i, v, p in points]
        if not made:
            raise bad_input("empty update request")
        return self._write(collection, edge.UpdateOperation.upsert_points(made))

    def delete_points(self, name, selector):
        collection = self.get(name)
        if not isinstance(selector, dict):
            raise bad_format("data did not match any variant of untagged enum PointsSelector")
        if "points" in selector:
            operation = edge.UpdateOperation.delete_points([parse_id(i) for i in selector["points"]])
        elif "filter" in selector:
            operation = edge.UpdateOperation.delete_points_by_filter(build_filter(selector["filter"]))
        else:
            raise bad_format("data did not match any variant of untagged enum PointsSelector")
        return self._write(collection, operation)

    def create_index(self, name, field, schema):
        collection = self.get(name)
        kind = schema.get("type") if isinstance(schema, dict) else schema
        kinds = {k.lower(): getattr(edge.PayloadSchemaType, k) for k in
                 ("Keyword", "Integer", "Float", "Geo", "Text", "Bool", "Datetime", "Uuid")}
        if kind not in kinds:
            raise bad_format("data did not match any variant of untagged enum PayloadFieldSchema")
        if not isinstance(field, str):
            raise bad_format("missing field `field_name`")
        return self._write(collection, edge.UpdateOperation.create_field_index(field, kinds[kind]))

    def delete_index(self, name, field):
        return self._write(self.get(name), edge.UpdateOperation.delete_field_index(field))

    def _write(self, collection, operation):
        with collection.lock:
            _call(collection.shard.update, operation)
            collection.operations += 1
            return collection.operations

    # Reads

    def query(self, name, request):
        return self.query_in(self.get(name), request)

    def query_in(self, collection, request, limit=None, excluded=(), extra_must=(), select=None, prefetch_factor=1):
        """One engine query. The named arguments are for groups only."""
        _check_object(request)
        limit = _limit(request) if limit is None else limit
        offset = _count(request.get("offset"), "offset", 0)
        using, lookup = request.get("using"), request.get("lookup_from")
        query, own_ids = self._query(collection, request.get("query"), using, lookup)
        hidden = [*own_ids, *excluded]
        with_payload, with_vector = select or (
            _payload_selector(request.get("with_payload"), False),
            _vector_selector(request.get("with_vector")),
        )
        points = _call(
            collection.shard.query,
            edge.QueryRequest(
                # As the real server: the page is cut outside the engine, which
                # does not apply an offset after prefetches.
                limit=limit + offset,
                offset=0,
                query=query,
                prefetches=self._prefetches(collection, request.get("prefetch"), prefetch_factor),
                filter=_restrict(build_filter(request.get("filter")), hidden, extra_must),
                score_threshold=_number(request.get("score_threshold"), "score_threshold"),
                params=_params(request.get("params")),
                with_payload=with_payload,
                with_vector=with_vector,
            ),
        )
        return points[offset:]

    def query_batch(self, name, searches):
        collection = self.get(name)
        if not isinstance(searches, list):
            raise bad_format("missing field `searches`")
        # One bad search fails the whole batch, as on the real server.
        return [self.query_in(collection, search) for search in searches]

    def query_groups(self, name, request):
        return query_groups(self, self.get(name), request)

    def retrieve(self, name, ids, with_payload, with_vector):
        collection = self.get(name)
        if not isinstance(ids, list):
            raise bad_format("missing field `ids`")
        return _call(
            collection.shard.retrieve,
            [parse_id(i) for i in ids],
            _payload_selector(with_payload, True),
            _vector_selector(with_vector),
        )

    def scroll(self, name, request):
        _check_object(request)
        collection = self.get(name)
        offset, order = request.get("offset"), request.get("order_by")
        return _call(
            collection.shard.scroll,
            edge.ScrollRequest(
                offset=None if offset is None else parse_id(offset),
                limit=_limit(request),
                filter=build_filter(request.get("filter")),
                with_payload=_payload_selector(request.get("with_payload"), True),
                with_vector=_vector_selector(request.get("with_vector")),
                order_by=None if order is None else _order_by(order),
            ),
        )

    def count(self, name, request):
        _check_object(request)
        collection = self.get(name)
        exact = request.get("exact")
        return _call(
            collection.shard.count,
            edge.CountRequest(exact=True if exact is None else exact, filter=build_filter(request.get("filter"))),
        )

    # Queries

    def _prefetches(self, collection, raw, factor):
        if raw is None:
            return []
        made = []
        for item in raw if isinstance(raw, list) else [raw]:
            _check_object(item)
            query, own_ids = self._query(collection, item.get("query"), item.get("using"), item.get("lookup_from"))
            made.append(
                edge.Prefetch(
                    limit=_limit(item) * factor,
                    query=query,
                    prefetches=self._prefetches(collection, item.get("prefetch"), factor),
                    params=_params(item.get("params")),
                    filter=_restrict(build_filter(item.get("filter")), own_ids, ()),
                    score_threshold=_number(item.get("score_threshold"), "score_threshold"),
                )
            )
        return made

    def _query(self, collection, raw, using, lookup):
        """-> engine query, ids that must not be among the results."""
        if raw is None:
            return None, []
        if isinstance(raw, list) or is_id(raw):
            vector, ids = self._example(collection, raw, using, lookup)
            return edge.Query.Nearest(vector, using), ids
        if isinstance(raw, dict):
            if "nearest" in raw:
                vector, ids = self._example(collection, raw["nearest"], using, lookup)
                mmr = raw.get("mmr")
                if mmr is None:
                    return edge.Query.Nearest(vector, using), ids
                raise unsupported("mmr")
            if "recommend" in raw:
                return self._recommend(collection, raw["recommend"], using, lookup)
            if "fusion" in raw:
                if raw["fusion"] not in ("rrf", "dbsf"):
                    raise bad_format("unknown variant, expected `rrf` or `dbsf`")
                return (edge.Fusion.Rrf(2) if raw["fusion"] == "rrf" else edge.Fusion.Dbsf()), []
            if "rrf" in raw:
                return edge.Fusion.Rrf(raw["rrf"].get("k") or 2, raw["rrf"].get("weights")), []
            if "order_by" in raw:
                return _order_by(raw["order_by"]), []
            if raw.get("sample") == "random":
                return edge.Sample.Random, []
            for name in ("discover", "context", "formula", "relevance_feedback"):
                if name in raw:
                    raise unsupported(f"a {name} query")
        raise bad_format("data did not match any variant of untagged enum QueryInterface")

    def _example(self, collection, raw, using, lookup):
        """A vector as given, or the stored one of a point -> vector, ids to hide."""
        if isinstance(raw, list):
            return _numbers(raw, "VectorInput"), []
        if isinstance(raw, dict):
            raise unsupported("a sparse, document or image vector")
        point_id = parse_id(raw)
        source, name = collection, using or DEFAULT_VECTOR
        if lookup is not None:
            source = self.get(lookup["collection"])
            if lookup.get("vector") is not None:
                name = lookup["vector"]
        if name not in source.vectors:
            raise bad_input(f"Not existing vector name error: {name}")
        found = _call(source.shard.retrieve, [point_id], False, True)
        if not found:
            raise not_found(f"No point with id {show_id(point_id)} found")
        vector = found[0].vector
        if isinstance(vector, dict):
            vector = vector.get(name)
        if vector is None:
            raise not_found(f"Point {show_id(point_id)} does not have vector with name {name}")
        return vector, [] if lookup is not None else [point_id]

    def _recommend(self, collection, raw, using, lookup):
        _check_object(raw)
        positive, negative, hidden = [], [], []
        for raws, vectors in ((raw.get("positive"), positive), (raw.get("negative"), negative)):
            for example in raws or []:
                vector, ids = self._example(collection, example, using, lookup)
                vectors.append(vector)
                hidden += ids
        strategy = raw.get("strategy") or "average_vector"
        if not positive and not negative:
            raise ValidationError("[query.recommend: At least one positive or negative vector ID required]")
        if strategy == "average_vector":
            if not positive:
                raise bad_input("At least one positive vector ID required with this strategy")
            return edge.Query.Nearest(_average(positive, negative), using), hidden
        if strategy not in ("best_score", "sum_scores"):
            raise bad_format("unknown variant, expected one of `average_vector`, `best_score`, `sum_scores`")
        kind = edge.Query.RecommendBestScore if strategy == "best_score" else edge.Query.RecommendSumScores
        return kind(edge.RecommendQuery(positive, negative), using), hidden


def _call(method, *args):
    try:
        return method(*args)
    except Exception as error:
        raise from_engine(error) from error


def _average(positive, negative):
    def mean(vectors):
        return [sum(column) / len(vectors) for column in zip(*vectors)]

    size = len(positive[0])
    for vector in (*positive, *negative):
        if len(vector) != size:
            raise bad_input(f"Vector dimension error: expected dim: {size}, got {len(vector)}")
    p = mean(positive)
    return [a + a - b for a, b in zip(p, mean(negative))] if negative else p


def _restrict(condition, hidden, extra_must):
    if not hidden and not extra_must:
        return condition
    return edge.Filter(
        must=[*([condition] if condition else []), *extra_must],
        must_not=[edge.HasIdCondition(set(hidden))] if hidden else None,
    )


def _stored_vector(collection, raw):
    """Checked here so that one bad point leaves the others unwritten, as on the real server."""
    if collection.single and isinstance(raw, list):
        raw = {DEFAULT_VECTOR: raw}
    if not isinstance(raw, dict):
        if isinstance(raw, list):
            raise bad_input("Not existing vector name error: ")
        raise bad_format("data did not match any variant of untagged enum VectorStruct")
    out = {}
    for name, vector in raw.items():
        params = collection.vectors.get(name)
        if params is None:
            raise bad_input(f"Not existing vector name error: {name}")
        _numbers(vector, "Vector")
        if len(vector) != params["size"]:
            raise bad_input(f"Vector dimension error: expected dim: {params['size']}, got {len(vector)}")
        out[name] = vector
    return out[DEFAULT_VECTOR] if collection.single and DEFAULT_VECTOR in out else out


def _numbers(raw, kind):
    if not isinstance(raw, list) or not set(map(type, raw)) <= NUMBERS:
        raise bad_format(f"data did not match any variant of untagged enum {kind}")
    return raw


def _payload_selector(raw, default):
    if raw is None:
        return default
    if isinstance(raw, (bool, list)):
        return raw
    if isinstance(raw, dict) and raw.keys() == {"include"}:
        return edge.PayloadSelector.Include(raw["include"])
    if isinstance(raw, dict) and raw.keys() == {"exclude"}:
        return edge.PayloadSelector.Exclude(raw["exclude"])
    raise bad_format("data did not match any variant of untagged enum WithPayloadInterface")


def _vector_selector(raw):
    if raw is None:
        return False
    if isinstance(raw, (bool, list)):
        return raw
    raise bad_format("data did not match any variant of untagged enum WithVector")


def _order_by(raw):
    if isinstance(raw, str):
        return edge.OrderBy(raw)
    direction = edge.Direction.Desc if raw.get("direction") == "desc" else edge.Direction.Asc
    return edge.OrderBy(raw["key"], direction, raw.get("start_from"))


def _params(raw):
    if raw is None:
        return None
    _check_object(raw)
    return edge.SearchParams(
        hnsw_ef=_count(raw.get("hnsw_ef"), "hnsw_ef", None),
        exact=bool(raw.get("exact")),
        indexed_only=bool(raw.get("indexed_only")),
    )


def _limit(request, default=10):
    limit = _count(request.get("limit"), "limit", default)
    if limit < 1:
        raise ValidationError("[limit: value 0 invalid, must be 1 or larger]")
    return limit


def _count(raw, name, default):
    if raw is None:
        return default
    if not _is_int(raw) or raw < 0:
        raise bad_format(f"{name}: invalid value: `{raw}`, expected usize")
    return raw


def _number(raw, name):
    if raw is None or type(raw) in NUMBERS and not math.isnan(raw):
        return raw
    raise bad_format(f"{name}: invalid type, expected f32")


def _check_object(raw):
    if not isinstance(raw, dict):
        raise bad_format("invalid type, expected a map")


def _is_int(raw):
    return isinstance(raw, int) and not isinstance(raw, bool)


def _present(raw):
    return {k: v for k, v in (raw or {}).items() if v is not None}


def _vector_params(raw, hnsw):
    own = raw.get("hnsw_config")
    return edge.EdgeVectorParams(
        size=raw["size"],
        distance=DISTANCES[raw["distance"]],
        on_disk=raw.get("on_disk"),
        datatype=DATATYPES[raw["datatype"]] if raw.get("datatype") else None,
        hnsw_config=_hnsw({**hnsw, **_present(own)}) if own else None,
    )


def _hnsw(raw):
    known = {**HNSW_DEFAULTS, **_present(raw)}
    return edge.HnswIndexConfig(
        m=known["m"],
        ef_construct=known["ef_construct"],
        full_scan_threshold=known["full_scan_threshold"],
        max_indexing_threads=known["max_indexing_threads"],
        on_disk=known["on_disk"],
        payload_m=known.get("payload_m"),
    )
