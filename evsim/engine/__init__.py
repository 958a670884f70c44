"""A network and data in, events and facts out: one sample at a time, in windows of timesteps."""
