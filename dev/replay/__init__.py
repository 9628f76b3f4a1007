"""Replays a day of a card, recorded or made up, against the gate and against models of the rules that it replaces."""
