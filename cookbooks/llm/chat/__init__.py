"""Conversations as a model reads them: templates, control tokens, what is learned."""
