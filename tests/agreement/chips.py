"""Random chips: profiles as TOML, with prices, times, queues, widths and cores."""

import json

MACHINES = {
    "accumulate": ("direct", "buffer", "register"),
    "update": ("clock", "active"),
    "input": ("recompute", "cached"),
}
HELD = ("weight", "index", "bias", "current", "potential", "slope", "event")
OF_SETS = ("synaptic_add", "synaptic_mac")
OF_POPULATIONS = ("commit_add", "bias_add", "compare", "leak", "reset_subtract", "random_draw")
OF_POPULATIONS += ("slope_add",)
MADE_UP = {"source": "made up", "evidence": "assumed"}
EVIDENCE = ("measured", "published", "simulated", "derived", "assumed")
STEPS = ("pop", "event", "synapse", "update", "push", "barrier")


def draw_chip(rng) -> dict:
    """A chip as what its TOML holds."""

    def chance(probability):
        return bool(rng.random() < probability)

    def one(*options):
        return options[rng.integers(len(options))]

    def amount(high=9.0):
        first = round(float(rng.random() * high), 2)
        return [first, round(first + 1.5, 2)] if chance(0.3) else first

    chip: dict = {"schema": "evsim-hw/1", "name": "drawn", "title": "a chip that is drawn"}
    if chance(0.2):
        chip["open"] = ["what nobody has measured"]
    chip["machine"] = {name: one(*choices) for name, choices in MACHINES.items() if chance(0.8)}
    chip["numeric"] = _numeric(chance, one, rng)
    chip["queue"] = [
        {
            "name": f"queue {i}",
            "scope": one("input", "layer", "core", "chip"),
            "depth": int(one(rng.integers(1, 4), rng.integers(3, 12), 1000)),
            "policy": one("drop_new", "drop_new", "drop_old", "stall", "error"),
        }
        | ({"input_policy": one("drop_new", "stall")} if chance(0.3) else {})
        for i in range(one(0, 1, 1, 2))
    ]
    if chance(0.8):
        cores = one(int(rng.integers(3, 9)), int(rng.integers(8, 40)), 1000)
        chip["capacity"] = {"neurons_per_core": cores}
        limits = ("cores", "fan_in", "fan_out", "delay", "in_axons_per_core")
        chip["capacity"] |= {name: int(rng.integers(1, 60)) for name in limits if chance(0.3)}
    if chance(0.85):
        chip["time"] = _time(chance, one, rng, amount)
    held = list(rng.permutation(HELD))
    chip["memory"] = []
    for i in range(one(0, 1, 2, 3)):
        some, held = held[:2], held[2:]
        memory = {"name": f"memory {i}", "holds": [str(what) for what in some]}
        memory |= {"word_bits": one(1, 8, 32, 64, 100)} if chance(0.7) else {}
        memory |= {"size_kib": float(one(0.01, 1, 1000))} if chance(0.5) else {}
        prices = {k: amount() for k in ("read_pj", "write_pj", "leakage_mw") if chance(0.5)}
        chip["memory"].append(memory | prices | (MADE_UP if prices else {}))
    chip["charge"] = _charges(chance, one, rng, amount, [str(what) for what in held])
    return chip


def _numeric(chance, one, rng) -> dict:
    found = {}
    if chance(0.5):
        found["weight"] = {"bits": int(rng.integers(1, 12)), "signed": chance(0.8)}
    if chance(0.5):
        rule = {"overflow": one("saturate", "wrap", "error"), "at": one("commit", "each_add")}
        found["membrane"] = {"bits": int(rng.integers(5, 14)), "signed": chance(0.8)} | rule
        if chance(0.5):
            found["accumulator"] = {"bits": int(rng.integers(5, 24))} | rule
    if chance(0.3):
        found["threshold"] = {"bits": int(rng.integers(4, 12))}
    return found


def _time(chance, one, rng, amount) -> dict:
    found: dict = {"cycles": {}, "ns": {}}
    found |= {"clock_hz": one(1e6, 2e8)} if chance(0.6) else {}
    found |= {"lanes": int(rng.integers(1, 9))} if chance(0.5) else {}
    found |= {"timestep_ms": one(1e-4, 1.0)} if chance(0.3) else {}
    clocked = "clock_hz" in found or chance(0.5)
    for step in STEPS:
        if chance(0.7):
            found[one("cycles", "ns") if "clock_hz" in found else ("cycles" if clocked else "ns")][
                step
            ] = amount()
            if step == "update" and chance(0.4):
                found["ns" if step in found["ns"] else "cycles"]["idle_update"] = amount(0.5)
    return found


def _charges(chance, one, rng, amount, unheld: list[str]) -> list[dict]:
    """Prices of actions, each paid once; `unheld`: what no memory has."""
    evidence = {"source": "made up"}
    if chance(0.1):
        includes = ["weight_read", "potential_read", "potential_write", "compare", "event_pop"]
        free = [name for name in includes if name.rpartition("_")[0] in unheld or name == "compare"]
        charge = {"action": one("synaptic_add", "leak"), "pj": amount(), "includes": free}
        return [charge | {"evidence": "derived"} | evidence]
    accesses = [f"{what}_{kind}" for what in unheld for kind in ("read", "write")]
    accesses += ["event_pop", "event_push"] if "event" in unheld else []
    known = ("weight_read", "index_read", "bias_read", "current_read", "current_write")
    known += ("potential_read", "potential_write", "slope_read", "slope_write")
    known += ("event_pop", "event_push")
    names = [*(n for n in accesses if n in known), *OF_SETS, *OF_POPULATIONS]
    names += ["active_update", "idle_update"] if chance(0.4) else []
    names = [str(n) for n in rng.permutation([n for n in names if chance(0.8)])]
    found = []
    while names:
        size = one(1, 2, 4)
        some, names = names[:size], names[size:]
        charge = {"action": some, "pj": amount(), "evidence": one(*EVIDENCE)} | evidence
        if chance(0.3) and names:
            charge["includes"], names = names[:1], names[1:]
        found.append(charge)
    return found or [{"action": "synaptic_add", "pj": 1.0, "evidence": "derived"} | evidence]


def written(chip: dict) -> str:
    """The chip as TOML."""
    lines = [f"{k} = {_value(v)}" for k, v in chip.items() if not _is_table(v)]
    for name, content in chip.items():
        if isinstance(content, dict):
            lines += _table(name, content)
        elif _is_table(content):
            for row in content:
                lines += [f"[[{name}]]", *(f"{k} = {_value(v)}" for k, v in row.items())]
    return "\n".join(lines) + "\n"


def _is_table(value) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and (not value or isinstance(value[0], dict))
    )


def _table(name: str, content: dict) -> list[str]:
    lines = [f"[{name}]", *(f"{k} = {_value(v)}" for k, v in content.items() if not _is_table(v))]
    for inner, value in content.items():
        if isinstance(value, dict):
            lines += _table(f"{name}.{inner}", value)
    return lines


def _value(value) -> str:
    """A number, a word or a list of them; TOML and JSON write these alike."""
    return json.dumps(value)
