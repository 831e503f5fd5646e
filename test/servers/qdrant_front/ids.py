"""Point ids: unsigned 64-bit integers or UUIDs."""

from uuid import UUID

from .errors import bad_format


def is_id(raw):
    return (isinstance(raw, int) and not isinstance(raw, bool)) or isinstance(raw, str)


def parse_id(raw):
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < 2**64:
        return raw
    if isinstance(raw, str):
        try:
            return UUID(raw)
        except ValueError:
            pass
    shown = raw if isinstance(raw, str) else str(raw)
    raise bad_format(
        f"value {shown} is not a valid point ID, valid values are either an unsigned integer or a UUID"
    )


def show_id(point_id):
    return point_id if isinstance(point_id, int) else str(point_id)
