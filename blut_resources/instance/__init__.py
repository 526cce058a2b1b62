"""The one persistent Dagster instance: where it is, how it is born, how it starts soon."""
