"""Runs payloads where they run: this machine now, behind a seam that a cluster's scheduler fits as well."""
