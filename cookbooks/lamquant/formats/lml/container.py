"""Encodes and decodes LML1, the lossless signal container. An independent implementation.

``decode_lml(encode_lml(x, ...))`` gives ``x`` back bit for bit. The layout is that of the published LML
format 1; see the modules `structure` (container), `packet` (windows) and the two kernels.

Not implemented, and refused as :class:`Unsupported`: packets with per-subband codec tags (flag bit 0) and
near-lossless packets (flag bit 1).
"""

from cookbooks.lamquant.formats.lml.digest import SignalDigest, signal_sha256
from cookbooks.lamquant.formats.lml.errors import BadHeader, CrcMismatch, LmlError, Truncated, Unsupported
from cookbooks.lamquant.formats.lml.packet import Effort
from cookbooks.lamquant.formats.lml.reader import LmlFile, LmlReader, decode_lml
from cookbooks.lamquant.formats.lml.writer import LmlWriter, NotBitExact, encode_lml

__all__ = [
    "BadHeader",
    "CrcMismatch",
    "Effort",
    "LmlError",
    "LmlFile",
    "LmlReader",
    "LmlWriter",
    "NotBitExact",
    "SignalDigest",
    "Truncated",
    "Unsupported",
    "decode_lml",
    "encode_lml",
    "signal_sha256",
]
