"""What every file may import: errors, kernels, records, arrays, the screen."""
