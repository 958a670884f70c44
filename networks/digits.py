"""Train two small networks on the 8x8 digits and write three spiking networks made from them.

Also the weights of the convolutional one as a trainer keeps them, `trained-digits.h5`: the
`state_dict` of a plain PyTorch network, whose layers `digits.toml` says.

Run `python networks/digits.py` after `python data/digits.py`. It needs PyTorch, to train; writing a
network needs h5py alone, and `write_dense`, `write_conv` and `write_int8` show how that is done.

Conversion is the plain data-based weight normalisation of Diehl et al. (2015): with `a` the largest
activation of a layer over the training split, its weights are multiplied by `a` of the layer before
and divided by its own, its biases are divided by its own, and every threshold is 1. A neuron then
fires at the rate (activation / a). The last layer is not divided: its potential after T timesteps,
divided by T, approximates the logits of the artificial network.
"""

import os
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn

FOLDER = Path(__file__).parent
DATA = FOLDER.parent / "data"
TIMESTEPS = 64
VALIDATION = 237  # the last samples of the training split, which has 1,437
SEED = 0
ABOUT_ALL = (
    " Trained on the training split alone; data-based weight normalisation (Diehl et al. 2015);"
    " every v_init is half a threshold (integers: rounded down), so that rates round instead of"
    " truncate."
)


# --- the artificial networks -----------------------------------------------------------------


class Dense(nn.Module):
    """64-96-64-10 with ReLU; `layers` are its layers with parameters, in order."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(64, 96), nn.Linear(96, 64), nn.Linear(64, 10)])

    def activations(self, images):
        """Outputs of all layers for images (n, 8, 8, 1): after the ReLU, and last the logits."""
        first, second, last = self.layers
        hidden1 = torch.relu(first(images.flatten(1)))
        hidden2 = torch.relu(second(hidden1))
        return hidden1, hidden2, last(hidden2)


class Conv(nn.Module):
    """Conv 3x3x24, average pool 2, conv 3x3x48, average pool 2, dense 10; ReLU before each pool."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Conv2d(1, 24, 3, padding=1), nn.Conv2d(24, 48, 3, padding=1), nn.Linear(192, 10)]
        )

    def activations(self, images):
        """Outputs of all layers for images (n, 8, 8, 1): after the ReLU, and last the logits."""
        first, second, last = self.layers
        conv1 = torch.relu(first(images.permute(0, 3, 1, 2)))
        conv2 = torch.relu(second(nn.functional.avg_pool2d(conv1, 2)))
        pool2 = nn.functional.avg_pool2d(conv2, 2)
        # Flattened channels last, as a population of shape (height, width, channels) is.
        return conv1, conv2, last(pool2.permute(0, 2, 3, 1).flatten(1))


def accuracy(model, images, labels):
    """The fraction of images whose largest logit is the label's, in float32."""
    with torch.no_grad():
        return (model.activations(images)[-1].argmax(1) == labels).double().mean().item()


def jitter(images):
    """Each image turned by up to 10 degrees, scaled by up to 10 % and shifted by half a pixel."""
    count = len(images)
    angle = torch.empty(count).uniform_(-np.pi / 18, np.pi / 18)
    size = torch.empty(count).uniform_(0.9, 1.1)
    shift_x, shift_y = torch.empty(2, count).uniform_(-0.125, 0.125)  # the image spans -1 .. 1
    cos, sin = size * angle.cos(), size * angle.sin()
    affine = torch.stack([cos, -sin, shift_x, sin, cos, shift_y], 1).reshape(count, 2, 3)
    grid = nn.functional.affine_grid(affine, (count, 1, 8, 8), align_corners=False)
    moved = nn.functional.grid_sample(images.permute(0, 3, 1, 2), grid, align_corners=False)
    return moved.permute(0, 2, 3, 1)


def train(model, images, labels, rate, epochs=150):
    """Train with AdamW on jittered images; keep the epoch with the least validation loss."""
    images, held_images = images[:-VALIDATION], images[-VALIDATION:]
    labels, held_labels = labels[:-VALIDATION], labels[-VALIDATION:]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    least, kept = float("inf"), None
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(32):
            logits = model.activations(jitter(images[batch]))[-1]
            loss = nn.functional.cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        with torch.no_grad():
            logits = model.activations(held_images)[-1]
            held_loss = nn.functional.cross_entropy(logits, held_labels).item()
        if held_loss < least:
            least = held_loss
            kept = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    held = accuracy(model, held_images, held_labels)
    print(f"{type(model).__name__}: {held:.4f} of the {VALIDATION} validation images")


