"""Settings of all tests."""

import pytest
from files import events, images, network
from hypothesis import HealthCheck, settings

settings.register_profile(
    "evsim",
    deadline=None,
    derandomize=True,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("evsim")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A network and data in the working directory; no children, they would only take time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVSIM_NO_GUARD", "1")
    network("n.h5")
    images("d.h5")
    events("e.h5")
    return tmp_path
