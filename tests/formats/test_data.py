"""What a data file means: images of every rank and scale, events of every type."""

import numpy as np
import pytest
from support.files import events, images, network, network_parts, put, ran, touch, write

import evsim
from evsim import EvsimError

RAW = np.random.default_rng(8).integers(0, 256, (5, 4, 4, 2)).astype(np.uint8)


def first_events(tmp_path, shape, content, **fields):
    """The graded events of the input for the first image, as (samples, neurons) values."""
    parts = network_parts()
    parts["populations/in"] = {"kind": "input", "shape": shape, **fields}
    neurons = int(np.prod(shape))
    parts = {k: v for k, v in parts.items() if k in ("/", "populations/in", "populations/out")}
    parts["populations/out"] = {"kind": "readout", "shape": (neurons,)}
    ends = {"kind": "sparse", "source": "in", "target": "out"}
    ones = {
        "data": np.ones(neurons),
        "indices": np.arange(neurons),
        "indptr": np.arange(neurons + 1),
    }
    parts["synapses/in-out"] = {**ends, **ones}
    loaded = evsim.load(write(tmp_path / "n.h5", parts))
    write(tmp_path / "d.h5", {"/": {"images": content}})
    images = evsim.open_data(tmp_path / "d.h5").images
    return evsim.run(loaded, images, timesteps=1, dtype="float64").potential


@pytest.mark.parametrize(
    ("shape", "content"),
    [
        ((4, 4, 2), RAW),
        ((32,), RAW),
        ((32,), RAW.reshape(5, 32)),
        ((16,), RAW[..., 0]),
        ((4, 4, 1), RAW[..., 0]),
        ((4, 4, 1), RAW[..., :1]),
        ((16,), RAW[..., :1]),
    ],
    ids=lambda value: "x".join(map(str, getattr(value, "shape", value))),
)
def test_images_of_every_rank(shape, content, tmp_path):
    flat = content.reshape(5, -1)
    found = first_events(tmp_path, shape, content)
    assert found.tolist() == (flat.astype(np.float64) / 255).tolist()
    found = first_events(tmp_path, shape, content, scale=16)
    assert found.tolist() == (flat / 16).tolist()
    for dtype in (np.float16, ">f4", np.float64):  # floats are not scaled
        found = first_events(tmp_path, shape, content.astype(dtype), scale=16)
        assert found.tolist() == flat.astype(float).tolist()


@pytest.mark.parametrize("shape", [(4, 4, 2), (32,)], ids=str)
def test_mean_and_std_of_each_channel_also_where_images_are_flattened(shape, tmp_path):
    mean, std = np.array([0.5, 0.25]), np.array([2.0, 0.125])
    expected = ((RAW.astype(np.float64) / 255 - mean) / std).reshape(5, 32).tolist()
    assert first_events(tmp_path, shape, RAW, mean=mean, std=std).tolist() == expected
    expected = ((RAW.astype(np.float64) / 255 - 0.5) / std).reshape(5, 32).tolist()
    assert first_events(tmp_path, shape, RAW, mean=0.5, std=std).tolist() == expected


def test_mean_of_another_number_of_channels(tmp_path):
    with pytest.raises(EvsimError, match="found images of 1 channels, expected 2 as mean has"):
        first_events(tmp_path, (16,), RAW[..., :1], mean=np.array([0.5, 0.25]))


def test_mean_of_a_data_file_is_information(tmp_path):
    plain, told = (
        images(tmp_path / "d.h5"),
        images(tmp_path / "e.h5", put("mean", 0.5), put("std", 2)),
    )
    path = network(tmp_path / "n.h5")
    assert ran(path, plain) == ran(path, told)


@pytest.mark.parametrize("shape", [(4, 4, 2), (32,)], ids=str)
def test_events_of_both_ranks_and_every_integer_type(shape, tmp_path):
    path = network(tmp_path / "n.h5")
    usual = ran(path, events(tmp_path / "d.h5"))
    if shape == (4, 4, 2):
        for dtype in ("i1", ">i2", "u4", ">u8"):
            changes = [
                touch(f"events/{c}", lambda a, d=dtype: a.astype(d))
                for c in ("sample", "timestep", "neuron")
            ]
            assert ran(path, events(tmp_path / "e.h5", *changes)) == usual
    else:
        flat = events(tmp_path / "e.h5", put("events/shape", shape))
        parts = network_parts()
        assert evsim.open_data(flat).events.shape == (32,)
        with pytest.raises(EvsimError, match=r"found samples of shape \(32,\)"):
            evsim.run(evsim.load(write(tmp_path / "m.h5", parts)), evsim.open_data(flat).events)


@pytest.mark.parametrize(
    ("value", "graded", "expected"),
    [
        (None, None, False),
        (1.0, None, False),
        (-1, None, False),
        (0.5, None, True),
        (1, True, True),
        (1, False, False),
    ],
)
def test_values_of_all_samples_decide_whether_events_are_graded(value, graded, expected, tmp_path):
    def change(file):
        if value is not None:
            values = np.ones(len(file["events/sample"]), np.asarray(value).dtype)
            values[-1] = value  # in the last sample only
            file["events/value"] = values
        if graded is not None:
            file["events"].attrs["graded"] = graded

    data = evsim.open_data(events(tmp_path / "d.h5", change))
    assert data.events.graded is expected
    run = evsim.run(evsim.load(network(tmp_path / "n.h5")), data.events[:2], timesteps=20)
    facts = run.work["in-a"]
    assert facts["macs" if expected else "synops"].sum() > 0
    assert facts["synops" if expected else "macs"].sum() == 0


def test_a_sample_without_events_is_silent(tmp_path):
    def quiet(file):
        kept = file["events/sample"][()] != 2
        for name in ("sample", "timestep", "neuron"):
            touch(f"events/{name}", lambda a: a[kept])(file)

    data = evsim.open_data(events(tmp_path / "d.h5", quiet))
    run = evsim.run(evsim.load(network(tmp_path / "n.h5")), data.events)
    assert [n > 0 for n in run.work["in"]["spikes"]] == [True, True, False, True, True, True]


def test_other_things_in_a_data_file_are_ignored(tmp_path):
    def more(file):
        file.attrs.update(source="somewhere", layout="NHWC")
        file["index"], file["notes"] = np.arange(3), "text"

    path = network(tmp_path / "n.h5")
    usual = ran(path, images(tmp_path / "d.h5"))
    assert ran(path, images(tmp_path / "e.h5", more)) == usual
    bare = images(tmp_path / "f.h5", put("format", None), put("version", None))
    assert ran(path, bare) == usual
