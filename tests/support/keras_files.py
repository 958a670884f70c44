"""One small network as every version of Keras would have written it, with h5py and zipfile alone.

The numbers are kept in the axes of Keras 2 with channels last; a writer turns them into what its
version stored. `outputs` is the network by plain loops, from the definitions in Keras's manual.
"""

import io
import json
import zipfile

import h5py
import numpy as np
from hypothesis import strategies as st
from oracles import layers as layer_oracle

SHAPE = (7, 6, 3)  # of the image; the map before Flatten is 2 x 1 x 5
KERNEL_1, KERNEL_2 = (3, 3), (2, 3)


def arrays(seed=0):
    """The network's numbers: {layer: {weight: array}}, in the order of Keras."""
    draw = np.random.default_rng(seed)

    def normal(*shape):
        return draw.normal(size=shape).astype(np.float32)

    return {
        "conv_a": {"kernel": normal(*KERNEL_1, 3, 4), "bias": normal(4)},
        "norm": {
            "gamma": normal(4),
            "beta": normal(4),
            "moving_mean": normal(4),
            "moving_variance": normal(4) ** 2 + 0.1,
        },
        "pool": {},
        "conv_b": {"kernel": normal(*KERNEL_2, 4, 5)},
        "flat": {},
        "dense_a": {"kernel": normal(10, 6), "bias": normal(6)},
        "dense_b": {"kernel": normal(6, 3), "bias": normal(3)},
    }


def correlate(x, weight, bias=0.0):
    """x (h, w, c) under weight (h, w, c, out), no padding, by loops over positions."""
    height, width = (x.shape[i] - weight.shape[i] + 1 for i in (0, 1))
    y = np.empty((height, width, weight.shape[3]))
    for a in range(height):
        for b in range(width):
            window = x[a : a + weight.shape[0], b : b + weight.shape[1]]
            y[a, b] = (window[..., None] * weight).sum((0, 1, 2)) + bias
    return y


def outputs(numbers, image):
    """The probabilities for one image (7, 6, 3), in float64."""
    by = {k: {n: np.float64(v) for n, v in w.items()} for k, w in numbers.items()}
    x = np.pad(np.float64(image), ((1, 1), (1, 1), (0, 0)))
    x = np.maximum(correlate(x, by["conv_a"]["kernel"], by["conv_a"]["bias"]), 0)
    norm = by["norm"]
    x = (x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3)
    x = x * norm["gamma"] + norm["beta"]
    x = x[:6, :6].reshape(3, 2, 3, 2, 4).max((1, 3))
    x = np.maximum(correlate(x, by["conv_b"]["kernel"]), 0)
    x = np.maximum(x.reshape(-1) @ by["dense_a"]["kernel"] + by["dense_a"]["bias"], 0)
    x = x @ by["dense_b"]["kernel"] + by["dense_b"]["bias"]
    e = np.exp(x - x.max())
    return e / e.sum()


def layer(kind, name, **settings):
    """The configuration of one layer."""
    return {"class_name": kind, "config": {"name": name, "trainable": True, **settings}}


def layers_2(first=False, flatten=True):
    """The layers as Keras 2 and later describe them; `flatten`: Flatten says its data_format."""
    form = "channels_first" if first else "channels_last"
    shape = [None, SHAPE[2], *SHAPE[:2]] if first else [None, *SHAPE]
    conv = {"strides": [1, 1], "dilation_rate": [1, 1], "data_format": form}
    return [
        layer(
            "Conv2D",
            "conv_a",
            filters=4,
            kernel_size=list(KERNEL_1),
            padding="same",
            use_bias=True,
            activation="relu",
            batch_input_shape=shape,
            **conv,
        ),
        layer("BatchNormalization", "norm", axis=1 if first else [3], epsilon=1e-3),
        layer("Dropout", "drop", rate=0.5),
        layer(
            "MaxPooling2D",
            "pool",
            pool_size=[2, 2],
            strides=None,
            padding="valid",
            data_format=form,
        ),
        layer(
            "Conv2D",
            "conv_b",
            filters=5,
            kernel_size=list(KERNEL_2),
            padding="valid",
            use_bias=False,
            activation="linear",
            **conv,
        ),
        layer("Activation", "relu", activation="relu"),
        layer("Flatten", "flat", **({"data_format": form} if flatten else {})),
        layer("Dense", "dense_a", units=6, activation="relu"),
        layer("Dense", "dense_b", units=3, activation="softmax"),
    ]


