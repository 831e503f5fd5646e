"""Random tables as Parquet files, and what each holds: python parquet_tables.py <folder> <tables> <seed>

Writes <i>.parquet and tables.jsonl, a line for each file: columns by name, each a list of values that are null, true, false, or
one of {"n": number or bigint as text, "w": whether its column has integers beyond 2^53}, {"f": double as text},
{"s": text}, {"b": bytes as hexadecimal text}, {"l": list}, {"o": [[key, value], ...]}.
"""

import decimal
import json
import random
import sys
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SAFE = 2**53 - 1
TEXTS = ["", "a", "ü€𝄞", "\ufeffa", "__proto__", "7", "a\0b", "null", "x" * 300]
STAMPS = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}


def stamp(ticks, per_second):
    nanos = ticks * (10**9 // per_second)
    text = str(np.datetime64(nanos // 10**6, "ms"))
    rest = nanos % 10**6
    if rest == 0:
        return text + "Z"
    digits = f"{rest:06d}"
    return text + (digits[:3] if digits[3:] == "000" else digits) + "Z"


class Kind:
    """A type, and values of it as pairs: what pyarrow takes, and what the file then holds."""

    def __init__(self, type, make):
        self.type, self.make = type, make


def integers(rng, type, low, high):
    top = rng.choice([9, SAFE, SAFE + 1, high])
    low, high = max(low, -top), min(high, top)

    def make():
        n = rng.choice([rng.randint(low, high), low, high, 0])
        return n, {"n": n}

    return Kind(type, make)


def decimals(rng):
    precision = rng.choice([1, 4, 9, 10, 15, 18, 19, 38])
    scale = rng.choice([0, 0, 1, 2, precision]) if precision > 1 else rng.choice([0, 1])
    scale = min(scale, precision)
    # 15 digits of a fraction come back from any double.
    digits = precision if scale == 0 else min(precision, 15)
    top = min(10**digits - 1, rng.choice([9, 115, SAFE, SAFE + 1, 10**digits]))

    def make():
        n = rng.choice([rng.randint(-top, top), top, -top, 0])
        value = decimal.Decimal(n).scaleb(-scale, decimal.Context(prec=40))
        return value, {"n": n} if scale == 0 else {"f": repr(float(value))}

    return Kind(pa.decimal128(precision, scale), make)


def floats(rng, type, cast):
    def make():
        value = float(cast(rng.choice([rng.gauss(0, 1), 0.1, -0.0, 1e-7, 60000, float("inf"), float("nan")])))
        return cast(value), {"f": repr(value)}

    return Kind(type, make)


def scalar(rng):
    which = rng.randint(0, 15)
    if which <= 4:
        bits = rng.choice([8, 16, 32, 64])
        if rng.random() < 0.5:
            return integers(rng, getattr(pa, f"int{bits}")(), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return integers(rng, getattr(pa, f"uint{bits}")(), 0, 2**bits - 1)
    if which <= 6:
        return decimals(rng)
    if which == 7:
        return floats(rng, pa.float64(), float)
    if which == 8:
        return floats(rng, pa.float32(), np.float32)
    if which == 9:
        return floats(rng, pa.float16(), np.float16)
    if which == 10:
        return Kind(pa.bool_(), lambda: (lambda b: (b, b))(rng.random() < 0.5))
    if which == 11:

        def text():
            value = rng.choice(TEXTS)
            return value, {"s": value}

        return Kind(rng.choice([pa.string(), pa.large_string()]), text)
    if which == 12:
        size = rng.choice([None, 1, 3])

        def raw():
            value = rng.randbytes(size or rng.randint(0, 5))
            return value, {"b": value.hex()}

        return Kind(pa.binary(size) if size else pa.binary(), raw)
    if which == 13:
        unit = rng.choice(["ms", "us", "ns"])

        def when():
            ticks = rng.choice([0, 1, -1, rng.randint(-(2**45), 2**45)])
            return ticks, {"s": stamp(ticks, STAMPS[unit])}

        return Kind(pa.timestamp(unit, tz=rng.choice([None, "UTC"])), when)
    if which == 14:

        def day():
            days = rng.randint(-100_000, 100_000)
            return days, {"s": stamp(days * 86400, 1)}

        return Kind(pa.date32(), day)

    def some_id():
        value = uuid.UUID(bytes=rng.randbytes(16))
        return value.bytes, {"s": str(value)}

    return Kind(pa.uuid(), some_id)


def kind(rng, depth=0):
    if depth == 2 or rng.random() < 0.7:
        return scalar(rng)
    which = rng.randint(0, 2)
    inner = kind(rng, depth + 1)
    hole = rng.choice([0, 0.3])
    pick = lambda one: (None, None) if rng.random() < hole else one.make()  # noqa: E731
    # UUIDs within lists and structs need an extension array of their own.
    if isinstance(inner.type, pa.UuidType):
        inner = Kind(pa.binary(2), lambda: (b"\xff\x01", {"b": "ff01"}))
    if which == 0:

        def items():
            pairs = [pick(inner) for _ in range(rng.randint(0, 4))]
            return [a for a, _ in pairs], {"l": [b for _, b in pairs]}

        return Kind(pa.list_(inner.type), items)
    if which == 1:
        other = scalar(rng)
        if isinstance(other.type, pa.UuidType):
            other = inner
        names = rng.sample(["a", "b", "a.b", "__proto__", "list", "key"], 2)

        def fields():
            pairs = [pick(inner), pick(other)]
            made = {name: a for name, (a, _) in zip(names, pairs)}
            return made, {"o": [[name, b] for name, (_, b) in zip(names, pairs)]}

        return Kind(pa.struct([(names[0], inner.type), (names[1], other.type)]), fields)

    def entries():
        keys = rng.sample(["x", "y", "__proto__", ""], rng.randint(0, 3))
        pairs = [(key, *pick(inner)) for key in keys]
        return [(key, a) for key, a, _ in pairs], {"o": [[key, b] for key, _, b in pairs]}

    return Kind(pa.map_(pa.string(), inner.type), entries)


def column(rng, rows):
    """Integers are marked with whether their leaf column has some beyond 2^53."""
    of = kind(rng)
    hole = rng.choice([0, 0.2, 1])
    pairs = [(None, None) if rng.random() < hole else of.make() for _ in range(rows)]
    leaves = {}

    def walk(value, type, path):
        if value is None or isinstance(value, bool):
            return
        if "n" in value:
            leaves.setdefault(path, []).append(value)
        if "l" in value:
            for one in value["l"]:
                walk(one, type.value_type, path + ("item",))
        if "o" in value:
            for key, one in value["o"]:
                if pa.types.is_map(type):
                    walk(one, type.item_type, path + ("value",))
                else:
                    walk(one, type.field(key).type, path + ("field", key))

    for _, value in pairs:
        walk(value, of.type, ())
    for some in leaves.values():
        wide = any(abs(one["n"]) > SAFE for one in some)
        for one in some:
            one["n"], one["w"] = str(one["n"]), wide
    values = [a for a, _ in pairs]
    if isinstance(of.type, pa.UuidType):
        array = pa.ExtensionArray.from_storage(of.type, pa.array(values, pa.binary(16)))
    else:
        array = pa.array(values, of.type)
    return array, [b for _, b in pairs]


def options(rng, table):
    dictionary = rng.random() < 0.5
    some = dict(
        compression=rng.choice(["none", "snappy", "gzip", "brotli", "zstd", "lz4"]),
        row_group_size=rng.choice([1, 3, 1000]),
        data_page_size=rng.choice([1, 64, 1 << 20]),
        write_batch_size=rng.choice([1, 3, 1024]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        use_dictionary=dictionary,
        write_statistics=rng.random() < 0.5,
        write_page_index=rng.random() < 0.3,
        store_schema=rng.random() < 0.5,
        store_decimal_as_integer=rng.random() < 0.5,
        use_deprecated_int96_timestamps=rng.random() < 0.3,
    )
    if not dictionary and rng.random() < 0.5:
        encodings = {}
        for field in table.schema:
            if pa.types.is_integer(field.type) and field.type.bit_width >= 32:
                encodings[field.name] = rng.choice(["DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"])
            elif pa.types.is_float32(field.type) or pa.types.is_float64(field.type):
                encodings[field.name] = "BYTE_STREAM_SPLIT"
            elif pa.types.is_string(field.type) or field.type == pa.binary():
                encodings[field.name] = rng.choice(["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
        if encodings:
            some["column_encoding"] = encodings
    # Earlier versions round nanoseconds.
    if "timestamp" not in str(table.schema):
        some["version"] = rng.choice(["2.4", "2.6"])
    return some


def main(folder, tables, seed):
    rng = random.Random(int(seed))
    with open(f"{folder}/tables.jsonl", "w", encoding="utf-8") as out:
        for i in range(int(tables)):
            rows = rng.choice([1, 2, 7, 30])
            names = rng.sample(["id", "a", "b", "a.b", "__proto__", "constructor", "1", "ü", ""], rng.randint(1, 4))
            columns = [column(rng, rows) for _ in names]
            table = pa.table(
                [array for array, _ in columns], schema=pa.schema([(n, a.type) for n, (a, _) in zip(names, columns)])
            )
            pq.write_table(table, f"{folder}/{i}.parquet", **options(rng, table))
            said = [[name, values] for name, (_, values) in zip(names, columns)]
            out.write(json.dumps({"rows": rows, "columns": said}, ensure_ascii=False) + "\n")


main(*sys.argv[1:])
