"""Point ids: unsigned 64-bit integers or UUIDs, in the forms that the engine's own parser reads."""

import re
from uuid import UUID

from .errors import bad_format


# Python's UUID() reads more: dashes anywhere, braces and urn: without them, URN in capitals.
HYPHENATED = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
UUIDS = re.compile(rf"[0-9a-fA-F]{{32}}|{HYPHENATED}|urn:uuid:{HYPHENATED}|\{{{HYPHENATED}\}}")


def is_id(raw):
    return (isinstance(raw, int) and not isinstance(raw, bool)) or isinstance(raw, str)


def parse_id(raw):
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < 2**64:
        return raw
    if isinstance(raw, str) and UUIDS.fullmatch(raw):
        return UUID(raw)
    shown = raw if isinstance(raw, str) else str(raw)
    raise bad_format(
        f"value {shown} is not a valid point ID, valid values are either an unsigned integer or a UUID"
    )


def show_id(point_id):
    return point_id if isinstance(point_id, int) else str(point_id)
