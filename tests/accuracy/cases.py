"""The networks of others, how they are read and converted, and what they must reach."""

from dataclasses import dataclass

CIFAR = ("--mean", ".485,.456,.406", "--std", ".229,.224,.225")


@dataclass(frozen=True)
class Model:
    """A trainer's file with the options it needs, and its accuracy as an ANN, in percent."""

    file: str
    data: str  # of data/: the test set; what calibrates is its training set
    accuracy: float
    options: tuple[str, ...] = ()
    passes: tuple[int, ...] = (1,)
    accuracies: tuple[float, ...] = ()  # for several numbers of passes


@dataclass(frozen=True)
class Conversion:
    """How a model is converted, and by how many points it may be worse at T timesteps."""

    file: str
    options: tuple[str, ...]
    bars: dict[int, float]  # timesteps: points


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
    Model("cifar10-resnet20.torch-state.h5", "cifar10", 90.76, ("--topology", "resnet20", *CIFAR)),
    Model("cifar10-resnet56.torch-state.h5", "cifar10", 92.87, ("--topology", "resnet56", *CIFAR)),
    Model("cifar10-vgg16.torch-state.h5", "cifar10", 88.35, ("--topology", "vgg16")),
    Model("cifar10-vgg9-relu.torch-state.h5", "cifar10", 87.39, ("--topology", "vgg9")),
)
