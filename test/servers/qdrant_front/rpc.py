"""The gRPC side: messages into REST-shaped requests and engine results into messages."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from qdrant_client import grpc as pb

from . import SERVER_VERSION
from .errors import ApiError, ValidationError, bad_format, unsupported

STATUS = {code.value[0]: code for code in grpc.StatusCode}
DISTANCES = {pb.Cosine: "Cosine", pb.Euclid: "Euclid", pb.Dot: "Dot", pb.Manhattan: "Manhattan"}
DATATYPES = {pb.Float32: "float32", pb.Float16: "float16", pb.Uint8: "uint8"}
FIELD_TYPES = ("keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid")
STRATEGIES = ("average_vector", "best_score", "sum_scores")


def method(handler):
    """Delay hook, errors as status codes, and `time` in the reply."""

    def call(self, request, context):
        started = time.perf_counter()
        for key, value in context.invocation_metadata():
            if key == "x-front-delay-ms":
                time.sleep(float(value) / 1000)
            elif key == "x-front-vector-layout":
                context.old_vectors = value == "old"
        try:
            reply = handler(self, request, context)
        except ValidationError as error:
            context.abort(STATUS[error.grpc], f"Validation error in body: {error.message}")
        except ApiError as error:
            # A header must not end with a space, or the client loses the whole message.
            context.abort(STATUS[error.grpc], error.message.replace("Format error in JSON body: ", "").rstrip())
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"Malformed request: {str(error).splitlines()[0]}")
        except Exception as error:  # a bug of the front: the test should see it
            context.abort(grpc.StatusCode.INTERNAL, f"Service internal error: {error!r}")
        if hasattr(reply, "time"):
            reply.time = time.perf_counter() - started
        return reply

    return call


class Collections(pb.CollectionsServicer):
    def __init__(self, store):
        self.store = store

    @method
    def Create(self, request, context):
        vectors = request.vectors_config
        config = {"vectors": {}}
        kind = vectors.WhichOneof("config")
        if kind == "params":
            config["vectors"] = _vector_params(vectors.params)
        elif kind == "params_map":
            config["vectors"] = {name: _vector_params(p) for name, p in vectors.params_map.map.items()}
        for field, key in (("hnsw_config", "hnsw_config"), ("optimizers_config", "optimizers_config")):
            if request.HasField(field):
                config[key] = _scalars(getattr(request, field))
        for field in ("quantization_config", "sparse_vectors_config"):
            if request.HasField(field):
                raise unsupported(field)
        return pb.CollectionOperationResponse(result=self.store.create(request.collection_name, config))

    @method
    def Update(self, request, context):
        return pb.CollectionOperationResponse(result=self.store.update_collection(request.collection_name))

    @method
    def Delete(self, request, context):
        return pb.CollectionOperationResponse(result=self.store.delete(request.collection_name))

    @method
    def List(self, request, context):
        return pb.ListCollectionsResponse(
            collections=[pb.CollectionDescription(name=name) for name in self.store.names()]
        )

    @method
    def CollectionExists(self, request, context):
        exists = request.collection_name in self.store.collections
        return pb.CollectionExistsResponse(result=pb.CollectionExists(exists=exists))

    @method
    def Get(self, request, context):
        info = self.store.info(request.collection_name)
        vectors = info["config"]["params"]["vectors"]
        params = pb.VectorsConfig(params=_show_params(vectors)) if "size" in vectors else pb.VectorsConfig(
            params_map=pb.VectorParamsMap(map={name: _show_params(p) for name, p in vectors.items()})
        )
        hnsw = info["config"]["hnsw_config"]
        return pb.GetCollectionInfoResponse(
            result=pb.CollectionInfo(
                status=pb.Green,
                optimizer_status=pb.OptimizerStatus(ok=True),
                segments_count=info["segments_count"],
                points_count=info["points_count"],
                indexed_vectors_count=info["indexed_vectors_count"],
                payload_schema={key: pb.PayloadSchemaInfo(points=field["points"]) for key, field in info["payload_schema"].items()},
                config=pb.CollectionConfig(
                    params=pb.CollectionParams(
                        shard_number=1, on_disk_payload=True, vectors_config=params,
                        replication_factor=1, write_consistency_factor=1,
                    ),
                    hnsw_config=pb.HnswConfigDiff(
                        m=hnsw["m"], ef_construct=hnsw["ef_construct"], full_scan_threshold=hnsw["full_scan_threshold"]
                    ),
                    optimizer_config=pb.OptimizersConfigDiff(
                        indexing_threshold=info["config"]["optimizer_config"]["indexing_threshold"]
                    ),
                ),
            )
        )


class Points(pb.PointsServicer):
    def __init__(self, store):
        self.store = store

    @method
    def Upsert(self, request, context):
        rows = [(_id(p.id), _vectors(p), _from_map(p.payload)) for p in request.points]
        return _written(self.store.upsert(request.collection_name, rows), request.wait)

    @method
    def Delete(self, request, context):
        kind = request.points.WhichOneof("points_selector_one_of")
        selector = {}
        if kind == "points":
            selector = {"points": [_id(i) for i in request.points.points.ids]}
        elif kind == "filter":
            selector = {"filter": _filter(request.points.filter)}
        return _written(self.store.delete_points(request.collection_name, selector), request.wait)

    @method
    def CreateFieldIndex(self, request, context):
        schema = FIELD_TYPES[request.field_type] if request.HasField("field_type") else None
        return _written(self.store.create_index(request.collection_name, request.field_name, schema), request.wait)

    @method
    def DeleteFieldIndex(self, request, context):
        return _written(self.store.delete_index(request.collection_name, request.field_name), request.wait)

    @method
    def Get(self, request, context):
        found = self.store.retrieve(
            request.collection_name,
            [_id(i) for i in request.ids],
            _payload_selector(request),
            _vector_selector(request),
        )
        return pb.GetResponse(result=[_show_record(record, context) for record in found])

    @method
    def Scroll(self, request, context):
        order = None
        if request.HasField("order_by"):
            order = _order_by(request.order_by)
        points, offset = self.store.scroll(
            request.collection_name,
            {
                "offset": _id(request.offset) if request.HasField("offset") else None,
                "limit": _optional(request, "limit"),
                "filter": _filter_of(request),
                "with_payload": _payload_selector(request),
                "with_vector": _vector_selector(request),
                "order_by": order,
            },
        )
        return pb.ScrollResponse(
            result=[_show_record(point, context) for point in points],
            next_page_offset=None if offset is None else _show_id(offset),
        )

    @method
    def Count(self, request, context):
        count = self.store.count(
            request.collection_name, {"filter": _filter_of(request), "exact": _optional(request, "exact")}
        )
        return pb.CountResponse(result=pb.CountResult(count=count))

    @method
    def Query(self, request, context):
        points = self.store.query(request.collection_name, _query_request(request))
        return pb.QueryResponse(result=[_show_point(point, context) for point in points])

    @method
    def QueryBatch(self, request, context):
        batches = self.store.query_batch(request.collection_name, [_query_request(q) for q in request.query_points])
        return pb.QueryBatchResponse(
            result=[pb.BatchResult(result=[_show_point(p, context) for p in points]) for points in batches]
        )

    @method
    def QueryGroups(self, request, context):
        raw = _query_request(request)
        raw["group_by"] = request.group_by
        raw["group_size"] = _optional(request, "group_size")
        if request.HasField("with_lookup"):
            raw["with_lookup"] = {
                "collection": request.with_lookup.collection,
                "with_payload": _payload_selector(request.with_lookup),
                "with_vectors": _vector_selector(request.with_lookup),
            }
        groups = []
        for group in self.store.query_groups(request.collection_name, raw):
            key = group["id"]
            if isinstance(key, str):
                shown = pb.GroupId(string_value=key)
            else:
                shown = pb.GroupId(unsigned_value=key) if key >= 0 else pb.GroupId(integer_value=key)
            lookup = group["lookup"]
            groups.append(
                pb.PointGroup(
                    id=shown,
                    hits=[_show_point(hit, context, record) for hit, record in group["hits"]],
                    lookup=None if lookup is None else _show_record(lookup, context),
                )
            )
        return pb.QueryGroupsResponse(result=pb.GroupsResult(groups=groups))


class Health(pb.QdrantServicer):
    @method
    def HealthCheck(self, request, context):
        return pb.HealthCheckReply(title="qdrant - vector search engine", version=SERVER_VERSION)


def serve(store, host, port):
    """-> server, bound port"""
    server = grpc.server(
        ThreadPoolExecutor(max_workers=16),
        options=[
            # A level, not an algorithm: only a level heeds what the client accepts.
            ("grpc.default_compression_level", 2),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
    )
    pb.add_CollectionsServicer_to_server(Collections(store), server)
    pb.add_PointsServicer_to_server(Points(store), server)
    pb.add_QdrantServicer_to_server(Health(), server)
    bound = server.add_insecure_port(f"{host}:{port}")
    server.start()
    return server, bound


# Requests


def _query_request(message):
    raw = _search_part(message)
    raw["prefetch"] = [_prefetch(p) for p in message.prefetch] or None
    raw["with_payload"] = _payload_selector(message)
    raw["with_vector"] = _vector_selector(message)
    if "offset" in message.DESCRIPTOR.fields_by_name:
        raw["offset"] = _optional(message, "offset")
    return raw


def _prefetch(message):
    raw = _search_part(message)
    raw["prefetch"] = [_prefetch(p) for p in message.prefetch] or None
    return raw


def _search_part(message):
    lookup = None
    if message.HasField("lookup_from"):
        lookup = {
            "collection": message.lookup_from.collection_name,
            "vector": _optional(message.lookup_from, "vector_name"),
        }
    return {
        "query": _query(message.query) if message.HasField("query") else None,
        "using": _optional(message, "using"),
        "filter": _filter_of(message),
        "params": _params(message.params) if message.HasField("params") else None,
        "score_threshold": _optional(message, "score_threshold"),
        "limit": _optional(message, "limit"),
        "lookup_from": lookup,
    }


def _query(message):
    kind = message.WhichOneof("variant")
    if kind == "nearest":
        return _input(message.nearest)
    if kind == "recommend":
        recommend = message.recommend
        return {
            "recommend": {
                "positive": [_input(i) for i in recommend.positive],
                "negative": [_input(i) for i in recommend.negative],
                "strategy": STRATEGIES[recommend.strategy],
            }
        }
    if kind == "fusion":
        return {"fusion": "rrf" if message.fusion == pb.RRF else "dbsf"}
    if kind == "rrf":
        return {"rrf": {"k": _optional(message.rrf, "k"), "weights": list(message.rrf.weights) or None}}
    if kind == "order_by":
        return {"order_by": _order_by(message.order_by)}
    if kind == "sample":
        return {"sample": "random"}
    raise unsupported(f"a {kind} query")


def _input(message):
    kind = message.WhichOneof("variant")
    if kind == "id":
        return _id(message.id)
    if kind == "dense":
        return list(message.dense.data)
    raise unsupported(f"a {kind} vector")


def _order_by(message):
    start = None
    if message.HasField("start_from"):
        kind = message.start_from.WhichOneof("value")
        start = getattr(message.start_from, kind)
        if kind == "timestamp":
            start = start.ToJsonString()
    direction = "desc" if message.direction == pb.Desc else "asc"
    return {"key": message.key, "direction": direction, "start_from": start}


def _params(message):
    return {key: _optional(message, key) for key in ("hnsw_ef", "exact", "indexed_only")}


def _id(message):
    kind = message.WhichOneof("point_id_options")
    if kind is None:
        raise bad_format("No ID options provided")
    return message.num if kind == "num" else message.uuid


def _vectors(point):
    kind = point.vectors.WhichOneof("vectors_options")
    if kind == "vector":
        return _vector(point.vectors.vector)
    if kind == "vectors":
        return {name: _vector(v) for name, v in point.vectors.vectors.vectors.items()}
    return {}


def _vector(message):
    kind = message.WhichOneof("vector")
    if kind == "dense":
        return list(message.dense.data)
    if kind is None and not message.HasField("indices"):
        return list(message.data)
    raise unsupported(f"a {kind or 'sparse'} vector")


def _payload_selector(message):
    if not message.HasField("with_payload"):
        return None
    selector = message.with_payload
    kind = selector.WhichOneof("selector_options")
    if kind in ("include", "exclude"):
        return {kind: list(getattr(selector, kind).fields)}
    return selector.enable


def _vector_selector(message):
    if not message.HasField("with_vectors"):
        return None
    selector = message.with_vectors
    if selector.WhichOneof("selector_options") == "include":
        return list(selector.include.names)
    return selector.enable


def _filter_of(message):
    return _filter(message.filter) if message.HasField("filter") else None


def _filter(message):
    raw = {key: [_condition(c) for c in getattr(message, key)] for key in ("must", "should", "must_not")}
    if message.HasField("min_should"):
        raw["min_should"] = {
            "conditions": [_condition(c) for c in message.min_should.conditions],
            "min_count": message.min_should.min_count,
        }
    return {key: value for key, value in raw.items() if value}


def _condition(message):
    kind = message.WhichOneof("condition_one_of")
    if kind == "field":
        return _field(message.field)
    if kind in ("is_empty", "is_null"):
        return {kind: {"key": getattr(message, kind).key}}
    if kind == "has_id":
        return {"has_id": [_id(i) for i in message.has_id.has_id]}
    if kind == "has_vector":
        return {"has_vector": message.has_vector.has_vector}
    if kind == "slice":
        return {"slice": {"total": message.slice.total, "index": message.slice.index}}
    if kind == "nested":
        return {"nested": {"key": message.nested.key, "filter": _filter(message.nested.filter)}}
    if kind == "filter":
        return _filter(message.filter)
    raise bad_format("Malformed condition")


def _field(message):
    raw = {"key": message.key}
    if message.HasField("match"):
        kind = message.match.WhichOneof("match_value")
        value = getattr(message.match, kind)
        name, pick = {
            "keyword": ("value", None), "integer": ("value", None), "boolean": ("value", None),
            "text": ("text", None), "text_any": ("text_any", None), "phrase": ("phrase", None),
            "prefix": ("prefix", None), "keywords": ("any", "strings"), "integers": ("any", "integers"),
            "except_keywords": ("except", "strings"), "except_integers": ("except", "integers"),
        }[kind]
        raw["match"] = {name: list(getattr(value, pick)) if pick else value}
    if message.HasField("range"):
        raw["range"] = _scalars(message.range)
    if message.HasField("datetime_range"):
        raw["range"] = {field.name: value.ToJsonString() for field, value in message.datetime_range.ListFields()}
    if message.HasField("values_count"):
        raw["values_count"] = _scalars(message.values_count)
    if message.HasField("geo_radius"):
        raw["geo_radius"] = {"center": _geo(message.geo_radius.center), "radius": message.geo_radius.radius}
    if message.HasField("geo_bounding_box"):
        box = message.geo_bounding_box
        raw["geo_bounding_box"] = {"top_left": _geo(box.top_left), "bottom_right": _geo(box.bottom_right)}
    if message.HasField("geo_polygon"):
        raw["geo_polygon"] = {
            "exterior": {"points": [_geo(p) for p in message.geo_polygon.exterior.points]},
            "interiors": [{"points": [_geo(p) for p in ring.points]} for ring in message.geo_polygon.interiors],
        }
    for flag in ("is_empty", "is_null"):
        raw[flag] = _optional(message, flag)
    return raw


def _geo(message):
    return {"lon": message.lon, "lat": message.lat}


def _vector_params(message):
    raw = {"size": message.size, "distance": DISTANCES.get(message.distance)}
    if message.HasField("on_disk"):
        raw["on_disk"] = message.on_disk
    if message.HasField("datatype"):
        raw["datatype"] = DATATYPES.get(message.datatype)
    if message.HasField("hnsw_config"):
        raw["hnsw_config"] = _scalars(message.hnsw_config)
    for field in ("quantization_config", "multivector_config"):
        if message.HasField(field):
            raise unsupported(field)
    return raw


def _show_params(raw):
    distance = {name: number for number, name in DISTANCES.items()}[raw["distance"]]
    datatype = {name: number for number, name in DATATYPES.items()}.get(raw.get("datatype"))
    return pb.VectorParams(size=raw["size"], distance=distance, datatype=datatype)


def _scalars(message):
    return {field.name: value for field, value in message.ListFields() if field.message_type is None}


def _optional(message, field):
    return getattr(message, field) if message.HasField(field) else None


def _from_map(fields):
    return {key: _from_value(value) for key, value in fields.items()}


def _from_value(value):
    kind = value.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    if kind == "struct_value":
        return _from_map(value.struct_value.fields)
    if kind == "list_value":
        return [_from_value(v) for v in value.list_value.values]
    return getattr(value, kind)


# Replies


def _written(operation, wait):
    status = pb.Completed if wait else pb.Acknowledged
    return pb.PointsOperationResponse(result=pb.UpdateResult(operation_id=operation, status=status))


def _show_point(point, context, record=None):
    source = record or point
    return pb.ScoredPoint(
        id=_show_id(point.id),
        score=point.score,
        version=point.version,
        payload=_show_payload(source.payload),
        vectors=_show_vectors(source.vector, context),
        order_value=_show_order(getattr(point, "order_value", None)),
    )


def _show_record(record, context):
    return pb.RetrievedPoint(
        id=_show_id(record.id),
        payload=_show_payload(record.payload),
        vectors=_show_vectors(record.vector, context),
        order_value=_show_order(record.order_value),
    )


def _show_order(value):
    if value is None:
        return None
    return pb.OrderValue(int=value) if isinstance(value, int) else pb.OrderValue(float=value)


def _show_id(point_id):
    return pb.PointId(num=point_id) if isinstance(point_id, int) else pb.PointId(uuid=str(point_id))


def _show_vectors(vector, context):
    if vector is None:
        return None
    show = _old_vector if getattr(context, "old_vectors", False) else _new_vector
    if isinstance(vector, dict):
        named = {name: show(values) for name, values in vector.items()}
        return pb.VectorsOutput(vectors=pb.NamedVectorsOutput(vectors=named))
    return pb.VectorsOutput(vector=show(vector))


def _new_vector(values):
    return pb.VectorOutput(dense=pb.DenseVector(data=values))


def _old_vector(values):
    """The deprecated layout, sent on demand of a test."""
    return pb.VectorOutput(data=values)


def _show_payload(payload):
    return {key: _show_value(value) for key, value in (payload or {}).items()}


def _show_value(value):
    if value is None:
        return pb.Value(null_value=pb.NULL_VALUE)
    if isinstance(value, bool):
        return pb.Value(bool_value=value)
    if isinstance(value, int):
        return pb.Value(integer_value=value) if -(2**63) <= value < 2**63 else pb.Value(double_value=value)
    if isinstance(value, float):
        return pb.Value(double_value=value)
    if isinstance(value, str):
        return pb.Value(string_value=value)
    if isinstance(value, list):
        return pb.Value(list_value=pb.ListValue(values=[_show_value(v) for v in value]))
    return pb.Value(struct_value=pb.Struct(fields=_show_payload(value)))
