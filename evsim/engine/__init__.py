"""A network and data in, events and facts out: sample by sample, a span of timesteps at a time."""
