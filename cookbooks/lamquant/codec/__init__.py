"""Trains the joint codec and keeps its checkpoints; the format itself and its arithmetic are in ``lqc``.

``presets`` (what may be asked for), ``data`` and ``augment`` (crops), ``examples`` (what is learned from),
``net``, ``losses``, ``training``, ``validation``, ``checkpoint``, ``resume``, ``coder``,
``files``, ``preview``.
``v1`` is the first joint codec, whose checkpoints and files stay usable.
"""
