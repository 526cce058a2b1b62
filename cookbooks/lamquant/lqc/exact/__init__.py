"""Encodes samples with a bounded error, or with none, and needs nothing trained for it."""

from cookbooks.lamquant.lqc.exact.chunk import decode_exact, encode_exact

__all__ = ["decode_exact", "encode_exact"]
