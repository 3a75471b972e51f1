"""Distributions of a sealed archive, for importlib.metadata."""

import importlib.metadata

from .paths import Path, folders


def distributions(importer, context):
    """The sealed distributions that a search of importlib.metadata means."""
    wanted = getattr(context, "name", None)
    wanted = None if wanted is None else _normal(wanted)
    for folder in folders(importer)[""]:
        name, _, kind = folder.rpartition(".")
        if kind in ("dist-info", "egg-info") and (wanted is None or _normal(name.partition("-")[0]) == wanted):
            yield importlib.metadata.PathDistribution(Path(importer, [folder]))


def _normal(name):
    return name.lower().replace("-", "_").replace(".", "_")
