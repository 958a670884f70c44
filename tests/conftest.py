"""Settings of all tests."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "evsim",
    deadline=None,
    derandomize=True,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("evsim")
