"""The embedded corpus: what becomes a document, and downloads that are not as pinned."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from jointir.basics.errors import InputError
from jointir.data import download
from jointir.data.apidocs import SKIPPED, Entry, parse_module, parse_wheel, read_apidocs, unique
from jointir.data.corpus import corpus_apidocs
from jointir.data.download import Pin, download_wheels, read_pins
from jointir.data.store import content_hash, read_corpus, read_qrels, read_queries

BODY = " ".join(f"word{i}" for i in range(15))
DOC = f'"""Tell the reader something.\n\n    {BODY}\n    """'

SOURCE = f'''
"""Modules themselves are not documents at all.

{BODY}
"""

async def fetch(url: str, *, times: int = 3, **rest) -> bytes:
    {DOC}
    def inner():
        {DOC}

def _private():
    {DOC}

class Model(Base, abc.ABC):
    {DOC}

    def fit(self, X, y=None, /):
        {DOC}

    def _hidden(self):
        {DOC}

    class Part:
        {DOC}

class _Private:
    def public(self):
        {DOC}

def undocumented():
    return 1
'''


def test_public_definitions_of_a_module():
    found = list(parse_module(SOURCE, "pkg.mod"))
    assert [(e.name, e.signature) for e in found] == [
        ("pkg.mod.fetch", "pkg.mod.fetch(url: str, *, times: int=3, **rest)"),
        ("pkg.mod.Model", "class pkg.mod.Model(Base, abc.ABC)"),
        ("pkg.mod.Model.fit", "pkg.mod.Model.fit(self, X, y=None, /)"),
        ("pkg.mod.Model.Part", "class pkg.mod.Model.Part"),
    ]
    assert {(e.summary, e.body) for e in found} == {("Tell the reader something.", BODY)}


@pytest.mark.parametrize(
    ("summary", "body", "kept"),
    [(3, 15, False), (4, 15, True), (30, 15, True), (31, 15, False), (4, 14, False), (4, 0, False)],
)
def test_word_limits(summary, body, kept):
    text = "\n  ".join(["a"] * summary) + "\n\n" + " ".join(["b"] * body)
    found = list(parse_module(f'def f():\n  """{text}"""', "m"))
    assert found == (
        [Entry("m.f", "m.f()", "a " * (summary - 1) + "a", "b " * (body - 1) + "b")] * kept
    )


def test_duplicates_are_dropped_by_name_by_summary_and_by_body():
    first = Entry("a", "a()", "Sort the rows.", "by key")
    kept = Entry("e", "a()", "Drop the rows.", "if any")
    entries = [
        first,
        Entry("a", "a(x)", "Other words.", "and more"),
        Entry("b", "b()", "sort  the ROWS", "something else"),
        Entry("c", "c()", "Yet another.", "By key!"),
        # its summary and body stood in entries that were dropped: still a duplicate
        Entry("d", "d()", "Other words.", "new here"),
        kept,
    ]
    assert unique(iter(entries)) == [first, kept]


@pytest.mark.parametrize(
    ("path", "skipped"),
    [
        *((f"p/{x}/m.py", True) for x in ("tests", "test", "testing", "_vendor", "vendored")),
        *((f"p/{x}/m.py", True) for x in ("external", "_externs", "third_party", "p.dist-info")),
        *((x, True) for x in ("conftest.py", "p/test_a.py", "p/a_test.py", "p-1.data/a.py")),
        *((f"p/{x}.py", False) for x in ("latest", "protest", "contest", "attest/m", "testimony")),
        *(
            (f"p/{x}.py", False)
            for x in ("__init__", "external_data", "vendors", "data", "a_tests")
        ),
    ],
)
def test_tests_and_vendored_code_are_left_out(path, skipped):
    assert bool(SKIPPED.search(path)) == skipped


def wheel(path: Path, files: dict[str, str | bytes]) -> Path:
    """Write a compressed archive of `files`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def functions(n: int, offset: int = 0) -> str:
    """Return the source of n functions with summaries and bodies of their own."""
    return "\n".join(
        f'def f{i}(x):\n  """Return the value numbered {i}.\n\n  {BODY} number{i}"""'
        for i in range(offset, offset + n)
    )


