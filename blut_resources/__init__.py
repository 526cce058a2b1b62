"""Holds the things that have a lifetime outside Dagster: store, registry, leases, payloads, runs."""
