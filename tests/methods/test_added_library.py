"""A file of `methods/` with `searcher` is an index of a library: built and opened by it."""

import sys

import numpy as np
import pytest

from jointir import cli, methods
from jointir.basics.errors import InputError
from jointir.methods import known
from jointir.search import fits
from jointir.search.ann.registry import missing, open_index, stage

WHOLE = '''"""All documents, cut to their first dimensions."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.errors import InputError
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Library
from jointir.basics.settings import Option

FACTS = Facts(Form.LIBRARY, library="{library}")


@dataclass(frozen=True, kw_only=True)
class Settings(Library):
    """Of the index."""

    kept: Annotated[int, Option("dimensions that are kept", least=1)]


def searcher():
    """Return the class of its indexes."""
    import faiss
    import numpy as np

    from jointir.search.ann.with_faiss import FaissSearcher

    class Cut(FaissSearcher):
        """Brute force over the first dimensions."""

        @classmethod
        def trained(cls, docs, settings):
            """Return it, empty."""
            cut = faiss.LinearTransform(docs.shape[1], docs.shape[1], False)
            faiss.copy_array_to_vector(np.diag(np.arange(docs.shape[1]) < settings.kept)
                                       .astype("f4").ravel(), cut.A)
            cut.is_trained = True
            return faiss.IndexPreTransform(cut, faiss.IndexFlatIP(docs.shape[1]))

    return Cut


def documents_needed(settings, D):
    """Return 5, or refuse more dimensions than there are."""
    if settings.kept > D:
        raise InputError("kept", f"{{settings.kept}} of {{D}} dimensions", "Keep fewer")
    return 5
'''


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Write the file as a user would; return what writes it with another library."""
    folder = tmp_path / "methods"
    folder.mkdir()

    def write(library: str = "") -> None:
        (folder / "cut.py").write_text(WHOLE.format(library=library))
        sys.modules.pop("jointir.methods.cut", None)
        for one in (known._checked, known.facts, known.libraries):
            one.cache_clear()

    before = known.names()
    with monkeypatch.context() as patch:
        patch.setattr(methods, "__path__", [*methods.__path__, str(folder)])
        patch.setattr(known, "names", lambda: sorted([*before, "cut"]))
        write()
        yield write
    write()  # and the caches forget it


def test_it_is_a_stage_that_builds_what_opens_again(added, tmp_path):
    assert cli.stages()["cut"] == "jointir.search.ann.registry:stage"
    docs = np.random.default_rng(0).normal(size=(20, 8)).astype("f4")
    np.save(tmp_path / "docs.npy", docs)
    stage("cut")(tmp_path / "docs.npy", tmp_path / "i", known.settings("cut")(kept=3, seed=1))
    found = open_index(tmp_path / "i")
    scores, rows = found.search(docs[:4], 20, 0, 1)
    right = docs[:4, :3] @ docs[:, :3].T
    assert np.array_equal(rows[:, 0], right.argmax(1))
    np.testing.assert_allclose(scores, -np.sort(-right, axis=1), atol=1e-5)


def test_what_it_says_of_documents_is_asked_before_anything_is_trained(added):
    fits.check("cut", {"kept": 8}, 5, 8)
    for settings, N, line in (
        ({"kept": 9}, 5, r"^kept: 9 of 8 dimensions"),
        ({"kept": 8}, 4, r"^documents: 4, training takes 5"),
        ({"kept": 0}, 5, r"^--kept: 0 is not at least 1"),
        ({}, 5, r"^settings: 'kept' is missing\. Give kept"),
    ):
        with pytest.raises(InputError, match=line):
            fits.check("cut", settings, N, 8)


def test_a_library_that_is_not_installed_is_named(added):
    assert missing("cut") == ""
    added("no_such_library")
    assert missing("cut") == "no_such_library"
