"""The package _gossamer_shims of a sealed archive: repairs of the standard library, imported when they are needed."""
