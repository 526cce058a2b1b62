"""Reads, checks and splits examples. Pure Python: no tokenizer and no model is loaded here.

The normal form is one JSON object a line, UTF-8, keys sorted, in the order of the source::

    {"id": "...", "messages": [{"role": "system|user|assistant|tool", "content": "..."}, ...]}
    {"id": "...", "text": "..."}
    {"id": "...", "prompt": [messages], "chosen": [messages], "rejected": [messages]}

A dataset holds one of the three, never a mixture. ``messages`` has an optional system message first and
ends with an assistant's; prompt/completion, ShareGPT and Alpaca rows become messages. The ``id`` is the
source's own, or the line that the row was read from (``file:line`` where there are several files). A row of
messages may say what to ``"learn"``: ``"all"`` answers (the default), only the ``"last"``, or ``"each"`` in
an example of its own.
"""
