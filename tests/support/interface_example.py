"""The network of the interface's example, whose counts are worked by hand."""

import numpy as np


def interface_network():
    """A 3x3 convolution of 4x4x1 to 4x4x2 (200 synapses), and 32 neurons on 2 (64)."""
    return {
        "input": "input",
        "output": "out",
        "populations": {
            "input": {"kind": "input", "shape": (4, 4, 1)},
            "hidden": {"kind": "iaf", "shape": (4, 4, 2), "threshold": 1},
            "out": {"kind": "readout", "shape": (2,)},
        },
        "synapses": {
            "conv1": {
                "kind": "conv",
                "source": "input",
                "target": "hidden",
                "weight": np.full((3, 3, 1, 2), 1 / 64, np.float32),
                "padding": (1, 1, 1, 1),
            },
            "fc": {
                "kind": "dense",
                "source": "hidden",
                "target": "out",
                "weight": np.ones((32, 2), np.float32),
            },
        },
    }
