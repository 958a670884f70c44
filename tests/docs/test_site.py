"""The site is built without a warning, and its pages are there."""

import subprocess
import sys

import pytest
from support.places import ROOT


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocstrings", reason="the site needs evsim[docs]")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", tmp_path]
    built = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    home = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="tutorials/pytorch/"' in home
    assert "networks/README" not in home
    assert (tmp_path / "codes.png").exists()
    assert "accumulate" in (tmp_path / "reference/chips/index.html").read_text(encoding="utf-8")
