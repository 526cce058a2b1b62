"""Scores models: tasks, metrics and confidence intervals. No model library is imported here."""
