"""Archives that are refused: what the message says, exit status 2, and nothing of the program ran."""
import binascii
import hashlib
import os
import random
import re
import shutil
import struct
import subprocess
import zipfile

import pytest

from seal_commands import quick

IMPORTS = os.path.join(os.path.dirname(__file__), "stdlib_imports.py")
PROBES = os.path.join(os.path.dirname(__file__), "probes.py")  # would take long to seal, but what is refused comes first
PROGRAM = "import json\nprint('ran', json.dumps([1]))\n"


@pytest.fixture(scope="module")
def archive(sealed_once):
    """Tests read it and write others beside it."""
    return sealed_once(PROGRAM)


@pytest.fixture
def refused(run, tmp_path):
    """refused(bytes or path, text): launcher and `inspect --verify` both refuse, for that reason."""

    def function(data, text, *, only_launcher=False):
        path = data
        if isinstance(data, (bytes, bytearray)):
            path = tmp_path / "bad.gos"
            path.write_bytes(data)
        done = run(path)
        assert (done.stdout, done.returncode) == ("", 2), done
        assert text in done.stderr and done.stderr.count("\n") == 1 and done.stderr.startswith("gossamer-run: "), done.stderr
        if not only_launcher:
            done = quick("inspect", "--verify", path)
            assert done.returncode == 2 and text in done.stderr and done.stdout == "", done

    return function


def rebuilt(path, change, fix=True):
    """The archive with another manifest, everything around it made to fit: what an attacker without a key can do."""
    data = path.read_bytes()
    comment = data[-106:].split()
    at, size = int(comment[2], 16), int(comment[3], 16)
    head = at + 30 + len("META-SEAL/manifest")
    text = change(data[head : head + size].decode("utf-8")).encode("utf-8", "surrogateescape")
    members = []
    for line in text.decode("utf-8", "surrogateescape").split("\n"):
        match = re.fullmatch(r"member \w+ (\w+) (\d+) (\d+) (\d+) (\w{8}) \w{64} (.*)", line)
        if match:
            members.append((match[6].encode("utf-8", "surrogateescape"), match[1] == "deflated", *map(int, match.group(2, 3, 4)), int(match[5], 16)))
    members.append((b"META-SEAL/manifest", False, at, len(text), len(text), binascii.crc32(text)))

    def common(name, deflated, offset, stored, size, crc):
        return struct.pack("<HHHHHIIIHH", 20, 2048, 8 * deflated, 0, 0x21, crc, stored & 0xFFFFFFFF, size & 0xFFFFFFFF, len(name), 0)

    own = members[-1]
    out = data[:at] + b"PK\3\4" + common(*own) + own[0] + text
    directory = b"".join(b"PK\1\2" + struct.pack("<H", 788) + common(*m) + struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, m[2] & 0xFFFFFFFF) + m[0]
                         for m in members)
    count = len(members)
    tail = f"gossamer-seal 1 {at:016x} {len(text):08x} {hashlib.sha256(text).hexdigest()}".encode()
    return out + directory + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(out), len(tail)) + tail


# ---- not an archive at all ----


def test_rebuilding_unchanged_gives_the_same(archive, run, tmp_path):
    """The tool of these tests is right."""
    assert rebuilt(archive, lambda text: text) == archive.read_bytes()


def test_missing_folder_and_other_files(refused, tmp_path):
    refused(tmp_path / "none.gos", "No such file or directory")
    refused(tmp_path, "is not a file")
    refused(b"", "too short")
    refused(b"x" * 5000, "does not end as a sealed archive does")
    plain = tmp_path / "plain.zip"
    with zipfile.ZipFile(plain, "w") as z:
        z.writestr("__main__.py", "print('ran')" * 20)
    refused(plain, "does not end as a sealed archive does")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    refused(fifo, "is not a file")


