"""REST-shaped filters into engine objects. No evaluation happens here."""

import numpy as np
import qdrant_edge as edge

from .errors import bad_format
from .ids import parse_id

CLAUSES = {"must", "should", "must_not", "min_should"}


def build_filter(raw):
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise bad_format("invalid type: filter must be a map")
    for key in raw:
        if key not in CLAUSES:
            raise bad_format(
                f"unknown field `{key}`, expected one of `should`, `min_should`, `must`, `must_not`"
            )
    minimum = raw.get("min_should")
    if minimum is not None:
        try:
            conditions, count = minimum["conditions"], minimum["min_count"]
        except (TypeError, KeyError) as error:
            raise bad_format(f"missing field `{error.args[0]}`") from error
        minimum = edge.MinShould([_condition(c) for c in conditions], _unsigned(count))
    return edge.Filter(
        must=_clause(raw.get("must")),
        should=_clause(raw.get("should")),
        must_not=_clause(raw.get("must_not")),
        min_should=minimum,
    )


def _clause(raw):
    if raw is None:
        return None
    return [_condition(c) for c in (raw if isinstance(raw, list) else [raw])]


def _condition(raw):
    if isinstance(raw, dict):
        if "key" in raw:
            return _field(raw)
        if "is_empty" in raw:
            return edge.IsEmptyCondition(_path(raw["is_empty"]["key"]))
        if "is_null" in raw:
            return edge.IsNullCondition(_path(raw["is_null"]["key"]))
        if "has_id" in raw:
            return edge.HasIdCondition({parse_id(i) for i in raw["has_id"]})
        if "has_vector" in raw:
            return edge.HasVectorCondition(raw["has_vector"])
        if "slice" in raw and hasattr(edge, "SliceCondition"):
            return _slice(raw["slice"])
        if "nested" in raw:
            nested = raw["nested"]
            return edge.NestedCondition(_path(nested["key"]), build_filter(nested.get("filter") or {}))
        if raw.keys() <= CLAUSES:
            return build_filter(raw)
    raise bad_format(
        'Expected some form of condition, which can be a field condition (like {"key": ..., "match": ... }), '
        "or some other mentioned in the documentation"
    )


def _slice(raw):
    try:
        return edge.SliceCondition(_unsigned(raw["total"]), _unsigned(raw["index"]))
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise bad_format(f"slice: {error}") from error


def _field(raw):
    known = {}
    if raw.get("match") is not None:
        known["match"] = _match(raw["match"])
    if raw.get("range") is not None:
        known["range"] = _range(raw["range"])
    if raw.get("values_count") is not None:
        known["values_count"] = edge.ValuesCount(
            **{k: _unsigned(v) for k, v in raw["values_count"].items() if v is not None}
        )
    if raw.get("geo_radius") is not None:
        geo = raw["geo_radius"]
        known["geo_radius"] = edge.GeoRadius(_geo(geo["center"]), geo["radius"])
    if raw.get("geo_bounding_box") is not None:
        geo = raw["geo_bounding_box"]
        known["geo_bounding_box"] = edge.GeoBoundingBox(_geo(geo["top_left"]), _geo(geo["bottom_right"]))
    if raw.get("geo_polygon") is not None:
        geo = raw["geo_polygon"]
        try:
            known["geo_polygon"] = edge.GeoPolygon(
                [_geo(p) for p in geo["exterior"]["points"]],
                [[_geo(p) for p in ring["points"]] for ring in geo.get("interiors") or []],
            )
        except (TypeError, KeyError, ValueError) as error:
            raise bad_format(str(error)) from error
    for flag in ("is_empty", "is_null"):
        if raw.get(flag) is not None:
            known[flag] = raw[flag]
    if not known:
        raise bad_format("Condition should have at least one of the field conditions: match, range, ...")
    return edge.FieldCondition(_path(raw["key"]), **known)


def _match(raw):
    if "value" in raw:
        value = raw["value"]
        if isinstance(value, bool):
            # The binding tries integers first, and Python's True is one; numpy's is not.
            return edge.MatchValue(np.bool_(value))
        if isinstance(value, str) or (isinstance(value, int) and -(2**63) <= value < 2**63):
            return edge.MatchValue(value)
    elif "text" in raw:
        return edge.MatchText(raw["text"])
    elif "text_any" in raw:
        return edge.MatchTextAny(raw["text_any"])
    elif "phrase" in raw:
        return edge.MatchPhrase(raw["phrase"])
    elif "prefix" in raw and hasattr(edge, "MatchPrefix"):
        return edge.MatchPrefix(raw["prefix"])
    elif "any" in raw and _uniform(raw["any"]):
        return edge.MatchAny(raw["any"])
    elif "except" in raw and _uniform(raw["except"]):
        return edge.MatchExcept(raw["except"])
    raise bad_format("data did not match any variant of untagged enum MatchInterface")


def _uniform(values):
    return isinstance(values, list) and (
        all(isinstance(v, str) for v in values)
        or all(isinstance(v, int) and not isinstance(v, bool) for v in values)
    )


def _range(raw):
    bounds = {k: v for k, v in raw.items() if k in ("gt", "gte", "lt", "lte") and v is not None}
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in bounds.values()):
        return edge.RangeFloat(**bounds)
    if all(isinstance(v, str) for v in bounds.values()):
        try:
            return edge.RangeDateTime(**bounds)
        except ValueError as error:
            raise bad_format(str(error)) from error
    raise bad_format("data did not match any variant of untagged enum RangeInterface")


def _geo(raw):
    try:
        return edge.GeoPoint(raw["lon"], raw["lat"])
    except (TypeError, KeyError, ValueError) as error:
        raise bad_format(f"data did not match any variant of GeoPoint: {error}") from error


def _path(key):
    if not isinstance(key, str):
        raise bad_format("invalid type: expected a string key")
    return key


def _unsigned(value):
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise bad_format(f"invalid value: `{value}`, expected usize")
    return value
