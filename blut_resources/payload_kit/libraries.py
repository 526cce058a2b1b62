"""Names the libraries on whose versions the numbers of a payload depend, wherever it is run."""

COMPUTE = ("torch",)
