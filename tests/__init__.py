"""Mirrors bench/ and methods/."""
