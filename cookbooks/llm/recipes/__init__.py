"""The LLM catalogue."""
