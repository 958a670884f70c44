"""Prices: energies by hand, what is left open, linearity, and mistakes in profiles."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsim.base.errors import EvsimError
from evsim.base.shipped import shipped
from evsim.chip import profile
from evsim.chip.prices import DEFAULT, EVIDENCE, Profile, find, price
from evsim.counting.machine import ACTIONS, M3

GOOD = """schema = "evsim-hw/1"
name = "mine"
[[charge]]
action = "synaptic_add"
pj = 2
includes = ["weight_read"]
source = "page 7"
evidence = "measured"
[[charge]]
action = ["potential_read", "potential_write"]
pj = 0.5
source = "page 8"
evidence = "assumed"
"""


def counted(**parts):
    """Counts as a run gives them, of parts with some actions."""
    every = {part: dict.fromkeys(ACTIONS, 0) | actions for part, actions in parts.items()}
    total = {action: sum(done[action] for done in every.values()) for action in ACTIONS}
    return {"parts": every, "total": total, "updates": {}}


def written(folder, text):
    path = folder / "p.toml"
    path.write_text(text)
    return path


def test_energy_by_hand(tmp_path):
    profile = Profile.read(written(tmp_path, GOOD))
    counts = counted(
        s={"synaptic_add": 10, "weight_read": 10, "potential_read": 10, "potential_write": 10},
        a={"potential_read": 4, "potential_write": 4, "compare": 4, "event_push": 3},
    )
    before = json.dumps(counts)
    found = price(counts, profile)
    assert json.dumps(counts) == before
    assert found["actions"] == {"synaptic_add": 20, "potential_read": 7, "potential_write": 7}
    assert found["parts"] == {"s": 30, "a": 4}
    assert found["total"] == 34
    assert found["unpriced"] == {"compare": 4, "event_push": 3}
    assert found["lower_bound"]
    assert found["evidence"] == dict.fromkeys(EVIDENCE, 0) | {"measured": 20, "assumed": 14}
    priced = price(counted(s={"synaptic_add": 3, "weight_read": 3}), profile)
    assert (priced["total"], priced["unpriced"], priced["lower_bound"]) == (6, {}, False)


def test_what_is_included_is_paid_only_where_its_action_is_done(tmp_path):
    profile = Profile.read(written(tmp_path, GOOD))
    one = {"synaptic_add": 5, "weight_read": 5}
    other = {"synaptic_mac": 3, "weight_read": 3}
    found = price(counted(one=one, other=other), profile)
    assert (found["total"], found["unpriced"]) == (10, {"synaptic_mac": 3, "weight_read": 3})


@pytest.mark.parametrize(
    ("name", "addition", "mac", "multiply"),
    [("horowitz-45nm", 0.9, 4.6, 3.7), ("horowitz-45nm-int32", 0.1, 3.2, 3.1)],
)
def test_shipped_profiles_price_all_but_random_numbers(name, addition, mac, multiply):
    profile = Profile.read(find(name))
    assert profile.name == name
    one_each = price(counted(p=dict.fromkeys(ACTIONS, 1)), profile)
    assert one_each["unpriced"] == {"random_draw": 1}
    additions = {"synaptic_add", "commit_add", "bias_add", "reset_subtract", "slope_add", "compare"}
    additions |= {"prediction_add", "state_add"}
    expected = dict.fromkeys(additions, addition) | dict.fromkeys(M3, 5.0)
    multiplications = ("leak", "prediction_multiply", "state_multiply")
    expected |= {"synaptic_mac": mac} | dict.fromkeys(multiplications, multiply)
    assert one_each["actions"] == expected  # reset_write is part of the write of the potential
    assert one_each["total"] == pytest.approx(8 * addition + mac + 3 * multiply + 5 * len(M3))


def test_profiles_are_found_by_name_or_path(tmp_path):
    assert find(DEFAULT) == Path(profile.__file__).parent / f"{DEFAULT}.toml"
    assert find("a/b") == find("./a/b")
    with pytest.raises(EvsimError, match=r"prices: .*did you mean 'horowitz-45nm'"):
        find("horowitz45nm")
    with pytest.raises(EvsimError, match=r"none\.toml: cannot be read"):
        Profile.read(find("none.toml"))


many = st.fixed_dictionaries({action: st.integers(0, 10**12) for action in ACTIONS})
prices = st.floats(0, 1e6, allow_subnormal=False)


@given(one=many, other=many, times=st.integers(0, 1000), pj=prices)
def test_energy_is_linear_in_counts_and_prices(one, other, times, pj):
    profile = Profile.read(find(DEFAULT))
    both = {action: one[action] + times * other[action] for action in ACTIONS}
    each = [price(counted(p=n), profile) for n in (one, other, both)]
    for key in ("actions", "parts", "evidence"):
        for name, energy in each[2][key].items():
            summed = each[0][key][name] + times * each[1][key][name]
            assert energy == pytest.approx(summed, rel=1e-12)
    assert sum(each[2]["parts"].values()) == pytest.approx(each[2]["total"], rel=1e-12)
    assert sum(each[2]["evidence"].values()) == pytest.approx(each[2]["total"], rel=1e-12)
    dearer = tuple(replace(charge, pj=charge.pj + pj) for charge in profile.charges)
    more = price(counted(p=one), replace(profile, charges=dearer))["total"]
    priced = sum(one[action] for charge in dearer for action in charge.action)
    assert more == pytest.approx(each[0]["total"] + pj * priced, rel=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"evsim-hw/1"', '"evsim-hw/9"', "schema: found 'evsim-hw/9', expected 'evsim-hw/1'"),
        ('schema = "evsim-hw/1"', "", "schema: found None"),
        ("name = ", "nam = ", "unknown key 'nam', expected"),
        ("name = ", "nam = ", "did you mean 'name'?"),
        ('name = "mine"', 'name = ""', "name: found '', expected a line of text"),
        ("source = ", "sourc = ", "charge[0]: found unknown key 'sourc'"),
        ("source = ", "sourc = ", "did you mean 'source'?"),
        ('source = "page 7"\n', "", "charge[0]: missing field 'source'"),
        ('source = "page 7"', 'source = " "', "charge[0]/source: found ' '"),
        ("pj = 2\n", "", "missing field 'pj', in picojoule"),
        ("pj = 2", "pj = -2", "charge[0]/pj: found -2, expected a number from 0"),
        ("pj = 2", "pj = nan", "charge[0]/pj: found nan"),
        ("pj = 2", "pj = inf", "charge[0]/pj: found inf"),
        ("pj = 2", f"pj = {10**400}", "charge[0]/pj: found 1000"),
        ("pj = 2", "pj = true", "charge[0]/pj: found True"),
        ("pj = 2", 'pj = "__import__(\'os\')"', "charge[0]/pj: found"),
        ('"measured"', '"measure"', "did you mean 'measured'?"),
        ('"synaptic_add"', '"synaptic_ad"', "did you mean 'synaptic_add'?"),
        ('"synaptic_add"', "[]", "charge[0]/action: found no action"),
        ('"synaptic_add"', "7", "charge[0]/action: found 7"),
        ('["weight_read"]', "[7]", "charge[0]/includes: found [7]"),
        ('["weight_read"]', '["potential_read"]',
         "'potential_read' is charged twice: by charge[0].includes and by charge[1].action"),
        ('"synaptic_add"', '["leak", "leak"]',
         "'leak' is charged twice: by charge[0].action and by charge[0].action"),
        ("[[charge]]", "[[charges]]", "did you mean 'charge'?"),
        ('schema = "evsim-hw/1"', 'schema = "evsim-hw/1"\ncharge = []', "no TOML"),
        ("[[charge]]", "[[charge", "no TOML"),
        ("mine", "\udcff", "no TOML"),
    ],
)  # fmt: skip
def test_mistakes_in_a_profile_are_one_line(old, new, expected, tmp_path):
    text = GOOD.replace(old, new)
    assert text != GOOD
    path = tmp_path / "p.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(EvsimError) as caught:
        Profile.read(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert expected in line
    assert "\n" not in line


@pytest.mark.parametrize("text", ["", 'schema = "evsim-hw/1"', 'schema = "evsim-hw/1"\ncharge = 1'])
def test_a_profile_without_charges_is_an_error(text, tmp_path):
    with pytest.raises(EvsimError, match="expected"):
        Profile.read(written(tmp_path, text))


def test_counts_of_a_run_are_priced():
    import evsim

    network = evsim.load(shipped("networks") / "digits-dense.h5")
    with evsim.open_data(shipped("data") / "digits_test.h5") as data:
        run = evsim.run(network, data.images[:3], timesteps=4)
    counts = run.counts()
    found = price(counts, Profile.read(find(DEFAULT)))
    total = counts["total"]
    m3, compared = total["memory_accesses"]["M3"], total["compare"]
    by_hand = 5 * m3 + 0.9 * (total["additions"] + compared) + 4.6 * total["synaptic_mac"]
    assert total["leak"] == total["random_draw"] == 0
    assert found["total"] == pytest.approx(by_hand)
    assert np.isclose(sum(found["parts"].values()), by_hand)
    assert run.counts() == counts