# --- conversion ------------------------------------------------------------------------------


def to_channels_last(weight):
    """PyTorch's (out, in) as (in, out), its (out, in, h, w) as (h, w, in, out)."""
    return weight.permute(2, 3, 1, 0) if weight.ndim == 4 else weight.T


def normalise(model, images):
    """The (weight, bias) of every layer in the layout of the file, normalised as said on top."""
    with torch.no_grad():
        largest = [1.0] + [layer.max().item() for layer in model.activations(images)[:-1]] + [1.0]
    result = []
    for layer, before, own in zip(model.layers, largest[:-1], largest[1:], strict=True):
        weight = to_channels_last(layer.weight.detach()).double().numpy() * before / own
        result.append((weight, layer.bias.detach().double().numpy() / own))
    return result


def to_int8(weight, bias, pooled):
    """Int8 weights, an integer bias and the integer that stands for 1, for a set with `prepool`.

    Of `pooled` source neurons each adds its whole weight where their average should count, so the
    factor `pooled` goes into the threshold and the bias instead.
    """
    step = np.abs(weight).max() / 127
    one = round(pooled / step)
    return np.rint(weight / step).astype(np.int8), np.rint(bias * one).astype(np.int32), one


# --- writing a network -----------------------------------------------------------------------


@contextmanager
def new_network(path, **attributes):
    """An HDF5 file with the attributes of a network; it gets its name only once complete."""
    part = path.with_name(path.name + ".part")
    try:
        with h5py.File(part, "w") as file:
            file.attrs["format"] = "evsim-network"
            file.attrs["version"] = 1
            for name, value in attributes.items():
                file.attrs[name] = value
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    print(f"{path.name}: ANN {attributes['ann_accuracy']:.4f}, {path.stat().st_size:,} bytes")


def add_part(file, path, **fields):
    """A group whose scalar fields are attributes and whose array fields are datasets."""
    group = file.create_group(path)
    for name, value in fields.items():
        if np.ndim(value) == 0:
            group.attrs[name] = value
        else:
            if np.asarray(value).dtype == np.float64:
                value = np.asarray(value, np.float32)
            group.create_dataset(name, data=value, track_times=False)


def add_population(file, name, kind, shape, **fields):
    """A population of neurons."""
    add_part(file, f"populations/{name}", kind=kind, shape=shape, **fields)


def add_iaf(file, name, shape, threshold=1.0, **fields):
    """Integrate-and-fire neurons with soft reset that start at half their threshold."""
    start = threshold // 2 if isinstance(threshold, int) else threshold / 2
    fields |= {"threshold": threshold, "v_init": start, "compare": "ge", "reset": "subtract"}
    add_population(file, name, "iaf", shape, **fields)


def add_synapses(file, kind, source, target, **fields):
    """A set of synapses, named after the populations it joins."""
    add_part(file, f"synapses/{source}-{target}", kind=kind, source=source, target=target, **fields)


def write_dense(path, layers, attributes):
    """64-96-64-10: three dense sets."""
    (weight1, bias1), (weight2, bias2), (weight3, bias3) = layers
    with new_network(path, **attributes) as file:
        add_population(file, "input", "input", [64])
        add_synapses(file, "dense", "input", "hidden1", weight=weight1)
        add_iaf(file, "hidden1", [96], bias=bias1)
        add_synapses(file, "dense", "hidden1", "hidden2", weight=weight2)
        add_iaf(file, "hidden2", [64], bias=bias2)
        add_synapses(file, "dense", "hidden2", "output", weight=weight3)
        add_population(file, "output", "readout", [10], bias=bias3)


def write_conv(path, layers, attributes):
    """Two convolutions, each followed by an average pool whose neurons spike too; a dense set."""
    (weight1, bias1), (weight2, bias2), (weight3, bias3) = layers
    same = [1, 1, 1, 1]
    with new_network(path, **attributes) as file:
        add_population(file, "input", "input", [8, 8, 1])
        add_synapses(file, "conv", "input", "conv1", weight=weight1, padding=same)
        add_iaf(file, "conv1", [8, 8, 24], bias=bias1)
        add_synapses(file, "pool", "conv1", "pool1", kernel=[2, 2])
        add_iaf(file, "pool1", [4, 4, 24])
        add_synapses(file, "conv", "pool1", "conv2", weight=weight2, padding=same)
        add_iaf(file, "conv2", [4, 4, 48], bias=bias2)
        add_synapses(file, "pool", "conv2", "pool2", kernel=[2, 2])
        add_iaf(file, "pool2", [2, 2, 48])
        add_synapses(file, "dense", "pool2", "output", weight=weight3)
        add_population(file, "output", "readout", [10], bias=bias3)


