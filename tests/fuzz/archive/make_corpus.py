"""Seeds for fuzz_archive: small archives as `gossamer seal` would write them, with the digests of the stubs (zero).

    python make_corpus.py FOLDER
"""
import pathlib
import re
import sys

from gossamer.seal import pack

SIGNATURE = (  # of the bytes "message", by a key that was thrown away
    b"untrusted comment: signature from a test\n"
    b"RUSsmudpg/q0T4oYiqBH0EPlWWJQlWHAvbnOdWBTs89CQfzuZrhB+DlkaofPFsdFbN70DSwmQWp3MfyI7F6r7COVk8dkSkqOhQ8=\n"
    b"trusted comment: timestamp:1795523362\tfile:m\thashed\n"
    b"m5wPnw4a0/m/dZglNbeMg9JaJPXOxUb0VsqvSQktQIfimx/jClYNnhh3kb+sDNFmI+6/7Ggt9IQknP+5kZpoCg==\n"
)
KEY = b"untrusted comment: a key\nRWSsmudpg/q0Tw6JP0qtTdV6W2nabwLKXX+m2t9OmsL9kHgNr7jSbYeq\n"


def archive(members, compress=False, signature=None, shims=None):
    """The same text with zeros wherever a digest or a checksum stands."""
    pack.hashlib = _Zero
    pack.binascii = _Zero
    found = [pack._member(name, kind, "", data, compress) for name, kind, data in sorted(members)]
    return pack.archive(found, "app.main:run", pack.Options(deny=["ctypes"]), shims or {}, (lambda text: signature) if signature else None)


class _Zero:
    @staticmethod
    def sha256(data):
        return _Zero

    @staticmethod
    def hexdigest():
        return "0" * 64

    @staticmethod
    def crc32(data):
        return 0


def seeds():
    some = [("app/__init__.pyc", "package", b"\0" * 30), ("app/main.pyc", "module", b"abc" * 20), ("app/x.txt", "data", b""),
            ("_x.so", "extension", b"\x7fELF"), ("\u00e9/\u4e2d.txt", "data", b"text")]
    yield "empty", b"\0" + archive([])
    yield "plain", b"\0" + archive(some)
    yield "deflated", b"\0" + archive(some, compress=True, shims={"collections": "namedtuple"})
    yield "signed", b"\2" + archive(some, signature=SIGNATURE)
    yield "behind", b"\1" + b"launcher" + archive(some)
    yield "signature", b"\3" + SIGNATURE
    yield "key", b"\3" + KEY + b"\0" + SIGNATURE
    for name, old, new in [("escape", rb"app/x.txt", b"../../x.t"), ("twice", rb"app/x.txt", b"_x.so"), ("bomb", rb" 60 60 ", b" 60 99999999 "),
                           ("absolute", rb"app/x.txt", b"/etc/x.tx"), ("number", rb"stored 0 ", b"stored 00 ")]:
        yield name, b"\0" + re.sub(old, new, archive(some))


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds():
        (folder / name).write_bytes(data)
