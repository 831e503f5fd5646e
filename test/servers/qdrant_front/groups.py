"""Groups in the server's way: a few engine queries, then more to fill what was found.

Kept as limited as the original: points whose key cannot group are fetched again and
again and can starve the result.
"""

import qdrant_edge as edge

from .errors import ValidationError, bad_format, bad_input
from .ids import parse_id

FIND_ROUNDS = 5
FILL_ROUNDS = 5


class Groups:
    def __init__(self, limit, size, path, larger_is_better):
        self.limit = limit
        self.size = size
        self.path = path
        self.sign = -1 if larger_is_better else 1
        self.hits = {}  # (type, key) -> {point id: scored point}; 123 and "123" differ
        self.ids = set()

    def add(self, points):
        for point in points:
            try:
                keys = list(dict.fromkeys(map(_group_key, _values(point.payload or {}, self.path))))
            except ValueError:
                continue
            for key in keys:
                self.hits.setdefault(key, {}).setdefault(point.id, point)
                self.ids.add(point.id)

    def best(self):
        ranked = sorted(self.hits, key=lambda key: min(self._rank(p) for p in self.hits[key].values()))
        return ranked[: self.limit]

    def full(self):
        return [key for key, hits in self.hits.items() if len(hits) >= self.size]

    def complete(self):
        return sum(len(self.hits[key]) >= self.size for key in self.best()) >= self.limit

    def unfilled(self):
        return [key for key in self.best() if len(self.hits[key]) < self.size]

    def result(self):
        for key in self.best():
            yield key[1], sorted(self.hits[key].values(), key=self._rank)[: self.size]

    def _rank(self, point):
        return self.sign * point.score


def query_groups(store, collection, request):
    path = request.get("group_by")
    if not isinstance(path, str) or not path:
        raise bad_format("missing field `group_by`")
    limit, size = _positive(request, "limit", 10), _positive(request, "group_size", 3)
    if request.get("offset") is not None:
        request = {**request, "offset": None}
    lookup = _lookup_request(store, request.get("with_lookup"))
    groups = Groups(limit, size, path, _larger_is_better(collection, request))
    with_key = edge.Filter(must_not=[edge.IsEmptyCondition(path)])

    def fetch(conditions):
        return store.query_in(
            collection,
            {**request, "limit": None},
            limit=limit * size,
            excluded=groups.ids,
            extra_must=[with_key, *conditions],
            select=([path], False),
            prefetch_factor=size,
        )

    complete = False
    for _ in range(FIND_ROUNDS):
        points = fetch(_on_keys(path, groups.full(), edge.MatchExcept))
        if not points:
            break
        groups.add(points)
        complete = groups.complete()
        if complete:
            break
    if not complete:
        for _ in range(FILL_ROUNDS):
            wanted = groups.unfilled()
            if not wanted:
                break
            points = fetch(_on_keys(path, wanted, edge.MatchAny))
            if not points:
                break
            groups.add(points)
            if groups.complete():
                break

    found = list(groups.result())
    records = _hydrate(store, collection, request, found)
    lookups = _lookups(store, lookup, [key for key, _ in found])
    return [
        {"id": key, "hits": [(hit, records.get(hit.id)) for hit in hits], "lookup": lookups.get(_as_point_id(key))}
        for key, hits in found
    ]


def _hydrate(store, collection, request, found):
    """Payload and vectors are read once, for the points that are left."""
    ids = list({hit.id for _, hits in found for hit in hits})
    with_payload = request.get("with_payload")
    records = store.retrieve(
        collection.name, [str(i) if not isinstance(i, int) else i for i in ids],
        False if with_payload is None else with_payload, request.get("with_vector"),
    ) if ids else []
    return {record.id: record for record in records}


def _lookup_request(store, raw):
    if raw is None:
        return None
    if isinstance(raw, str):
        raw = {"collection": raw}
    if not isinstance(raw, dict) or not isinstance(raw.get("collection"), str):
        raise bad_format("data did not match any variant of untagged enum WithLookupInterface")
    store.get(raw["collection"])
    return raw


def _lookups(store, raw, keys):
    if raw is None:
        return {}
    ids = [i for i in map(_as_point_id, keys) if i is not None]
    vectors = raw.get("with_vectors", raw.get("with_vector"))
    records = store.retrieve(
        raw["collection"], [i if isinstance(i, int) else str(i) for i in ids], raw.get("with_payload"), vectors
    ) if ids else []
    return {record.id: record for record in records}


def _as_point_id(key):
    try:
        return parse_id(key)
    except Exception:
        return None


def _on_keys(path, keys, match):
    """One condition per type; the engine refuses mixed lists."""
    conditions = []
    for kind in (str, int):
        values = [key for type_, key in keys if type_ is kind]
        if values:
            conditions.append(edge.FieldCondition(path, match=match(values)))
    return conditions


def _group_key(value):
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return (type(value), value)
    raise ValueError


def _values(payload, path):
    values = [payload]
    for part in path.split("."):
        name, _, brackets = part.partition("[")
        name = name.strip('"')
        values = [v[name] for v in values if isinstance(v, dict) and name in v]
        for index in brackets.rstrip("]").split("][") if brackets else []:
            lists = [v for v in values if isinstance(v, list)]
            values = [x for v in lists for x in v] if index == "" else [v[int(index)] for v in lists if len(v) > int(index)]
    return [x for v in values for x in (v if isinstance(v, list) else [v])]


def _larger_is_better(collection, request):
    query = request.get("query")
    if isinstance(query, dict) and ("recommend" in query and query["recommend"].get("strategy") in ("best_score", "sum_scores") or "fusion" in query or "rrf" in query):
        return True
    name = request.get("using") or ""
    if name not in collection.vectors:
        raise bad_input(f"Not existing vector name error: {name}")
    return collection.vectors[name]["distance"] in ("Cosine", "Dot")


def _positive(request, name, default):
    value = request.get(name)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise bad_format(f"{name}: invalid value: `{value}`, expected usize")
    if value < 1:
        raise ValidationError(f"[{name}: value 0 invalid, must be 1 or larger]")
    return value
