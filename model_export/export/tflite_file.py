"""The .tflite container: written anew so that every runtime and every phone can map it."""

from collections.abc import Mapping
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def repack(model: bytes, metadata: Mapping[str, bytes] | None = None) -> bytes:
    """The same model with all weights inside the flatbuffer, aligned, and `metadata` entries added.

    Entries of the same name are replaced; what was appended behind the flatbuffer (a zip with
    labels) is dropped.
    """
    added = metadata or {}
    net = schema.ModelT.InitFromPackedBuf(model, 0)
    net.buffers = [_inline(buffer, model) for buffer in net.buffers]
    net.metadata = [e for e in net.metadata or [] if bytes(e.name).decode() not in added]
    for name, contents in added.items():
        net.buffers.append(_AlignedBuffer(contents))
        entry = schema.MetadataT()
        entry.name = name
        entry.buffer = len(net.buffers) - 1
        net.metadata.append(entry)
    builder = flatbuffers.Builder(len(model) + 4096)
    builder.Finish(net.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _inline(buffer: Any, model: bytes) -> "_AlignedBuffer":
    """A buffer with its contents: the quantiser leaves large ones behind the flatbuffer, by offset.

    Those offsets would break when the flatbuffer grows, and older runtimes do not know them.
    """
    if buffer.offset > 1:
        return _AlignedBuffer(model[buffer.offset : buffer.offset + buffer.size])
    return _AlignedBuffer(b"" if buffer.data is None else bytes(buffer.data))


class _AlignedBuffer:
    """A buffer of the model whose contents start at a multiple of 16 bytes.

    The schema demands it (`force_align: 16`), the generated Python code ignores it, and a runtime
    that maps the file reads its floats in place.
    """

    def __init__(self, contents: bytes):
        self.contents = contents

    def Pack(self, b: flatbuffers.Builder) -> int:  # noqa: N802 - the generated code calls it so
        """Write the table and return its place."""
        if not self.contents:
            schema.BufferStart(b)
            return int(schema.BufferEnd(b))
        length = len(self.contents)
        b.StartVector(1, length, 16)
        b.head = b.Head() - length
        b.Bytes[b.Head() : b.Head() + length] = self.contents
        data = b.EndVector()
        schema.BufferStart(b)
        schema.BufferAddData(b, data)
        return int(schema.BufferEnd(b))
