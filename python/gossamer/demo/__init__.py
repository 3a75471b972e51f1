"""Demos: `gossamer demo NAME`."""
