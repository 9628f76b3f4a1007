"""Breaks the gate in many small ways and proves that its tests notice each."""
