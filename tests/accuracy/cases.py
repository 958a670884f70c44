"""The networks of others, how they are read and converted, and what they must reach."""

from dataclasses import dataclass

COLOURS = ("--mean", ".485,.456,.406", "--std", ".229,.224,.225")


@dataclass(frozen=True)
class Model:
    """A trainer's file with the options it needs, and its accuracy as an ANN, in percent."""

    file: str
    data: str  # the beginning of the names of its test and training images
    accuracy: float
    options: tuple[str, ...] = ()
    passes: int = 1  # of a stochastic network, summed

    @property
    def allowed(self) -> float:
        """The points by which it may differ: 0.1, or three images of CIFAR-10."""
        return 100 * 3 / 2077 if self.data == "cifar10" else 0.1


@dataclass(frozen=True)
class Conversion:
    """How a model is converted, and by how many points it may be worse at T timesteps."""

    file: str
    options: tuple[str, ...]
    bars: dict[int, float]  # timesteps: points
    timesteps: int = 64


@dataclass(frozen=True)
class Passes:
    """A model whose passes are timesteps, and its accuracy in percent after some, one seed."""

    file: str
    accuracy: dict[int, float]  # passes: percent; within 1.0 point as the mean of SEEDS


SEEDS = range(5)
POINTS = 1.0

MODELS = (
    Model("mnist-mlp.keras1.weights.h5", "mnist", 98.15, ("--topology", "mlp")),
    Model("mnist-mlp.keras3.weights.h5", "mnist", 98.03, ("--topology", "mlp")),
    Model(
        "mnist-cnn-avgpool.keras1-theano.weights.h5",
        "mnist",
        99.20,
        ("--topology", "mnist-cnn-avgpool", "--flip-kernels"),
    ),
    Model("mnist-lenet-avgpool.keras2.h5", "mnist", 99.10),
    Model("mnist-lenet5.keras2-channelsfirst.h5", "mnist", 99.14),
    Model("mnist-cnn-maxpool.keras2.14.h5", "mnist", 99.40),
    Model("mnist-cnn-maxpool.keras3.keras", "mnist", 97.80),
    Model("fashion-cnn-maxpool.tfkeras2.h5", "fashion", 91.22),
    Model("cifar10-cnn-avgpool.keras1-theano.h5", "cifar10", 83.05, ("--flip-kernels",)),
    Model("cifar10-cnn-bn-maxpool.keras2-theano.h5", "cifar10", 82.09),
    Model("cifar10-resnet8.keras2.h5", "cifar10", 87.10, ("--scale", "1")),
    Model(
        "cifar10-resnet20.torch-state.h5", "cifar10", 90.76, ("--topology", "resnet20", *COLOURS)
    ),
    Model(
        "cifar10-resnet56.torch-state.h5", "cifar10", 92.87, ("--topology", "resnet56", *COLOURS)
    ),
    Model("cifar10-vgg16.torch-state.h5", "cifar10", 88.35, ("--topology", "vgg16")),
    Model("cifar10-vgg9-relu.torch-state.h5", "cifar10", 87.39, ("--topology", "vgg9")),
    Model("cifar10-vgg9-stoch.torch-state.h5", "cifar10", 75.35, ("--topology", "vgg9-stochastic")),
    Model(
        "cifar10-vgg9-stoch.torch-state.h5", "cifar10", 79.06, ("--topology", "vgg9-stochastic"), 8
    ),
    Model(  # not in the authors' form: networks/vgg9-stochastic-xnor.toml says how it differs
        "cifar10-vgg9-stoch-xnor.torch-state.h5",
        "cifar10",
        73.42,
        ("--topology", "vgg9-stochastic-xnor"),
    ),
    Model(
        "cifar10-vgg9-stoch-xnor.torch-state.h5",
        "cifar10",
        76.99,
        ("--topology", "vgg9-stochastic-xnor"),
        8,
    ),
)

CHANNELS = ("--method", "percentile", "--per-channel")
KERAS = {64: 0.3}
CORRECTED = ("mnist-cnn-maxpool.keras3.keras",)
CONVERSIONS = (
    *(
        Conversion(
            model.file,
            (*CHANNELS, "--correct-bias") if model.file in CORRECTED else CHANNELS,
            KERAS,
        )
        for model in MODELS
        if model.data in ("mnist", "fashion")
    ),
    Conversion(
        "cifar10-resnet8.keras2.h5", (*CHANNELS, "--stagger", "1", "--correct-bias"), {64: 1.0}
    ),
    Conversion("cifar10-resnet20.torch-state.h5", CHANNELS, {64: 1.0, 256: 0.3}, 256),
    Conversion("cifar10-vgg16.torch-state.h5", CHANNELS, {64: 1.0, 256: 0.3}, 256),
    Conversion("cifar10-resnet56.torch-state.h5", ("--method", "percentile"), {128: 1.0}, 128),
)
PASSES = (
    Passes("cifar10-vgg9-stoch.torch-state.h5", {1: 75.35, 8: 79.06, 16: 78.91}),
    Passes("cifar10-vgg9-stoch-xnor.torch-state.h5", {1: 73.42, 8: 76.99, 16: 77.56}),
)
EXACT = "cifar10-vgg9-relu.torch-state.h5"  # one pass decides every image as the ANN
