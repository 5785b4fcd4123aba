"""The TFRecord format of event files: each record has its length and two checksums."""

import struct
from functools import lru_cache

import google_crc32c

HEADER, FOOTER = 12, 4
_checksum = google_crc32c.value
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")


def masked_crc(data: bytes) -> int:
    """Return the CRC-32C of `data`, masked as TFRecord does it because `data` may contain CRCs itself."""
    crc: int = _checksum(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """Return `data` as a record."""
    return _header(len(data)) + data + _CRC.pack(masked_crc(data))


@lru_cache
def _header(size: int) -> bytes:
    packed = _LENGTH.pack(size)
    return packed + _CRC.pack(masked_crc(packed))


def length(header: bytes) -> int | None:
    """Return the length in a record header of 12 bytes, or None if its checksum is wrong."""
    size: int = _LENGTH.unpack_from(header)[0]
    return size if _CRC.unpack_from(header, 8)[0] == masked_crc(header[:8]) else None
