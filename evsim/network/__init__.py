"""Populations joined by synapses, in the order in which they are visited."""
