"""Names what can be wrong with a file, or with what is asked for."""


class LqcError(ValueError):
    """Says which field is wrong, which value it has, and what to do."""
