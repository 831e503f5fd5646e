"""Writes libraries anew with relocations that loaders before musl 1.2.4 know: each packed one (RELR) as one of its own (RELA).

python relr.py <to> <libraries...>
"""
import os
import sys

import lief

elf = lief.ELF
TYPES = {
    elf.ARCH.X86_64: elf.Relocation.TYPE.X86_64_RELATIVE,
    elf.ARCH.AARCH64: elf.Relocation.TYPE.AARCH64_RELATIVE,
}
for path in sys.argv[2:]:
    library = lief.parse(path)
    packed = [one for one in library.relocations if one.encoding == elf.Relocation.ENCODING.RELR]
    addresses = [one.address for one in packed]
    for tag in (elf.DynamicEntry.TAG.RELR, elf.DynamicEntry.TAG.RELRSZ, elf.DynamicEntry.TAG.RELRENT):
        library.remove(tag)
    for address in addresses:
        plain = elf.Relocation(address, TYPES[library.header.machine_type], elf.Relocation.ENCODING.RELA)
        # Packed ones have what is to be added in the place itself.
        plain.addend = int.from_bytes(bytes(library.get_content_from_virtual_address(address, 8)), "little")
        library.add_dynamic_relocation(plain)
    library.write(os.path.join(sys.argv[1], os.path.basename(path)))