def test_a_wheel_is_parsed_and_never_imported(tmp_path):
    files = {
        "pkg/b.py": "raise SystemExit('imported')\n" + functions(1),
        "pkg/__init__.py": "import no_such_module_at_all\n" + functions(1, 5),
        "pkg/tests/test_b.py": functions(1),
        "pkg/template.py": "def {{ name }}(): pass",
        "pkg/latin.py": "# \xe9\n".encode("latin-1") + functions(1, 6).encode(),
        "pkg/nul.py": "\0" + functions(1, 7),
        "pkg/notes.txt": functions(1, 8),
        "pkg/escape.py": "'\\d'\n" + functions(1, 9),
    }
    before = set(sys.modules)
    found = list(parse_wheel(wheel(tmp_path / "a.whl", files)))
    assert [e.name for e in found] == ["pkg.f5", "pkg.b.f0", "pkg.escape.f9"]
    assert not {m for m in set(sys.modules) - before if m.startswith("pkg")}


def damaged(path: Path, how: str) -> Path:
    """Write a wheel that is cut short, no archive, or altered inside a member."""
    whole = wheel(path, {"pkg/a.py": functions(30)}).read_bytes()
    at = whole.index(b"pkg/a.py") + 8
    altered = whole[:at] + b"\xff" * 30 + whole[at + 30 :]
    path.write_bytes({"cut": whole[:-40], "text": b"<html>", "altered": altered}[how])
    return path


@pytest.mark.parametrize("how", ["cut", "text", "altered"])
def test_a_damaged_wheel_is_named(tmp_path, how):
    path = damaged(tmp_path / "bad.whl", how)
    with pytest.raises(InputError, match=r"bad\.whl: not a readable wheel .* Delete it and run"):
        list(parse_wheel(path))
    # and so it is when another process parses it
    wheel(tmp_path / "good.whl", {"pkg/a.py": functions(9)})
    with pytest.raises(InputError, match=r"bad\.whl: not a readable wheel .* Delete it and run"):
        read_apidocs(tmp_path, 5, 1, 1, 0)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder / "a.whl", {"a/m.py": functions(20)})
    wheel(folder / "B.whl", {"b/m.py": functions(30, 15)})  # five of them are in a.whl too
    return folder


def test_the_corpus_holds_one_relevant_document_a_query(wheels, tmp_path):
    corpus_apidocs(wheels, tmp_path / "c", 40, 6, 9, 1)
    corpus, queries = read_corpus(tmp_path / "c"), read_queries(tmp_path / "c")
    assert len(corpus) == len(queries) == 40
    assert queries["split"].value_counts().to_dict() == {"train": 25, "test": 9, "dev": 6}
    number = corpus["doc_id"].str.extract(r"^[ab]\.m\.f(\d+)$")[0]
    assert number.notna().all()
    assert number.is_unique
    assert (corpus["text"] == BODY + " number" + number).all()
    assert (corpus["title"] == corpus["doc_id"] + "(x)").all()
    text = queries.set_index("query_id")["text"]
    pairs = 0
    for split in ("train", "dev", "test"):
        for row in read_qrels(tmp_path / "c" / "qrels" / f"{split}.trec").itertuples():
            assert text[row.query_id] == f"Return the value numbered {row.doc_id.split('.f')[1]}."
            pairs += 1
    assert pairs == 40


def test_another_seed_draws_other_documents_and_too_many_are_refused(wheels):
    a, b, c = (
        read_apidocs(wheels, 30, 2, 2, seed).corpus[0]["doc_id"].tolist() for seed in (1, 1, 2)
    )
    assert a == b
    assert set(a) != set(c)
    with pytest.raises(InputError, match=r": 45 documents, 46 asked for\. Lower `documents`"):
        read_apidocs(wheels, 46, 2, 2, 1)


