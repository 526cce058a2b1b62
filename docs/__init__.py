"""The documentation: its pages, and what generates their reference parts from the code."""
