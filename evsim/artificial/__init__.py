"""Artificial networks: layers, their forward pass, and what is linear among them."""
