"""What the well-known downloads hold: how many samples, and the MD5 their publishers give."""

import hashlib
from pathlib import Path

DIGESTS = {  # of the compressed files; MNIST, Fashion-MNIST, KMNIST
    "train-images-idx3-ubyte.gz": {
        "f68b3c2dcbeaaa9fbdd348bbdeb94873": "MNIST",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d": "Fashion-MNIST",
        "bdb82020997e1d708af4cf47b453dcf7": "KMNIST",
    },
    "train-labels-idx1-ubyte.gz": {
        "d53e105ee54ea40749a09fcbcd1e9432": "MNIST",
        "25c81989df183df01b3e8a0aad5dffbe": "Fashion-MNIST",
        "e144d726b3acfaa3e44228e80efcd344": "KMNIST",
    },
    "t10k-images-idx3-ubyte.gz": {
        "9fb629c4189551a2d022fa330f9573f3": "MNIST",
        "bef4ecab320f06d8554ea6380940ec79": "Fashion-MNIST",
        "5c965bf0a639b31b8f53240b1b52f4d7": "KMNIST",
    },
    "t10k-labels-idx1-ubyte.gz": {
        "ec29112dd5afa0611ce80d1b7f02629c": "MNIST",
        "bb300cfdad3c16e7a12a480ee83cd310": "Fashion-MNIST",
        "7320c461ea6c1c855c0b718fb2a4b134": "KMNIST",
    },
    "cifar-10-binary.tar.gz": {"c32a1d4ab5d03f1284b67883e8d87530": "CIFAR-10"},
    "cifar-100-binary.tar.gz": {"03b5dce01913d631647c71ecec9e9cb8": "CIFAR-100"},
}


def doubts(paths: list[Path], samples: int, expected: int | None) -> list[str]:
    """In what the files differ from the well-known ones of their names."""
    found = []
    for path in paths:
        known = DIGESTS.get(path.name, {})
        if known:
            with open(path, "rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
            if digest.hexdigest() not in known:
                names = ", ".join(known.values())
                found.append(f"{path}: found MD5 {digest.hexdigest()}, not that of {names}")
    if expected is not None and samples != expected:
        found.append(f"{paths[0]}: found {samples} samples, the well-known file has {expected}")
    return found
