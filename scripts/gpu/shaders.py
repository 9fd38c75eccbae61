"""Which storages a compute shader reads and which it writes, from its SPIR-V (the binary form is section 2.3 of its specification)."""

import struct

MAGIC = 0x07230203
HEADER_WORDS = 5
OP_VARIABLE, OP_DECORATE = 59, 71
BINDING, NON_WRITABLE = 33, 24
STORAGE_BUFFER = 12


def reads_and_writes(spirv):
    """The bindings that a shader reads alone, and those that it writes, in order."""
    words = struct.unpack(f"<{len(spirv) // 4}I", spirv)
    assert words[0] == MAGIC, "this is no SPIR-V"
    bindings, read_only, storages = {}, set(), set()
    at = HEADER_WORDS
    while at < len(words):
        operation, length = words[at] & 0xFFFF, words[at] >> 16
        arguments = words[at + 1 : at + length]
        if operation == OP_DECORATE and arguments[1] == BINDING:
            bindings[arguments[0]] = arguments[2]
        elif operation == OP_DECORATE and arguments[1] == NON_WRITABLE:
            read_only.add(arguments[0])
        elif operation == OP_VARIABLE and arguments[2] == STORAGE_BUFFER:
            storages.add(arguments[1])
        at += length
    places = {bindings[variable]: variable in read_only for variable in storages}
    return [place for place in sorted(places) if places[place]], [place for place in sorted(places) if not places[place]]
