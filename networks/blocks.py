"""Train a network with a backward residual connection on the 8x8 digits, and convert it.

Run `python networks/blocks.py` after `python data/digits.py`; it needs PyTorch, to train. A block
of two convolutions runs three times with the same weights, each time on its own last result
(Panda, Aketi and Roy 2020). The spiking network has copies of the block, which share their arrays.
"""

import tempfile
from pathlib import Path

import digits
import h5py
import torch
from codes import described, validated
from torch import nn

import evsim
from evsim.conversion import convert
from evsim.formats import trainers

FOLDER = Path(__file__).parent
SEED = 0
TURNS = 3
TIMESTEPS = 64
DEFINITION = f"""
extends = "vgg2x4"
input = [8, 8, 1]
parameters = {{ turns = {TURNS} }}
"""


class Back(nn.Module):
    """Conv 3x3x24, average pool 2, three times two conv 3x3x24, average pool 2, dense 10; ReLU.

    Its parts are named as the layers of the definition are.
    """

    def __init__(self):
        super().__init__()

        def conv(before):
            return nn.ModuleDict({"conv": nn.Conv2d(before, 24, 3, padding=1)})

        self.conv1 = conv(1)
        self.back = nn.ModuleDict({"conv1": conv(24), "conv2": conv(24)})
        self.output = nn.Linear(96, 10)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def activations(self, images):
        """The logits for images (n, 8, 8, 1), in a tuple."""
        x = torch.relu(self.conv1["conv"](images.permute(0, 3, 1, 2)))
        x = nn.functional.avg_pool2d(x, 2)
        for _ in range(TURNS):
            for part in self.back.values():
                x = torch.relu(part["conv"](x))
        return (self.output(nn.functional.avg_pool2d(x, 2).flatten(1)),)


def model_of(net):
    """The network as evsim reads its weights."""
    with tempfile.TemporaryDirectory() as folder:
        weights, topology = Path(folder, "weights.h5"), Path(folder, "back.toml")
        topology.write_text(DEFINITION)
        with h5py.File(weights, "w") as file:
            for name, value in net.state_dict().items():
                file[name] = value.numpy()
        return trainers.read(weights, trainers.Options(topology=str(topology), scale=1)).result()


def main():
    """Train the network, convert it and write the file."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels, source = digits.load("digits_train.h5")
    test_images, test_labels, _ = digits.load("digits_test.h5")
    torch.manual_seed(SEED)
    net = Back()
    digits.train(net, images, labels, rate=0.003)
    seen = images[: -digits.VALIDATION].numpy()
    network = described(
        convert(model_of(net), seen, timesteps=TIMESTEPS).network,
        name="digits-backres",
        description=f"{Back.__doc__.splitlines()[0]} Copies of the block share their arrays.",
        source=f"networks/blocks.py; data: {source}",
        ann_accuracy=digits.accuracy(net, test_images, test_labels),
    )
    print(f"digits-backres: {validated(network)} of the validation images")
    evsim.save(network, FOLDER / "digits-backres.h5", overwrite=True)


if __name__ == "__main__":
    main()
