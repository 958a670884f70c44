"""What is known of the processor."""

import pytest

from evsim.base import processors


@pytest.mark.parametrize(
    ("size", "expected"),
    [("2048K", 2 << 20), ("large", processors.USUAL), (None, processors.USUAL)],
)
def test_the_second_cache_is_what_the_system_says_or_a_usual_one(
    size, expected, tmp_path, monkeypatch
):
    for index, (level, about) in enumerate([("1", "48K"), ("2", size)]):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        (folder / "level").write_text(f"{level}\n")
        if about is not None:
            (folder / "size").write_text(f"{about}\n")
    monkeypatch.setattr(processors, "CACHES", tmp_path)
    assert processors.second_cache.__wrapped__() == expected
    monkeypatch.setattr(processors, "CACHES", tmp_path / "nowhere")
    assert processors.second_cache.__wrapped__() == processors.USUAL
