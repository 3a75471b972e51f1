"""What the fuzzer has found worth keeping (tests/fuzz/archive), once more on the real reader, with its real digests."""
import pathlib

import pytest

from gossamer import _seal

CORPUS = sorted((pathlib.Path(__file__).parents[1] / "fuzz" / "archive" / "corpus").iterdir())


def test_corpus_is_refused_without_a_crash(tmp_path):
    assert len(CORPUS) > 20
    path = tmp_path / "fuzzed.gos"
    for file in CORPUS:
        for embedded in (False, True):
            path.write_bytes(file.read_bytes()[1:])
            with pytest.raises(_seal.ArchiveError):  # the corpus has digests of zeros
                _seal.Archive(path, embedded=embedded)
