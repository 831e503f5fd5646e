"""Resident memory of this process, in bytes."""

import ctypes
import gc


def peak():
    """The most it ever was."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident():
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/status") as file:
            kilobytes = next(line.split()[1] for line in file if line.startswith("VmRSS"))
        return int(kilobytes) * 1024
    except (OSError, AttributeError):
        return None
