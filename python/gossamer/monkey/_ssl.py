"""ssl: what contexts, all of them, wrap sockets in.  No context is replaced, subclassed or wrapped."""

from ._change import Change


def changes() -> list[Change]:
    try:
        import ssl
    except ImportError:  # a Python without OpenSSL
        return []
    from ..net.ssl import SSLSocket

    return [Change("ssl", ssl.SSLContext, "sslsocket_class", SSLSocket), Change("ssl", ssl, "SSLSocket", SSLSocket)]
