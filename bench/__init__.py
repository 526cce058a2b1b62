"""Benchmarks: every line compares two things that were measured in turns in one run. `python -m bench -h`"""
