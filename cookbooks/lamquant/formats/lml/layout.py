"""Defines the LML1 container's fixed structures for writer and reader; integers are little-endian."""

import struct

ENCODER = "blut-lml 1"
MAX_METADATA = 16 << 20
MAX_U16 = (1 << 16) - 1
MAX_U32 = (1 << 32) - 1
# magic, major, minor, channels, windows, samples, window size, rate in mHz, bit depth, flags, metadata
# bytes, two reserved
HEADER = struct.Struct("<4sBBHHIHIBBIHI")
# magic, length, windows, crc, table offset; the crc is the CRC-32 register before the final complement: the
# published text does not say so, but existing files store it that way
FOOTER = struct.Struct("<8sIIII8x")
FOOTER_MAGIC = b"LMLFOOT1"
ENTRY = struct.Struct("<QII")  # absolute offset, bytes with length prefix, first sample
FLAG_FOOTER = 1
