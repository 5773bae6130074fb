"""Importing this imports and computes what every command would."""

from tests.chaos.forked import warm_up

warm_up()
