"""A network and data in, events and facts out: one sample at a time, a span of timesteps at a time."""
