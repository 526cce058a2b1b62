"""Opens the one door to what Dagster does not promise: private modules, words, and a shorter start.

Everything of Blut that needs a private part of Dagster has it from a module here, which says what it does,
why public API does not do, and what to look at when Dagster changes. No other module imports ``dagster._*``.
A test compares each part that is used here with the version that is pinned.
"""
