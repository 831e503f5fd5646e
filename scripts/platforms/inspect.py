"""Prints what a binary asks of its system, as JSON: the libraries that it loads, and the oldest version that it runs on."""
import json
import re
import sys

import lief

binary = lief.parse(sys.argv[1])

# Functions that came to musl after 1.2.0, whose symbols have no versions.
MUSL = {
    "1.2.2": {"_Fork", "gettid", "reallocarray"},
    "1.2.3": {"pthread_getname_np", "qsort_r"},
    "1.2.5": {"preadv2", "pwritev2", "statx"},
}


def newest(versions):
    return max(versions, key=lambda v: [int(n) for n in v.split(".")], default=None)


if isinstance(binary, lief.ELF.Binary):
    names = [str(aux.name) for need in binary.symbols_version_requirement for aux in need.get_auxiliary_symbols()]
    glibc = newest([m.group(1) for m in (re.fullmatch(r"GLIBC_([0-9.]+)", name) for name in names) if m])
    facts = {"libraries": list(binary.libraries), "exports": [s.name for s in binary.exported_symbols], "glibc": glibc}
    if glibc is None:
        imports = {s.name for s in binary.imported_symbols}
        facts["musl"] = newest([version for version, names in MUSL.items() if names & imports] + ["1.2.0"])
elif isinstance(binary, lief.PE.Binary):
    exports = [entry.name for entry in binary.get_export().entries] if binary.has_exports else []
    facts = {"libraries": [library.name for library in binary.imports], "exports": exports}
else:
    binary = binary.at(0) if isinstance(binary, lief.MachO.FatBinary) else binary
    version = binary.build_version.minos if binary.has_build_version else binary.version_min.version
    facts = {
        "libraries": [library.name for library in binary.libraries if library.command.name != "ID_DYLIB"],
        "exports": [s.name.removeprefix("_") for s in binary.exported_symbols],
        "macos": ".".join(str(n) for n in version[:2]),
    }
facts["libraries"] = sorted(facts["libraries"])
facts["exports"] = sorted(facts["exports"])
print(json.dumps({key: value for key, value in facts.items() if value is not None}))
