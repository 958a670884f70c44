"""evsim chips"""

from __future__ import annotations

from evsim.base.screen import tell_json
from evsim.cli import options as options

EXAMPLES = ("evsim chips", "evsim chips --json")


def chips(wide: options.Wide = False, as_json: options.AsJson = False) -> None:
    """The chips that come with evsim, and what check and cost can answer for each."""
    from evsim.chip.profile import Profile, shipped
    from evsim.chip.profile.overview import overview
    from evsim.reports.chips import show

    rows = [overview(Profile.read(path)) for path in shipped().values()]
    if as_json:
        tell_json({"chips": rows})
    else:
        show(options.output(wide), rows)
