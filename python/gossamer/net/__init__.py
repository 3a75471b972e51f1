"""Networking for tasklets: `socket`, `select` and `selectors`, with the interfaces of the standard library's modules.

    from gossamer.net import socket

A tasklet that waits for a descriptor lets the others run; a thread whose tasklets all wait sleeps.
"""
