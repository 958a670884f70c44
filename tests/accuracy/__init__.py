"""Networks that others trained, measured."""