def layers_1(ordering):
    """The layers as Keras 1 describes them; `ordering` th or tf."""
    shape = [100, SHAPE[2], *SHAPE[:2]] if ordering == "th" else [100, *SHAPE]
    conv = {"subsample": [1, 1], "dim_ordering": ordering}
    return [
        layer(
            "Convolution2D",
            "conv_a",
            nb_filter=4,
            nb_row=KERNEL_1[0],
            nb_col=KERNEL_1[1],
            border_mode="same",
            bias=True,
            activation="relu",
            batch_input_shape=shape,
            **conv,
        ),
        layer(
            "BatchNormalization", "norm", axis=1 if ordering == "th" else 3, mode=0, epsilon=1e-3
        ),
        layer(
            "MaxPooling2D",
            "pool",
            pool_size=[2, 2],
            strides=[2, 2],
            border_mode="valid",
            dim_ordering=ordering,
        ),
        layer(
            "Convolution2D",
            "conv_b",
            nb_filter=5,
            nb_row=KERNEL_2[0],
            nb_col=KERNEL_2[1],
            border_mode="valid",
            bias=False,
            activation="linear",
            **conv,
        ),
        layer("Activation", "relu", activation="relu"),
        layer("Flatten", "flat"),
        layer("Dense", "dense_a", output_dim=6, bias=True, activation="relu"),
        layer("Dense", "dense_b", output_dim=3, bias=True, activation="softmax"),
    ]


def stored(numbers, *, flipped=False, oihw=False, rows="hwc"):
    """The numbers as a version stored them: kernels flipped, OIHW, rows of the first Dense."""
    found = {name: dict(weights) for name, weights in numbers.items()}
    for name in ("conv_a", "conv_b"):
        kernel = found[name]["kernel"]
        kernel = kernel[::-1, ::-1] if flipped else kernel
        found[name]["kernel"] = kernel.transpose(3, 2, 0, 1) if oihw else kernel
    if rows == "chw":
        rows_hwc = found["dense_a"]["kernel"].reshape(2, 1, 5, 6)
        found["dense_a"]["kernel"] = rows_hwc.transpose(2, 0, 1, 3).reshape(10, 6)
    return found


def sequential(layers, version=2):
    """A Sequential model; `version` 1: a bare list of layers."""
    config = layers if version == 1 else {"name": "sequential", "layers": layers}
    return {"class_name": "Sequential", "config": config}


def functional(layers, style="old"):
    """The same layers as a functional model, one after the other; style `old` or Keras 3's."""
    shape = layers[0]["config"]["batch_input_shape"]
    key = "batch_input_shape" if style == "old" else "batch_shape"
    found = [{**layer("InputLayer", "image", **{key: shape}), "name": "image", "inbound_nodes": []}]
    for entry in layers:
        config = {k: v for k, v in entry["config"].items() if k != "batch_input_shape"}
        found.append(
            {
                "class_name": entry["class_name"],
                "name": config["name"],
                "config": config,
                "inbound_nodes": [call(style, found[-1]["name"])],
            }
        )
    ends = [["image", 0, 0]], [[found[-1]["name"], 0, 0]]
    config = {"name": "model", "layers": found, "input_layers": ends[0], "output_layers": ends[1]}
    return {"class_name": "Functional" if style == "new" else "Model", "config": config}


def call(style, *sources):
    """One entry of inbound_nodes."""
    if style == "old":
        return [[source, 0, 0, {}] for source in sources]
    tensors = [
        {
            "class_name": "__keras_tensor__",
            "config": {"shape": [None], "keras_history": [source, 0, 0]},
        }
        for source in sources
    ]
    return {"args": tensors if len(tensors) == 1 else [tensors], "kwargs": {"mask": None}}


def text(names):
    """Names as Keras writes them into attributes: bytes, or an empty array of numbers."""
    return np.array([name.encode() for name in names]) if names else np.zeros(0)


NAMES_1 = {
    "kernel": "W",
    "bias": "b",
    "moving_mean": "running_mean",
    "moving_variance": "running_std",
}


def weight_name(layer, weight, style):
    """The name of a weight: keras1 conv_W, theano conv/kernel, tensorflow conv/kernel:0."""
    if style == "keras1":
        return f"{layer}_{NAMES_1.get(weight, weight)}"
    return f"{layer}/{weight}" + (":0" if style == "tensorflow" else "")


def write_weights(group, numbers, style="tensorflow", pieces=False):
    """Groups of layers with layer_names and weight_names; `pieces`: lists in several attributes."""

    def put(owner, name, values):
        if not pieces:
            owner.attrs[name] = text(values)
            return
        for i in range(0, max(len(values), 1), 2):
            owner.attrs[f"{name}{i // 2}"] = text(values[i : i + 2])

    put(group, "layer_names", list(numbers))
    for name, weights in numbers.items():
        inner = group.create_group(name)
        names = [weight_name(name, weight, style) for weight in weights]
        put(inner, "weight_names", names)
        for path, value in zip(names, weights.values(), strict=True):
            inner[path] = value


