"""TensorBoard's event files: written and read by hand, so that neither needs the package (55 MB).

A file is a row of records: length (uint64), its checksum, the record, its checksum (uint32, little-endian; CRC-32C,
rotated and shifted: tensorflow/core/lib/hash/crc32c.h). A record is an `Event` in protobuf's wire format
(tensorflow/core/util/event.proto, framework/summary.proto).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from molfun.plain_files import open_plain

POLYNOMIAL = 0x82F63B78  # CRC-32C, reversed
MASK_DELTA = 0xA282EAD8
MAX_RECORD_BYTES = 1 << 24
MAX_FLOAT32 = (2 - 2**-23) * 2.0**127
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # kinds of fields on the wire
DT_FLOAT, DT_DOUBLE, DT_STRING = 1, 2, 7


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ POLYNOMIAL if value & 1 else value >> 1
        table.append(value)
    return table


_TABLE = _table()


class Scalar(NamedTuple):
    """One point of a curve; `t` is unix seconds."""

    tag: str
    step: int
    t: float
    value: float


def masked_crc(data: bytes) -> int:
    """Return the checksum of a record, as event files have it.

    >>> hex(masked_crc(b"123456789"))
    '0xc78ab0e5'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + MASK_DELTA) & 0xFFFFFFFF


def record(event: bytes) -> bytes:
    """Return an event as it lies in a file."""
    length = struct.pack("<Q", len(event))
    return length + struct.pack("<I", masked_crc(length)) + event + struct.pack("<I", masked_crc(event))


def version_event(t: float) -> bytes:
    """Return the event that every file begins with."""
    return _event(t, 0) + _bytes(3, b"brain.Event:2")


def scalar_event(point: Scalar) -> bytes:
    """Return one point; its value is kept as float32, and beyond its range as infinity."""
    number = math.copysign(math.inf, point.value) if abs(point.value) > MAX_FLOAT32 else point.value
    value = _bytes(1, point.tag.encode()) + _key(2, FIXED32) + struct.pack("<f", number)
    return _event(point.t, point.step) + _bytes(5, _bytes(1, value))


def text_event(tag: str, text: str, t: float) -> bytes:
    """Return a text, which TensorBoard reads as Markdown."""
    metadata = _bytes(1, _bytes(1, b"text"))
    shape = _bytes(2, _key(1, VARINT) + _varint(1))
    tensor = _key(1, VARINT) + _varint(DT_STRING) + _bytes(2, shape) + _bytes(8, text.encode())
    value = _bytes(1, tag.encode()) + _bytes(9, metadata) + _bytes(8, tensor)
    return _event(t, 0) + _bytes(5, _bytes(1, value))


def read_scalars(path: Path) -> Iterator[Scalar]:
    """Yield the points of an event file, up to the first record that is torn or damaged.

    Raises:
        OSError: The file cannot be opened, or is no plain file.
    """
    with open_plain(path) as file:
        while event := _next_record(file):
            yield from _scalars(event)


def _next_record(file: BinaryIO) -> bytes:
    header = file.read(12)
    if len(header) < 12:
        return b""
    length, crc = struct.unpack("<QI", header)
    if crc != masked_crc(header[:8]) or length > MAX_RECORD_BYTES:
        return b""
    body = file.read(length + 4)
    if len(body) < length + 4 or struct.unpack("<I", body[length:])[0] != masked_crc(body[:length]):
        return b""
    return body[:length]


def _scalars(event: bytes) -> Iterator[Scalar]:
    t, step, summaries = 0.0, 0, []
    for number, content in fields(event):
        if number == 1 and isinstance(content, bytes):
            t = struct.unpack("<d", content)[0]
        elif number == 2 and isinstance(content, int):
            step = content
        elif number == 5 and isinstance(content, bytes):
            summaries.append(content)
    for summary in summaries:
        for number, value in fields(summary):
            if number == 1 and isinstance(value, bytes):
                yield from _value(value, step, t)


def _value(value: bytes, step: int, t: float) -> Iterator[Scalar]:
    found = dict(fields(value))
    tag, simple, tensor = found.get(1), found.get(2), found.get(8)
    if not isinstance(tag, bytes):
        return
    number = struct.unpack("<f", simple)[0] if isinstance(simple, bytes) and len(simple) == 4 else None
    if number is None and isinstance(tensor, bytes):
        number = _single(dict(fields(tensor)))
    if number is not None:
        yield Scalar(tag.decode("utf-8", "replace"), step, t, number)


def _single(tensor: dict[int, int | bytes]) -> float | None:
    """Return the number in a tensor of one float or double, None where it is another one."""
    form = {DT_FLOAT: ("<f", 5), DT_DOUBLE: ("<d", 6)}.get(int(tensor.get(1, 0)))
    if form is None:
        return None
    packing, field = form
    content = tensor.get(4) or tensor.get(field)
    if not isinstance(content, bytes) or len(content) != struct.calcsize(packing):
        return None
    return float(struct.unpack(packing, content)[0])


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (number, content) of each field; a message that ends too early has no more."""
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        kind = key & 7
        if kind == VARINT:
            number, place = _read_varint(message, place)
            yield key >> 3, number
            continue
        size = {FIXED64: 8, FIXED32: 4}.get(kind, -1)
        if kind == BYTES:
            size, place = _read_varint(message, place)
        if size < 0 or place + size > len(message):
            return
        yield key >> 3, message[place : place + size]
        place += size


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 70:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            break
    return value, place


def _event(t: float, step: int) -> bytes:
    return _key(1, FIXED64) + struct.pack("<d", t) + _key(2, VARINT) + _varint(step)


def _bytes(number: int, content: bytes) -> bytes:
    return _key(number, BYTES) + _varint(len(content)) + content


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