def test_truncated(archive, refused):
    data = archive.read_bytes()
    refused(data[:-1], "truncated")
    refused(data[: len(data) // 2], "truncated")
    refused(data[1000:], "truncated")


def test_bytes_added(archive, refused):
    data = archive.read_bytes()
    refused(data + b"\0", "does not end as a sealed archive does")
    refused(b"\0" + data, "before the archive that do not belong to it", only_launcher=True)
    refused(data[:-106] + b"x" * 106, "does not end as a sealed archive does")


# ---- altered ----


def test_any_changed_byte_is_found(archive, run, tmp_path):
    """A sample of all bytes: --verify refuses each; the launcher refuses or runs what was not changed."""
    from gossamer import _seal

    data = archive.read_bytes()
    chosen = random.Random(7)
    places = sorted({*chosen.sample(range(len(data)), 150), *range(len(data) - 140, len(data)), *range(40)})
    bad = tmp_path / "bad.gos"
    for at in places:
        changed = bytearray(data)
        changed[at] ^= 1 << chosen.randrange(8)
        bad.write_bytes(changed)
        with pytest.raises(_seal.ArchiveError):
            _seal.Archive(bad).verify()
    for at in chosen.sample(places, 25):
        changed = bytearray(data)
        changed[at] ^= 0x20
        bad.write_bytes(changed)
        done = run(bad)
        unused = done.returncode == 0 and done.stdout == "ran [1]\n"
        assert unused or (done.returncode in (1, 2) and "ran" not in done.stdout and "altered" in done.stderr + "altered" * (done.returncode == 2)), done


def test_changed_member(archive, refused, run, tmp_path):
    data = bytearray(archive.read_bytes())
    data[data.index(b"encodings/aliases.pyc") + 200] ^= 1
    refused(data, "encodings/aliases.pyc was altered")
    data = bytearray(archive.read_bytes())
    at = data.index(b"json/__init__.pyc") + 200
    data[at] ^= 1
    bad = tmp_path / "late.gos"
    bad.write_bytes(data)
    done = run(bad)
    assert done.returncode == 1 and "json/__init__.pyc was altered" in done.stderr and "ran" not in done.stdout
    assert quick("inspect", "--verify", bad).returncode == 2


def test_changed_main_never_runs(archive, run, tmp_path):
    data = archive.read_bytes()
    bad = tmp_path / "bad.gos"
    bad.write_bytes(data.replace(b"ran", b"hid"))
    done = run(bad)
    assert done.returncode == 1 and "__main__.pyc was altered" in done.stderr and done.stdout == ""


def test_changed_manifest(archive, refused):
    data = archive.read_bytes()
    refused(data.replace(b"main __main__\n", b"main __mine__\n"), "the header of META-SEAL/manifest was altered")


def test_manifest_and_digest_changed_without_the_rest(archive, refused):
    refused(rebuilt(archive, lambda text: text.replace("docstrings yes", "docstrings off")).replace(b"docstrings off", b"docstrings yes", 1),
            "manifest was altered")


def test_directory_of_other_zip_tools_is_compared(archive, refused):
    data = bytearray(archive.read_bytes())
    at = data.rindex(b"json/decoder.pyc")
    data[at] = ord("k")
    refused(data, "the directory was altered at json/decoder.pyc")


def test_file_that_shrinks_while_it_runs(seal, run, tmp_path):
    """No mapping, so no SIGBUS: a module that can no longer be read is refused."""
    archive = seal("import os, sys\nos.truncate(sys.argv[0], 3000)\ntry:\n    import json\nexcept ImportError as error:\n    print(error)\n")
    done = run(archive)
    assert done.returncode == 0 and "cannot be read: the file was truncated" in done.stdout, done


# ---- what a manifest may not say ----


@pytest.mark.parametrize("old, new, text", [
    (r"json/decoder\.pyc", "../decoder.pyc", "leads out of the archive"),
    (r"json/decoder\.pyc", "/etc/passwd", "leads out of the archive"),
    (r"json/decoder\.pyc", "json/../../x", "leads out of the archive"),
    (r"json/decoder\.pyc", "json//x", "has an empty step"),
    (r"json/decoder\.pyc", "./x", "has an empty step"),
    (r"json/decoder\.pyc", "json\\\\x", "holds a control character or a backslash"),
    (r"json/decoder\.pyc", "json/\x1b[2Jx", "holds a control character or a backslash"),
    (r"json/decoder\.pyc", "json/\udcff", "is not UTF-8"),
    (r"json/decoder\.pyc", "x" * 600, "is empty or too long"),
    (r"json/decoder\.pyc", "META-SEAL/x", "is reserved"),
    (r"json/decoder\.pyc", "json/__init__.pyc", "is there twice"),
    (r"(member module) stored (\d+) (\d+) (\d+)", r"\1 deflated \2 \3 99999999", "a zip bomb"),
    (r"(member module) stored (\d+) (\d+) (\d+)", r"\1 deflated \2 \3 4294967295", "a zip bomb"),
    (r"(member module) stored (\d+) (\d+) (\d+)", r"\1 stored \2 \3 5", "its two sizes differ"),
    (r"(member module) stored (\d+) (\d+) (\d+)", r"\1 deflated \2 \3 \4", "does not unpack"),
    (r"(member module) stored", r"\1 bzip2", "is malformed"),
    (r"member module", r"member thing", "is malformed"),
    (r"(member module stored) (\d+)", r"\1 0\2", "is malformed"),
    (r"(member module stored) (\d+)", r"\1 99999999999999999999", "is malformed"),
    (r"(member module stored) (\d+)", r"\1 7", "there is a gap or an overlap"),
    (r"\ngossamer-seal 1|gossamer-seal 1", "gossamer-seal 2", "another format"),
    (r"\nend\n", "\n", "does not end with 'end'"),
    (r"\nend\n", "\nend\nmore\n", "goes on behind its end"),
    (r"\nend\n", "\nend", "is no text"),
    (r"docstrings yes", "docstrings", "malformed line"),
    (r"python \S+", "python 2.7.18", "was made by another Python (2.7.18"),
    (r"main __main__\n", "", "does not say what its main is"),
])  # fmt: skip
def test_manifest_is_checked(archive, refused, old, new, text):
    bad = rebuilt(archive, lambda manifest: re.sub(old, lambda m: m.expand(new) if "\\1" in new else new, manifest, count=1))
    if "does not unpack" in text:  # found when the member is read
        done = quick("inspect", "--verify", _written(archive.with_name("bad.gos"), bad))
        assert done.returncode == 2 and ("does not unpack" in done.stderr or "was altered" in done.stderr)
        return
    refused(bad, text, only_launcher="another Python" in text or "its main" in text)


def _written(path, data):
    path.write_bytes(data)
    return path


def test_other_platform(seal, refused):
    archive = seal("import math\nprint('ran')\n")
    refused(rebuilt(archive, lambda text: re.sub(r"platform .*", "platform amiga-68k", text)), "holds extension modules for amiga-68k", only_launcher=True)


def test_start_without_codecs_is_refused(archive, refused):
    bad = rebuilt(archive, lambda text: re.sub(r"member module (stored \d+ \d+ \d+ \w+ \w+ encodings/aliases)", r"member data \1", text))
    refused(bad, "lacks the module encodings.aliases", only_launcher=True)


def test_main_that_is_not_there(archive, run, tmp_path):
    bad = tmp_path / "bad.gos"
    bad.write_bytes(rebuilt(archive, lambda text: text.replace("main __main__", "main elsewhere")))
    done = run(bad)
    assert done.returncode == 1 and "'elsewhere' is not in the sealed archive" in done.stderr


# ---- the launcher's own options ----


@pytest.mark.parametrize("options, text", [(["-c", "print(1)"], "runs sealed archives only"), (["-m", "json"], "runs sealed archives only"),
                                           (["--what"], "unknown option"), (["--key"], "unknown option or missing value"), ([], "usage:")])
def test_options(run, options, text):
    done = run(None, *options)
    assert done.returncode == 2 and text in done.stderr and done.stdout == ""


def test_version_and_help(run):
    done = run(None, "--version")
    assert done.returncode == 0 and "SHA-256: " in done.stdout
    assert "usage:" in run(None, "--help").stdout


# ---- what the packer refuses ----


@pytest.mark.parametrize("arguments, text", [
    (["nothere.py"], "there is no file or folder"), (["-m", "not_a_module"], "there is no module not_a_module"),
    ([], "what shall be sealed?"), (["a.py", "-m", "b"], "what shall be sealed?"), (["--data", "x", "a.py"], "is not NAME=PATH"),
    (["--key", "none.key", PROBES], "cannot read the key"), (["--launcher", __file__, PROBES], "is no gossamer-run"),
    (["--extensions", "refuse", "-m", "json.tool"], "extension modules, which --extensions refuse does not allow"),
    (["--data", "x=nothere", IMPORTS], "there is no such file or folder"), (["--include", "not_a_module", IMPORTS], "there is no module")])
def test_packer_refuses(tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    done = quick("seal", *arguments)
    assert done.returncode == 2 and text in done.stderr and os.listdir(tmp_path) == []


def test_program_that_does_not_compile(tmp_path):
    (tmp_path / "bad.py").write_text("def (:\n")
    done = quick("seal", tmp_path / "bad.py")
    assert done.returncode == 2 and "does not compile" in done.stderr


def test_extension_with_libraries_beside_it(tmp_path):
    """Like those of wheels that bring shared libraries along: refused, with what to do."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc to make an extension module with a library beside it")
    (tmp_path / "withlib.libs").mkdir()
    (tmp_path / "a.c").write_text("int helper(void) { return 1; }\n")
    (tmp_path / "b.c").write_text("int helper(void); int PyInit_withlib(void) { return helper(); }\n")
    lib = tmp_path / "withlib.libs" / "libbeside.so"
    subprocess.run(["gcc", "-shared", "-fPIC", tmp_path / "a.c", "-o", lib, "-Wl,-soname,libbeside.so"], check=True)
    subprocess.run(["gcc", "-shared", "-fPIC", tmp_path / "b.c", "-o", tmp_path / "withlib.so", lib, "-Wl,-rpath,$ORIGIN/withlib.libs"], check=True)
    (tmp_path / "p.py").write_text("import withlib\n")
    done = quick("seal", tmp_path / "p.py")
    assert done.returncode == 2 and "needs libbeside.so at a place relative to itself" in done.stderr and "--exclude withlib" in done.stderr
