"""Train networks of binary stochastic activations and of binary weights on the 8x8 digits.

Run `python networks/stochastic.py` after `python data/digits.py`; it needs PyTorch, to train.

Neurons, their gradients and binary weights are those of Roy, Chakraborty and Roy, *Scaling deep
SNNs with binary stochastic activations*, 2019, and of their code: a neuron with input z sends 1
with probability sigmoid(z), else 0 (unipolar), or 1 with probability (clip(z, -1, 1) + 1) / 2, else
-1 (bipolar); drawing passes gradients on as if it had not been there (a straight-through
estimator). A binary weight is sign(w) times the mean |w| of its filter, with gradients where
|w| < 1; the first and the last layer keep real weights. Max pools are on the sums in front of
neurons, and batch norm stands between. At inference a network runs some passes, summed.
"""

from pathlib import Path

import digits
import torch
from codes import described
from torch import nn

import evsim
from evsim.artificial.layers import layer_kinds
from evsim.artificial.model import INPUT, Model
from evsim.conversion import convert_to_passes
from evsim.neurons.input import Input

FOLDER = Path(__file__).parent
PASSES = 8
SEED = 0
EPOCHS = 100


class Binary(torch.autograd.Function):
    """sign(w) times the mean |w| of each filter; gradients pass where |w| < 1."""

    @staticmethod
    def forward(context, weight):
        context.save_for_backward(weight)
        size = weight.abs().flatten(1).mean(1)
        return torch.where(weight >= 0, 1.0, -1.0) * size.view(-1, *[1] * (weight.ndim - 1))

    @staticmethod
    def backward(context, gradient):
        (weight,) = context.saved_tensors
        return gradient * (weight.abs() < 1)


def draw(z, bipolar):
    """Binary stochastic activations of z with a straight-through gradient."""
    p = (z.clamp(-1, 1) + 1) / 2 if bipolar else torch.sigmoid(z)
    fires = (torch.rand_like(p) < p).float()
    mean, sent = (2 * p - 1, 2 * fires - 1) if bipolar else (p, fires)
    return mean + (sent - mean).detach()


class Layer(nn.Module):
    """A convolution or dense layer, a max pool, batch norm and neurons."""

    def __init__(self, weighted, pool=1, binary=False, bipolar=False):
        super().__init__()
        self.weighted, self.pool = weighted, pool
        self.binary, self.bipolar = binary, bipolar
        conv = isinstance(weighted, nn.Conv2d)
        self.norm = (nn.BatchNorm2d if conv else nn.BatchNorm1d)(len(weighted.weight))

    @property
    def weight(self):
        """The weights that are used."""
        weight = self.weighted.weight
        return Binary.apply(weight) if self.binary else weight

    def forward(self, x):
        if isinstance(self.weighted, nn.Conv2d):
            z = nn.functional.conv2d(x, self.weight, padding=1)
            z = nn.functional.max_pool2d(z, self.pool) if self.pool > 1 else z
        else:
            z = nn.functional.linear(x, self.weight)
        return draw(self.norm(z), self.bipolar)


class Net(nn.Module):
    """Layers of neurons and a last dense layer, which is read out."""

    def __init__(self, convolutions, denses, last):
        super().__init__()
        self.convolutions = nn.ModuleList(convolutions)
        self.denses = nn.ModuleList(denses)
        self.last = last

    def forward(self, images):
        """The logits of one pass, for images (n, 8, 8, 1)."""
        x = images.permute(0, 3, 1, 2)
        for layer in self.convolutions:
            x = layer(x)
        x = x.permute(0, 2, 3, 1).flatten(1)  # channels last, as populations are
        for layer in self.denses:
            x = layer(x)
        return self.last(x)

    def passes(self, images, count=PASSES):
        """The logits summed over passes."""
        return sum(self(images) for _ in range(count))


def conv(before, after):
    return nn.Conv2d(before, after, 3, padding=1, bias=False)


def stochastic():
    """Conv 3x3x16, conv 3x3x32, max pool 2, dense 10: unipolar neurons, real weights."""
    return Net([Layer(conv(1, 16)), Layer(conv(16, 32), pool=2)], [], nn.Linear(512, 10))


