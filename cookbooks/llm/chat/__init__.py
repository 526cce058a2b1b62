"""Reads conversations as a model does: templates, control tokens, what is learned."""
