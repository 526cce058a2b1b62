"""Encodes and decodes EEG: a lapped neural transform, a learned probability model, range-coded bytes.

Read in the order the samples flow: ``presets`` (what may be asked for), ``transform`` (framing),
``model`` (the trained network), ``entropy`` (the integer context model), ``bitstream`` (the file),
``coder`` (recording to file and back), ``data``, ``losses``, ``training``, ``checkpoint``, ``preview``.
``dct`` is the classical anchor the codec is compared with.
"""
