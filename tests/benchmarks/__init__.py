"""Every speed and memory bar of the project, measured side by side: `python tests/benchmarks`."""