def binary():
    """Conv 3x3x32, conv 3x3x64, max pool 2, dense 128, dense 10: bipolar, bits in the middle."""
    own = {"binary": True, "bipolar": True}
    convolutions = [Layer(conv(1, 32), bipolar=True), Layer(conv(32, 64), pool=2, **own)]
    dense = Layer(nn.Linear(1024, 128, bias=False), **own)
    return Net(convolutions, [dense], nn.Linear(128, 10))


def train(net, images, labels):
    """Train with Adam on jittered images; keep the epoch with the least validation loss."""
    images, held_images = images[: -digits.VALIDATION], images[-digits.VALIDATION :]
    labels, held_labels = labels[: -digits.VALIDATION], labels[-digits.VALIDATION :]
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    least, kept = float("inf"), None
    for _ in range(EPOCHS):
        net.train()
        for batch in torch.randperm(len(images)).split(64):
            logits = net(digits.jitter(images[batch]))
            loss = nn.functional.cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for layer in (*net.convolutions, *net.denses):
                    layer.weighted.weight.clamp_(-1, 1) if layer.binary else None
        schedule.step()
        net.eval()
        with torch.no_grad():
            logits = net.passes(held_images) / PASSES
            held_loss = nn.functional.cross_entropy(logits, held_labels).item()
        if held_loss < least:
            least = held_loss
            kept = {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(kept)


def accuracy(net, images, labels):
    """The fraction of images that PASSES passes decide as labelled."""
    with torch.no_grad():
        return (net.passes(images).argmax(1) == labels).double().mean().item()


def model_of(net):
    """The network as layers of evsim."""
    kinds, layers, at = layer_kinds(), {}, INPUT

    def put(name, kind, **fields):
        nonlocal at
        layers[name] = kinds[kind](sources=(at,), **fields)
        at = name

    def put_neurons(n, kind, layer):
        weight = digits.to_channels_last(layer.weight.detach()).contiguous().numpy()
        geometry = {"padding": (1, 1, 1, 1)} if kind == "conv" else {}
        put(f"{kind}{n}", kind, weight=weight, **geometry)
        if layer.pool > 1:
            put(f"pool{n}", "pool", operation="max", kernel=(layer.pool, layer.pool))
        norm = layer.norm
        pairs = {"gamma": norm.weight, "beta": norm.bias}
        pairs |= {"mean": norm.running_mean, "variance": norm.running_var}
        fields = {name: value.detach().numpy() for name, value in pairs.items()}
        put(f"norm{n}", "normalize", **fields, epsilon=norm.eps)
        rule = {"probability": "hardtanh", "output": "bipolar"} if layer.bipolar else {}
        put(f"neurons{n}", "stochastic", **rule)

    for n, layer in enumerate(net.convolutions, 1):
        put_neurons(n, "conv", layer)
    put("flatten", "flatten", order="hwc")
    for n, layer in enumerate(net.denses, len(net.convolutions) + 1):
        put_neurons(n, "dense", layer)
    last = net.last
    weight, bias = last.weight.detach().T.contiguous().numpy(), last.bias.detach().numpy()
    put("output", "dense", weight=weight, bias=bias)
    return Model(layers, Input(shape=(8, 8, 1)))


def main():
    """Train both networks, convert them and write the two files."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels, source = digits.load("digits_train.h5")
    test_images, test_labels, _ = digits.load("digits_test.h5")
    held = images[-digits.VALIDATION :], labels[-digits.VALIDATION :]
    for make, name in ((stochastic, "digits-stochastic"), (binary, "digits-binary")):
        torch.manual_seed(SEED)
        net = make()
        train(net, images, labels)
        found = accuracy(net, *held)
        print(f"{name}: {found:.4f} of the {digits.VALIDATION} validation images")
        network = convert_to_passes(model_of(net), timesteps=PASSES).network
        about = f"{make.__doc__} Trained on the training split alone; {PASSES} passes."
        network = described(
            network,
            name=name,
            description=about,
            source=f"networks/stochastic.py; data: {source}",
            ann_accuracy=accuracy(net, test_images, test_labels),
        )
        evsim.save(network, FOLDER / f"{name}.h5", overwrite=True)


if __name__ == "__main__":
    main()
