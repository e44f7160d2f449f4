"""Benchmarks: what things cost, as ratios to a bare handler in the same run. Not timed tests."""
