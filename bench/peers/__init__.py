"""The Python peers: one module each, with the same workload functions (see bench/sample.py)."""
