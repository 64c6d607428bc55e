"""A file of `methods/` that lacks something is refused in one line that names it."""

import re
import sys

import pytest

from jointir import cli, methods
from jointir.basics.errors import InputError
from jointir.methods import known
from jointir.methods.facts import Form

SIGNS = '''"""Signs."""

from dataclasses import dataclass

from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Built
from jointir.basics.settings import Checked

FACTS = Facts(Form.INDEX)


@dataclass(frozen=True, kw_only=True)
class Settings(Built):
    """Of an index."""

    more: int = 1


def new(D, settings):
    """Return the index."""
'''
DECORATED = "@dataclass(frozen=True, kw_only=True)\n"
MARGINS = '''"""Margins."""

from dataclasses import dataclass

from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Built, Trained
from jointir.basics.settings import Checked

FACTS = Facts(Form.INDEX, {"start": ("opq",)}, trains=True, reads={"docs": ("more",)})


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of a training."""

    more: int = 1


def train(files, settings, dev):
    """Train."""
'''
NEW = "\n\ndef new(D, settings):\n    pass\n"


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Return what writes a method's file and reads it as the pipeline does."""

    def read(text: str):
        (tmp_path / "signs.py").write_text(text)
        return known.module("signs")

    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    monkeypatch.setattr(known, "names", lambda: ["signs"])
    known._checked.cache_clear()
    yield read
    sys.modules.pop("jointir.methods.signs", None)
    known._checked.cache_clear()


def test_a_whole_method_is_read(added):
    assert added(SIGNS).Settings(more=2).more == 2


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (SIGNS, "def (", "it cannot be imported, SyntaxError: invalid syntax (signs.py, line 1). "),
        (SIGNS, "import nosuch", "it cannot be imported, ModuleNotFoundError: No module named 'no"),
        (SIGNS, "", "it has no `Settings` on top of `Checked`. docs/extending.md has an example"),
        ("class Settings", "class Other", "it has no `Settings` on top of `Checked`. "),
        ("Settings(Built)", "Settings", "it has no `Settings` on top of `Checked`. "),
        (DECORATED, "", "its `Settings` has no @dataclass of its own. "),
        ("FACTS = Facts", "OTHER = Facts", "it has no `FACTS` that are `Facts`. "),
        ("FACTS = Facts(Form.INDEX)", "FACTS = 5", "it has no `FACTS` that are `Facts`. "),
        ("Settings(Built)", "Settings(Checked)", "its `Settings` has no M. Put it on top of `Bu"),
        ("more: int", "out: int", "the setting 'out' has a name that the pipeline takes. Rename"),
        ("more: int", "like: int", "the setting 'like' has a name that the pipeline takes. Rena"),
        ("Form.INDEX", "Form.LIBRARY", "an index of a library has `searcher`, and nothing else h"),
        ("def new", "def searcher", "an index of a library has `searcher`, and nothing else has. "),
        ("more: int", "more: list", "the setting 'more' is no bool, int, float, str or list"),
    ],
)
def test_a_method_that_lacks_something_is_refused_by_its_file(added, old, new, line):
    assert old in SIGNS
    with pytest.raises(InputError, match=f"^src/jointir/methods/signs.py: {re.escape(line)}"):
        added(SIGNS.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("FACTS = Facts", "OTHER = Facts", "it has no `FACTS` that are `Facts`. "),
        ("trains=True", "trains=False", "an index or encoder that `trains` has `train`, and noth"),
        ("Form.INDEX", "Form.EXACT", "an index or encoder that `trains` has `train`, and nothing "),
        ("def train", "def learn", "an index or encoder that `trains` has `train`, and nothing el"),
        ("def train", f"{NEW}def train", "it has `new` and `train`. Keep the one by which its ind"),
        ("Settings(Trained)", "Settings(Checked)", "its `Settings` are those of no training. Put"),
        ('{"start": ("opq",)}', "{}", "its `FACTS` do not say what it may start from. "),
        ('"docs": (', '"vectors": (', "`reads` of its `FACTS` says 'vectors', or settings, that "),
        (
            '("more",)',
            '("less",)',
            "`reads` of its `FACTS` says 'docs', or settings, that are ",
        ),
        ('("more",)', '("less=5",)', "`reads` of its `FACTS` says 'docs', or settings, that are n"),
        ("more: int", "dev_documents: int", "the setting 'dev_documents' has a name that the pip"),
        ("more: int", "M: int", "the setting 'M' has a name that the pipeline takes. Rename it"),
        ("more: int", "scratch: int", "the setting 'scratch' has a name that the pipeline takes. "),
        ("more: int", "patience: int", "the setting 'patience' has a name that the pipeline take"),
    ],
)
def test_a_method_that_trains_is_refused_likewise(added, old, new, line):
    assert old in MARGINS
    with pytest.raises(InputError, match=f"^src/jointir/methods/signs.py: {re.escape(line)}"):
        added(MARGINS.replace(old, new))


RANKER = """'''Words.'''

from dataclasses import dataclass

from jointir.basics.settings import Checked
from jointir.methods.facts import SPARSE, Facts, Form

FACTS = Facts(Form.RANKER, needs_text=True, group=SPARSE, ranker="search.words:Words")


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    '''Of a search.'''

    more: int = 1
"""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (', ranker="search.words:Words"', "", "a ranker's FACTS name its `ranker`, and no others "),
        ("Form.RANKER", "Form.EXACT", "a ranker's FACTS name its `ranker`, and no others do. "),
        ("words:Words", "words", "`ranker` of its `FACTS`, 'search.words', is no MODULE:CLASS. "),
        ("more: int", "k: int", "the setting 'k' has a name that the pipeline takes. Rename it"),
        ("more: int", "system: int", "the setting 'system' has a name that the pipeline takes. "),
    ],
)
def test_a_ranker_is_refused_likewise(added, old, new, line):
    assert added(RANKER).Settings(more=2).more == 2
    known._checked.cache_clear()
    sys.modules.pop("jointir.methods.signs")
    assert old in RANKER
    with pytest.raises(InputError, match=f"^src/jointir/methods/signs.py: {re.escape(line)}"):
        added(RANKER.replace(old, new))


def test_a_whole_method_that_trains_is_read(added):
    assert added(MARGINS).FACTS.reads == {"docs": ("more",)}


def test_an_encoder_that_trains_is_read_and_may_start_from_the_pretrained_one(added):
    facts = 'encoder({"docs": ("more=2",), "teacher": ()})'
    text = MARGINS.replace("import Facts, Form", "import encoder")
    start = text.index("FACTS = ")
    found = added(text[:start] + f"FACTS = {facts}" + text[text.index("\n", start) :])
    assert found.FACTS.form == Form.ENCODER and found.FACTS.trains and found.FACTS.needs_text
    assert found.FACTS.reads == {"docs": ("more=2",), "teacher": ()}


def test_a_method_may_not_have_the_name_of_another_stage(monkeypatch, capsys):
    monkeypatch.setattr(cli, "fitted", lambda: ["lsh", "measure-ids"])
    monkeypatch.setattr(sys, "argv", ["jointir", "lsh", "--help"])
    with pytest.raises(SystemExit) as told:
        cli.main()
    assert told.value.code == 1
    assert capsys.readouterr().err == (
        "jointir lsh: src/jointir/methods/measure_ids.py: it has `new`, and another stage is named"
        " 'measure-ids'. Choose another name\n"
    )
