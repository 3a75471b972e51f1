"""Signatures in minisign's format: made by the packer, checked by launcher, inspector and minisign itself."""
import base64
import os
import shutil
import subprocess

import pytest

from seal_commands import quick

pytest.importorskip("nacl", reason="signing needs PyNaCl, which is not installed here")
PROGRAM = "print('ran')\n\n"


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = quick("seal", "--new-key", "mine")
    assert done.returncode == 0 and os.stat("mine.key").st_mode & 0o777 == 0o600
    assert quick("seal", "--new-key", "other").returncode == 0
    return tmp_path


@pytest.fixture
def can_check(run):
    if "no (built without libsodium)" in run(None, "--version").stdout:
        pytest.skip("the launcher was built without libsodium: no headers on this machine")


def test_signed_and_pinned(seal, run, keys, can_check):
    archive = seal(PROGRAM, "--key", "mine.key")
    assert run(archive).stdout == "ran\n"
    assert run(archive, options=["--key", "mine.pub"]).stdout == "ran\n"
    assert "yes, with the given key" in quick("inspect", "--key", "mine.pub", "--verify", archive).stdout


def check_refused(run, archive, key, text):
    done = run(archive, options=["--key", key])
    assert (done.stdout, done.returncode) == ("", 2) and text in done.stderr, done
    done = quick("inspect", "--key", key, archive)
    assert done.returncode == 2 and text in done.stderr, done


def test_other_key(seal, run, keys, can_check):
    check_refused(run, seal(PROGRAM, "--key", "mine.key"), "other.pub", "was made with another key")


def test_unsigned(seal, run, keys, can_check):
    check_refused(run, seal(PROGRAM), "mine.pub", "is not signed, but a key is pinned")


def test_signature_of_another_program(seal, run, keys, can_check):
    """Same key, same size, other manifest."""
    one, two = seal("print('one')\n\n", "--key", "mine.key", name="one"), seal("print('two')\n\n", "--key", "mine.key", name="two")
    a, b = one.read_bytes(), two.read_bytes()
    mark = b"META-SEAL/manifest.minisig"
    places = [int.from_bytes(data[-112:-108], "little") for data in (a, b)]  # of the directories
    at, begin = a.index(mark) - 30, b.index(mark) - 30
    mixed = bytearray(a[:at] + b[begin : places[1]] + a[places[0] :])
    # the directory's checksum of the signature follows, as an attacker would make it
    entry = mixed.rindex(mark) - 46
    mixed[entry + 16 : entry + 20] = mixed[at + 14 : at + 18]
    archive = one.with_name("mixed.gos")
    archive.write_bytes(mixed)
    check_refused(run, archive, "mine.pub", "the signature does not match the manifest")


def test_changed_key_number_and_comment(seal, run, keys, can_check):
    from gossamer.seal import sign

    secret = sign.read_secret("mine.key")
    public = sign.read_public("mine.pub")
    good = sign.sign(secret, b"text", "comment")
    assert sign.verify(public, b"text", good) == "comment"
    assert sign.sign(secret, b"text", "comment") == good
    with pytest.raises(sign.SignError, match="trusted comment was changed"):
        sign.verify(public, b"text", good.replace(b": comment", b": comment!"))
    with pytest.raises(sign.SignError, match="not in minisign's format"):
        sign.verify(public, b"text", good + b"more\n")
    lines = good.split(b"\n")
    lines[1] = base64.b64encode(b"Ed" + base64.b64decode(lines[1])[2:])
    with pytest.raises(sign.SignError, match="not of the kind ED"):
        sign.verify(public, b"text", b"\n".join(lines))


def test_key_built_in(seal, run, keys, can_check, build_launcher):
    launcher = keys / "pinned"
    done = quick("runtime", "build", "-o", launcher, "--key", "mine.pub")
    assert done.returncode == 0, done.stderr
    signed = seal(PROGRAM, "--key", "mine.key", name="signed")
    assert run(signed, program=launcher).stdout == "ran\n"
    done = run(seal(PROGRAM, name="unsigned"), program=launcher)
    assert done.returncode == 2 and "is not signed, but a key is pinned" in done.stderr
    done = run(signed, program=launcher, options=["--key", "other.pub"])
    assert done.returncode == 2 and "has its key built in" in done.stderr
    one = seal(PROGRAM, "--key", "other.key", "--launcher", launcher, output=keys / "single")
    done = run(None, program=one)
    assert done.returncode == 2 and "another key" in done.stderr


def test_launcher_without_libsodium(seal, run, keys, build_launcher):
    launcher = build_launcher("nosodium", "--no-sodium")
    archive = seal(PROGRAM, "--key", "mine.key")
    assert run(archive, program=launcher).stdout == "ran\n"
    done = run(archive, program=launcher, options=["--key", "mine.pub"])
    assert done.returncode == 2 and "built without libsodium" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("text, why", [("", "empty"), ("x" * 5000, "too long"), ("nonsense\n", "no minisign public key")])
def test_bad_public_keys(seal, run, keys, can_check, text, why):
    (keys / "bad.pub").write_text(text)
    done = run(seal(PROGRAM, "--key", "mine.key"), options=["--key", keys / "bad.pub"])
    assert done.returncode == 2 and why in done.stderr and done.stdout == ""


def test_minisign_agrees(seal, run, keys, can_check, monkeypatch):
    """Keys and signatures go both ways between the original and us."""
    minisign = shutil.which("minisign")
    if not minisign:
        pytest.skip("minisign is not installed here")
    archive = seal(PROGRAM, "--key", "mine.key")
    from gossamer import _seal

    opened = _seal.Archive(archive)
    (keys / "m").write_bytes(opened.manifest)
    (keys / "m.minisig").write_bytes(opened.signature)
    done = subprocess.run([minisign, "-Vm", "m", "-p", "mine.pub"], capture_output=True, text=True)
    assert done.returncode == 0 and "sealed by gossamer" in done.stdout
    subprocess.run([minisign, "-G", "-W", "-p", "theirs.pub", "-s", "theirs.key"], check=True, capture_output=True)
    archive = seal(PROGRAM, "--key", "theirs.key")
    assert run(archive, options=["--key", "theirs.pub"]).stdout == "ran\n"