def test_a_corpus_of_another_hash_is_refused_and_leaves_the_old_one(wheels, tmp_path):
    out = tmp_path / "c"
    corpus_apidocs(wheels, out, 40, 6, 9, 1)
    right = content_hash(out)
    corpus_apidocs(wheels, out, 40, 6, 9, 1, right)
    with pytest.raises(InputError, match=rf"the built corpus is {right}, {'0' * 64} was pinned"):
        corpus_apidocs(wheels, out, 40, 6, 9, 1, "0" * 64)
    assert content_hash(out) == right
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize(
    "line", ["numpy", "numpy>=1", "numpy==1.0", f"numpy==1 --hash=md5:{'0' * 64}"]
)
def test_a_line_that_is_no_pin_is_named(tmp_path, line):
    path = tmp_path / "r.txt"
    path.write_text(f"# comment\n\na-b.c_d==1.0 --hash=sha256:{'0' * 64}\n{line}\n")
    with pytest.raises(
        InputError, match=rf"r\.txt:4: '{line}' is not a pin\. Write 'name==version"
    ):
        read_pins(path)
    path.write_text("".join(path.read_text().splitlines(True)[:3]))
    assert read_pins(path) == [Pin("a-b.c_d", "1.0", "0" * 64)]


def pins(path: Path, contents: dict[str, bytes]) -> Path:
    """Pin each name to the hash of its bytes."""
    hashes = {name: hashlib.sha256(b).hexdigest() for name, b in contents.items()}
    path.write_text("".join(f"{n}==1.0 --hash=sha256:{h}\n" for n, h in hashes.items()))
    return path


def test_files_as_pinned_are_kept_and_others_dropped(tmp_path, monkeypatch):
    def fetch(requirements, into):
        for name in ("a", "b", "extra"):
            (into / f"{name}-1.0-py3-none-any.whl").write_bytes(name.encode())
        (into / "folder").mkdir()

    monkeypatch.setattr(download, "_fetch", fetch)
    download_wheels(pins(tmp_path / "r.txt", {"a": b"a", "b": b"b"}), tmp_path / "out")
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["a-1.0-py3-none-any.whl", "b-1.0-py3-none-any.whl"]


def test_a_file_of_another_hash_is_refused_and_nothing_left(tmp_path, monkeypatch):
    def fetch(requirements, into):
        (into / "a-1.0-py3-none-any.whl").write_bytes(b"altered")

    monkeypatch.setattr(download, "_fetch", fetch)
    requirements = pins(tmp_path / "r.txt", {"a": b"a"})
    with pytest.raises(
        InputError, match=r"r\.txt: a==1\.0 came with another hash than ca978112ca1b"
    ):
        download_wheels(requirements, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["r.txt"]


def test_pip_itself_refuses_another_hash(tmp_path, monkeypatch):
    """Real pip, without the network: one wheel in a folder that is the only index."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    meta = "Metadata-Version: 2.1\nName: {0}\nVersion: 1.0\n"
    for name in ("tiny_a", "tiny_b"):
        files = {
            f"{name}-1.0.dist-info/{k}": v
            for k, v in {
                "METADATA": meta.format(name),
                "WHEEL": "Wheel-Version: 1.0\n",
                "RECORD": "",
            }.items()
        }
        wheel(mirror / f"{name}-1.0-py3-none-any.whl", files | {f"{name}.py": functions(1)})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(mirror))
    right = {n: (mirror / f"{n}-1.0-py3-none-any.whl").read_bytes() for n in ("tiny_a", "tiny_b")}
    download_wheels(pins(tmp_path / "r.txt", right), tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 2
    requirements = pins(tmp_path / "wrong.txt", right | {"tiny_b": b"another"})
    with pytest.raises(InputError, match=r"wrong\.txt: pip download exited with 1\. See pip's"):
        download_wheels(requirements, tmp_path / "other")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mirror", "out", "r.txt", "wrong.txt"]
