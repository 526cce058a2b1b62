"""Encodes and decodes EEG: a lapped transform, a learned probability model, range-coded bytes.

``presets`` (what may be asked for), ``data``, ``losses``, ``training``, ``checkpoint``,
``resume``, ``preview``.
``v1`` is the first joint codec: transform, network, integer context model, file and coder.
"""
