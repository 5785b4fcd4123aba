"""The framing of an event file: TFRecord, each record with its length and two checksums."""

import struct

import google_crc32c

HEADER, FOOTER = 12, 4
_checksum = google_crc32c.value
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")


def masked_crc(data: bytes) -> int:
    """CRC-32C, turned so that a checksum of data that holds checksums stays one."""
    crc: int = _checksum(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """`data` in its frame."""
    length = _LENGTH.pack(len(data))
    return length + _CRC.pack(masked_crc(length)) + data + _CRC.pack(masked_crc(data))


def length(header: bytes) -> int | None:
    """Of the record that begins with these 12 bytes; None where they are no header."""
    size: int = _LENGTH.unpack_from(header)[0]
    return size if _CRC.unpack_from(header, 8)[0] == masked_crc(header[:8]) else None