def legacy(path, model, numbers, *, version=None, backend=None, style="tensorflow", pieces=False):
    """A model file in HDF5."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(model)
        if version:
            file.attrs["keras_version"] = version
        if backend:
            file.attrs["backend"] = backend
        write_weights(file.create_group("model_weights"), numbers, style, pieces)
        file["optimizer_weights/Adam/conv_a/kernel"] = np.full(3, np.nan)
    return path


def numbered(file, numbers, kinds, container="layers", separator="/", step=1):
    """Weights by class and number, as Keras 3 has them; `kinds`: the class of each layer."""
    count = {}
    for name, weights in numbers.items():
        kind = kinds[name]
        number = count.get(kind, 0)
        count[kind] = number + step
        group = kind if not number else f"{kind}_{number}"
        path = separator.join((container, group, "vars"))
        inner = file.create_group(path.encode() if separator == "\\" else path)
        for i, value in enumerate(weights.values()):
            inner[str(i)] = value
    file["optimizer/vars/0"] = np.full(3, np.nan)


KINDS = {
    "conv_a": "conv2d",
    "norm": "batch_normalization",
    "pool": "max_pooling2d",
    "conv_b": "conv2d",
    "flat": "flatten",
    "dense_a": "dense",
    "dense_b": "dense",
}


def memory(write):
    """The bytes of an HDF5 file that `write` fills."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        write(file)
    return content.getvalue()


def archive(path, model, weights, packing=zipfile.ZIP_STORED, **more):
    """A .keras file: `weights` are the bytes of its HDF5 file."""
    with zipfile.ZipFile(path, "w", packing) as zipped:
        zipped.writestr("metadata.json", json.dumps({"keras_version": "3.1.1"}))
        zipped.writestr("config.json", model if isinstance(model, str) else json.dumps(model))
        zipped.writestr("model.weights.h5", weights)
        for name, content in more.items():
            zipped.writestr(name, content)
    return path


NUMBERS = arrays()
IMAGES = np.random.default_rng(1).normal(size=(3, *SHAPE)).astype(np.float32)


def write_2(path, first=False, nested=None, **more):
    """The network as Keras 2 on TensorFlow writes it."""
    model = nested or sequential(layers_2(first))
    return legacy(path, model, NUMBERS, version="2.2.4", backend="tensorflow", **more)


def weights_file(path, numbers, **more):
    """Weights alone, in the root of the file."""
    with h5py.File(path, "w") as file:
        for name in ("keras_version", "backend"):
            if name in more:
                file.attrs[name] = more.pop(name)
        write_weights(file, numbers, **more)
    return path


def oldest_file(path):
    """Keras 0: numbers instead of names, kernels with channels first, deviations."""
    numbers = stored(NUMBERS, oihw=True)
    with h5py.File(path, "w") as file:
        file.attrs["nb_layers"] = len(numbers)
        for i, weights in enumerate(numbers.values()):
            group = file.create_group(f"layer_{i}")
            for j, (name, value) in enumerate(weights.items()):
                group[f"param_{j}"] = np.sqrt(value) if name == "moving_variance" else value
    return path


def numbered_file(path, **more):
    with h5py.File(path, "w") as file:
        numbered(file, NUMBERS, KINDS, **more)
    return path


def results(model, images=IMAGES):
    """What a model makes of images, in float64."""
    return layer_oracle.forward(model, images)[model.output]


def small(layers, weights, path, shape=(4, 4, 2), **more):
    """A file of a few layers; `weights` by layer."""
    first = layers[0]["config"]
    first.setdefault("batch_input_shape", [None, *shape])
    numbers = {
        entry["config"]["name"]: weights.get(entry["config"]["name"], {}) for entry in layers
    }
    more = {"version": "2.4.0", "backend": "tensorflow"} | more
    return legacy(path, sequential(layers), numbers, **more)


def normal(*shape, seed=5):
    """Random numbers, the same for the same shape."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def branches(style, kind="Add", **settings):
    """Two 1x1 convolutions, one behind the other, and a layer that joins their results."""
    shape = [None, 4, 4, 2]
    image = layer("InputLayer", "image", batch_input_shape=shape)
    conv = {"filters": 2, "kernel_size": [1, 1], "use_bias": False}
    layers = [
        {**image, "name": "image", "inbound_nodes": []},
        {**layer("Conv2D", "a", **conv), "inbound_nodes": [call(style, "image")]},
        {**layer("Conv2D", "b", **conv), "inbound_nodes": [call(style, "a")]},
        {**layer(kind, "join", **settings), "inbound_nodes": [call(style, "a", "b")]},
    ]
    for entry in layers:
        entry["name"] = entry["config"]["name"]
    ends = {"input_layers": [["image", 0, 0]], "output_layers": [["join", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}


KERNELS = {
    "image": {},
    "a": {"kernel": normal(1, 1, 2, 2)},
    "b": {"kernel": normal(1, 1, 2, 2) + 1},
}


CONV = {"filters": 2, "kernel_size": [1, 1], "use_bias": False}
EYE = {"c": {"kernel": np.eye(2, dtype=np.float32)[None, None]}}


def places(value, path=()):
    """The paths to everything inside a JSON value."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from places(inner, (*path, key))


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 40)
    | st.floats()
    | st.sampled_from(["", "conv_a", "relu", "Dense", "channels_first", "Sequential", "same"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)
