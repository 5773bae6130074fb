"""Mechanisms that methods share."""