def write_int8(path, layers, attributes):
    """The convolutional network in integers, the pools folded into the sets that follow them.

    The first layer stays in floating point, because its input is graded.
    """
    (weight1, bias1), layer2, layer3 = layers
    weight2, bias2, one2 = to_int8(*layer2, pooled=4)
    weight3, bias3, _ = to_int8(*layer3, pooled=4)
    same, pool = [1, 1, 1, 1], [2, 2]
    with new_network(path, **attributes) as file:
        add_population(file, "input", "input", [8, 8, 1])
        add_synapses(file, "conv", "input", "conv1", weight=weight1, padding=same)
        add_iaf(file, "conv1", [8, 8, 24], bias=bias1)
        add_synapses(
            file, "conv", "conv1", "conv2", weight=weight2, bits=8, padding=same, prepool=pool
        )
        add_iaf(file, "conv2", [4, 4, 48], threshold=one2, bias=bias2)
        add_synapses(file, "dense", "conv2", "output", weight=weight3, bits=8, prepool=pool)
        add_population(file, "output", "readout", [10], bias=bias3)


def as_trained(model):
    """The convolutional network as one would write it in PyTorch, with the weights of `model`."""
    first, second, last = model.layers
    plain = nn.Sequential()
    plain.add_module("conv1", first)
    plain.add_module("relu1", nn.ReLU())
    plain.add_module("pool1", nn.AvgPool2d(2))
    plain.add_module("conv2", second)
    plain.add_module("relu2", nn.ReLU())
    plain.add_module("pool2", nn.AvgPool2d(2))
    plain.add_module("flatten", nn.Flatten())  # channels first, where `model` has them last
    plain.add_module("output", nn.Linear(192, 10))
    with torch.no_grad():
        inputs = last.weight.reshape(10, 2, 2, 48).permute(0, 3, 1, 2).flatten(1)
        plain.output.weight.copy_(inputs)
        plain.output.bias.copy_(last.bias)
    return plain


def write_trained(path, model):
    """The `state_dict` of a network in HDF5, a dataset a tensor, as the README saves one."""
    with h5py.File(path, "w", track_order=True) as file:
        for key, value in model.state_dict().items():
            file[key] = value.numpy()


# --- all of it -------------------------------------------------------------------------------


def load(name):
    """Images and labels of a data file as tensors."""
    with h5py.File(DATA / name, "r") as file:
        images, labels = file["images"][:], file["labels"][:]
        return (
            torch.from_numpy(images),
            torch.from_numpy(labels.astype(np.int64)),
            file.attrs["source"],
        )


def main():
    """Train both networks, then write the four files."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels, source = load("digits_train.h5")
    test_images, test_labels, _ = load("digits_test.h5")

    def attributes(model, name, description):
        return {
            "name": name,
            "description": description + ABOUT_ALL,
            "source": f"networks/digits.py; data: {source}",
            "classes": ",".join("0123456789"),
            "input": "input",
            "output": "output",
            "coding": "constant",
            "timesteps": TIMESTEPS,
            "ann_accuracy": accuracy(model, test_images, test_labels),
        }

    torch.manual_seed(SEED)
    dense = Dense()
    train(dense, images, labels, rate=0.003)
    about = attributes(dense, "digits-dense", "Dense 64-96-64-10.")
    write_dense(FOLDER / "digits-dense.h5", normalise(dense, images), about)

    torch.manual_seed(SEED)
    conv = Conv()
    train(conv, images, labels, rate=0.01)
    write_trained(FOLDER / "trained-digits.h5", as_trained(conv))
    layers = normalise(conv, images)
    text = "Conv 3x3x24, average pool 2, conv 3x3x48, average pool 2, dense 10; pools spike."
    write_conv(FOLDER / "digits-conv.h5", layers, attributes(conv, "digits-conv", text))
    text = (
        "digits-conv with int8 weights and integer potentials after its first layer, and with the"
        " average pools folded into the next layer; ann_accuracy is that of digits-conv in float32."
    )
    write_int8(FOLDER / "digits-int8.h5", layers, attributes(conv, "digits-int8", text))


if __name__ == "__main__":
    main()
