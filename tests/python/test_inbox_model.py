"""The model of the inbox and its bell: no interleaving loses a message, and the model would notice."""
import importlib.util
import pathlib

import pytest

spec = importlib.util.spec_from_file_location("inbox_model", pathlib.Path(__file__).parents[1] / "model" / "inbox.py")
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)


@pytest.mark.parametrize("senders, messages", [(1, 4), (2, 2), (3, 1)])
def test_nothing_is_lost(senders, messages):
    states, wrong = model.explore(senders, messages)
    assert wrong is None and states > 100


@pytest.mark.parametrize("mutant", model.MUTANTS)
def test_shortcuts_are_found_out(mutant):
    assert model.explore(mutant=mutant)[1] is not None
