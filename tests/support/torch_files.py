"""Weights as PyTorch would save them, written by hand."""

import json

import h5py
import numpy as np


def small(seed=0, prefix=""):
    """The state_dict of conv1 (3 to 4 channels, 3x3), bn1 and fc (10 classes) on 4x4 images."""
    random = np.random.default_rng(seed)
    shapes = {
        "conv1.weight": (4, 3, 3, 3),
        "bn1.weight": (4,),
        "bn1.bias": (4,),
        "bn1.running_mean": (4,),
        "bn1.running_var": (4,),
        "fc.weight": (10, 64),
        "fc.bias": (10,),
    }
    state = {prefix + k: np.float32(random.uniform(0.1, 1, shape)) for k, shape in shapes.items()}
    return state | {prefix + "bn1.num_batches_tracked": np.array(7)}


TOPOLOGY = """
title = "small"
input = [4, 4, 3]
layers = [
  { name = "conv1", kind = "conv", kernel = 3, padding = 1 },
  { name = "bn1", kind = "normalize" },
  { name = "relu", kind = "relu" },
  { name = "flatten", kind = "flatten" },
  { name = "fc", kind = "dense" },
]
"""


def hdf5(path, state, nested=False, track_order=False):
    """A state_dict in HDF5, flat or in groups."""
    with h5py.File(path, "w", track_order=track_order) as file:
        for key, value in state.items():
            file[key.replace(".", "/") if nested else key] = value
    return path


def safetensors(path, state, change=lambda header: None, tail=b""):
    """A state_dict as safetensors; `change` spoils the header."""
    header, body = {"__metadata__": {"format": "pt"}}, b""
    names = {"float32": "F32", "float16": "F16", "float64": "F64", "int64": "I64"}
    for key, value in state.items():
        content = np.ascontiguousarray(value).tobytes()
        header[key] = {
            "dtype": names[str(value.dtype)],
            "shape": list(value.shape),
            "data_offsets": [len(body), len(body) + len(content)],
        }
        body += content
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body + tail)
    return path


def wanted(state, x):
    """The result of the small network for images x (samples, height, width, channels)."""
    state = {k: np.float64(v) for k, v in state.items()}
    padded = np.pad(np.float64(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = np.zeros((len(x), 4, 4, 4))
    for i in range(3):
        for j in range(3):
            y += padded[:, i : i + 4, j : j + 4] @ state["conv1.weight"][:, :, i, j].T
    y = (y - state["bn1.running_mean"]) / np.sqrt(state["bn1.running_var"] + 1e-5)
    y = np.maximum(y * state["bn1.weight"] + state["bn1.bias"], 0)
    return y.transpose(0, 3, 1, 2).reshape(len(x), -1) @ state["fc.weight"].T + state["fc.bias"]
