"""The embedded default corpus: API reference search, parsed from pinned Python wheels.

Built like CodeSearchNet (Husain et al. 2019, "CodeSearchNet Challenge"): a public function, method
or class is a document (qualified name, signature, docstring without its summary paragraph), the
summary paragraph is the query, and the one relevant document is its own. Sources are parsed with
`ast` and never imported.
"""

import ast
import hashlib
import re
import warnings
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.progress import progress
from jointir.basics.readers import ZIP_ERRORS
from jointir.data.dataset import Dataset
from jointir.data.splits import split_by_group, split_queries

SUMMARY_WORDS = range(4, 31)
BODY_WORDS_AT_LEAST = 15
SKIPPED = re.compile(
    r"(^|/)(tests?|testing|conftest\.py|test_[^/]*|[^/]*_test\.py|_?vendor(ed)?|_?extern(al|s)?"
    r"|third_party|[^/]*\.(dist-info|data))(/|$)"
)
MAX_SOURCE_BYTES = 8 << 20
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Entry:
    """One documented definition."""

    name: str
    signature: str
    summary: str
    body: str


def _signature(node: Definition, name: str) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(b) for b in node.bases)
        return f"class {name}({bases})" if bases else f"class {name}"
    return f"{name}({ast.unparse(node.args)})"


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[Definition, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition) and not child.name.startswith("_"):
            name = f"{prefix}.{child.name}"
            yield child, name
            if isinstance(child, ast.ClassDef):
                yield from _definitions(child, name)


def parse_module(source: str, module: str) -> Iterator[Entry]:
    """Yield an entry for each public definition whose docstring has a summary and a body."""
    for node, name in _definitions(ast.parse(source), module):
        summary, _, body = (ast.get_docstring(node) or "").partition("\n\n")
        summary, body = " ".join(summary.split()), " ".join(body.split())
        if len(summary.split()) in SUMMARY_WORDS and len(body.split()) >= BODY_WORDS_AT_LEAST:
            yield Entry(name, _signature(node, name), summary, body)


def _module_name(path: str) -> str:
    parts = path.removesuffix(".py").split("/")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parse_wheel(path: Path) -> Iterator[Entry]:
    """Yield the entries of a wheel's modules in path order; nothing is unpacked to disk.

    Modules that are tests, vendored, or not this Python's syntax are left out.

    Raises:
        InputError: the file is not a zip archive, or a member is damaged.
    """
    try:
        with zipfile.ZipFile(path) as wheel:
            for member in sorted(wheel.infolist(), key=lambda m: m.filename):
                name = member.filename
                if not name.endswith(".py") or SKIPPED.search(name):
                    continue
                if member.file_size > MAX_SOURCE_BYTES:
                    continue
                yield from _parse_source(wheel.read(member), _module_name(name))
    except ZIP_ERRORS as e:
        remedy = "Delete it and run the download again"
        raise InputError(path, f"not a readable wheel ({e})", remedy) from e


def _parse_source(source: bytes, module: str) -> list[Entry]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a parsed module's own invalid escapes
        try:
            return list(parse_module(source.decode(), module))
        except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
            return []  # templates and other languages' fixtures are no modules


def _normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def unique(entries: Iterator[Entry]) -> list[Entry]:
    """Keep the first entry of each name, summary and body, so that a query has one right answer."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for e in entries:
        keys = {("name", e.name), ("query", _normal(e.summary)), ("body", _normal(e.body))}
        if not keys & seen:
            kept.append(e)
        seen |= keys
    return kept


def _entries(path: Path) -> list[Entry]:
    return list(parse_wheel(path))


def read_apidocs(
    wheels: Path, documents: int, dev: int, test: int, seed: int, by_package: bool = False
) -> Dataset:
    """Parse a folder of wheels into `documents` pairs drawn by hash, and split their queries.

    by_package: the queries of a package are all of one split, so that dev and test ask for what
    no training query asks for; a package is what a doc_id begins with.

    Raises:
        InputError: the wheels hold fewer pairs, or too few for the splits.
    """
    paths = sorted(wheels.glob("*.whl"), key=lambda p: p.name.lower())
    with ProcessPoolExecutor() as pool:  # parsing is nine tenths of the stage's time
        parsed = progress(pool.map(_entries, paths), "parse", total=len(paths), unit="wheels")
        entries = unique(e for wheel in parsed for e in wheel)
    if len(entries) < documents:
        remedy = "Lower `documents` or add packages to its requirements file"
        raise InputError(wheels, f"{len(entries)} documents, {documents} asked for", remedy)
    entries.sort(key=lambda e: hashlib.sha256(f"{seed}:{e.name}".encode()).hexdigest())
    entries = entries[:documents]
    corpus = pd.DataFrame(
        {
            "doc_id": [e.name for e in entries],
            "title": [e.signature for e in entries],
            "text": [e.body for e in entries],
        }
    )
    ids = [f"q{hashlib.sha256(e.name.encode()).hexdigest()[:12]}" for e in entries]
    queries = pd.DataFrame({"query_id": ids, "text": [e.summary for e in entries]})
    qrels = pd.DataFrame({"query_id": ids, "doc_id": corpus["doc_id"], "relevance": 1})
    if by_package:
        packages = corpus["doc_id"].str.split(".").str[0]
        queries["split"] = split_by_group(queries, packages, dev, test, seed)
    else:
        queries["split"] = split_queries(queries, qrels, dev, test, seed)
    qrels["split"] = queries["split"]
    asked = queries["split"].ne("")
    return Dataset([corpus], queries[asked], qrels[asked])
