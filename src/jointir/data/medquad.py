"""MedQuAD: medical answers of NIH pages, judged by hand for the 103 questions of LiveQA 2017.

Ben Abacha and Demner-Fushman, A Question-Entailment Approach to Question Answering, BMC
Bioinformatics 2019. A document is an answer, its title the subject of its page; a question of the
same pages is a training or dev query, and every answer to it is relevant. The answers of three of
the twelve sites were withdrawn; those of them that were judged stand in the judgements' own file,
and are documents too.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.readers import ZIP_ERRORS
from jointir.data.dataset import Dataset
from jointir.data.splits import split_queries
from jointir.data.store import qrels_frame

JUDGED = "QA-TestSet-LiveQA-Med-Qrels-2479-Answers"
TOPICS = "TREC-2017-LiveQA-Medical-Test-Questions-w-summaries.xml"
# What the judges wrote, as gains: an incorrect answer is worth nothing.
GRADES = {"1-Incorrect": 0, "2-Related": 1, "3-Incomplete": 2, "4-Excellent": 3}
LARGEST = 2**27  # bytes of one file inside the judgements' archive
SHORT = {"MPlusHerbsSuppls": "MPlusHerbsSupplements"}  # how answer ids abbreviate a source


@dataclass(frozen=True)
class Answer:
    """One question of a page with its answer; text is empty where it was withdrawn."""

    doc_id: str
    page: str
    title: str
    question: str
    text: str


def _spaced(text: str | None) -> str:
    return " ".join((text or "").split())


def _key(page: str, text: str) -> tuple[str, str]:
    """Return what makes two answers the same: the page, and the letters and digits of the text.

    Pages share sentences ("This condition is inherited in ..."), true of one and not of another.
    """
    return page, re.sub(r"[^a-z0-9]", "", text.lower())


def _page_of(answer_id: str) -> str:
    """Return the page of a judged answer: its id numbers answers by place, pages by name."""
    source, page = answer_id.rsplit("_Sec", 1)[0].split("_", 1)
    return f"{SHORT.get(source, source)}_{page}"


def _one(source: Path, name: str) -> Path:
    found = sorted(source.rglob(name))
    if len(found) != 1:
        remedy = "Download the archives of params/sources/medquad.txt again"
        raise InputError(source, f"{name} is there {len(found)} times, not once", remedy)
    return found[0]


def _xml(path: Path) -> ElementTree.Element:
    try:  # expat itself refuses entities that expand without bound
        return ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as e:
        raise InputError(path, f"not readable XML ({e})", "Download its archive again") from e


def _answers(path: Path) -> Iterator[Answer]:
    """Yield the answers of a page; its file name is unique in its source, its id is not always."""
    root = _xml(path)
    page, title = f"{root.get('source')}_{root.get('id')}", _spaced(root.findtext("Focus"))
    for pair in root.iter("QAPair"):
        answer = pair.find("Answer")
        text = _spaced("".join(answer.itertext())) if answer is not None else ""
        doc_id = f"{root.get('source')}_{path.stem}_Sec{pair.get('pid')}"
        yield Answer(doc_id, page, title, _spaced(pair.findtext("Question")), text)


def _members(path: Path, remedy: str) -> dict[str, str]:
    """Return the texts of the archive's judgements by their suffix."""
    files = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.startswith(f"{JUDGED}/") and not info.is_dir():
                    if info.file_size > LARGEST:
                        found = f"{info.filename} has {info.file_size} bytes"
                        raise InputError(path, found, remedy)
                    files[Path(info.filename).suffix] = archive.read(info).decode("utf-8")
    except InputError:
        raise
    except ZIP_ERRORS as e:
        raise InputError(path, f"not a readable zip archive ({e})", remedy) from e
    return files


def _judgements(path: Path) -> tuple[list[tuple[str, str, int]], dict[str, str]]:
    """Return (query_id, answer id, grade) of every judgement, and the judged answers' texts."""
    remedy = "Download its archive again"
    files = _members(path, remedy)
    if set(files) != {".txt", ".csv"}:
        raise InputError(path, f"it holds {sorted(files)}, not a .txt and a .csv", remedy)
    judged = []
    for number, line in enumerate(files[".txt"].splitlines(), 1):
        fields = line.split()
        if len(fields) != 3 or fields[1] not in GRADES:
            raise InputError(f"{path}:{number}", f"{line[:80]!r} is no judgement", remedy)
        judged.append((f"TQ{fields[0]}", fields[2].removesuffix(".txt"), GRADES[fields[1]]))
    texts = {
        row["AnswerID"].removesuffix(".txt"): _spaced(row["Answer"].split("Answer:", 1)[-1])
        for row in csv.DictReader(io.StringIO(files[".csv"]))
    }
    return judged, texts


def _topics(path: Path) -> dict[str, str]:
    """Return the text of each test question: NIST's paraphrase, or else what the person wrote."""
    texts = {}
    for question in _xml(path).iter("NLM-QUESTION"):
        written = _spaced(question.findtext("Original-Question/MESSAGE"))
        texts[str(question.get("qid"))] = _spaced(question.findtext("NIST-PARAPHRASE")) or written
    return texts


def _test(
    judged: list[tuple[str, str, int]], documents: dict[str, list[str]]
) -> list[tuple[str, str, int, str]]:
    """Return the test judgements of documents. Where two judges differ, the higher grade counts."""
    best: dict[tuple[str, str], int] = {}
    for query_id, answer_id, grade in judged:
        for doc_id in documents[answer_id]:
            best[query_id, doc_id] = max(best.get((query_id, doc_id), 0), grade)
    return [(query_id, doc_id, grade, "test") for (query_id, doc_id), grade in best.items()]


def read_medquad(source: Path, dev: int, seed: int) -> Dataset:
    """Return the test collection of the two unpacked archives in `source`.

    `dev` questions of MedQuAD, drawn by hash, are dev queries, the others train; the questions of
    LiveQA are test. A judged answer is the document of its page with the same text; one that no
    page has any more is a document of its own.

    Raises:
        InputError: a file is missing, is not what it should be, or judges an unknown answer.
    """
    path = _one(source, f"{JUDGED}.zip")
    judged, texts = _judgements(path)
    topics = _topics(_one(source, TOPICS))
    unknown = {a for _, a, _ in judged} - set(texts) or {q for q, _, _ in judged} - set(topics)
    if unknown:
        raise InputError(path, f"{min(unknown)!r} is judged and nowhere", "Download it again")
    everything = [a for p in sorted(source.rglob("*_QA*/*.xml")) for a in _answers(p)]
    titles = {a.page: a.title for a in everything}
    answers = [a for a in everything if a.text]
    same: dict[tuple[str, str], list[str]] = {}
    for a in answers:
        same.setdefault(_key(a.page, a.text), []).append(a.doc_id)
    documents = {i: same.get(_key(_page_of(i), text), []) for i, text in texts.items()}
    rows = [(a.doc_id, a.title, a.text) for a in answers]
    for answer_id, text in texts.items():
        if not documents[answer_id]:
            rows.append((answer_id, titles.get(_page_of(answer_id), ""), text))
            documents[answer_id] = [answer_id]
    corpus = pd.DataFrame(rows, columns=["doc_id", "title", "text"])
    return _assembled(corpus, answers, topics, _test(judged, documents), dev, seed)


def _assembled(
    corpus: pd.DataFrame,
    answers: list[Answer],
    topics: dict[str, str],
    test: list[tuple[str, str, int, str]],
    dev: int,
    seed: int,
) -> Dataset:
    """Return the dataset: training and dev queries from the pages, test queries from LiveQA."""
    asked = {a.question: f"q{sha256(a.question.encode()).hexdigest()[:12]}" for a in answers}
    queries = pd.DataFrame({"query_id": list(asked.values()), "text": list(asked)})
    pairs = dict.fromkeys((asked[a.question], a.doc_id, 1) for a in answers)
    qrels = pd.DataFrame(list(pairs), columns=["query_id", "doc_id", "relevance"])
    queries["split"] = split_queries(queries, qrels, dev, 0, seed)
    qrels["split"] = qrels["query_id"].map(queries.set_index("query_id")["split"])
    judged = {query_id for query_id, *_ in test}
    tested = [(q, text, "test") for q, text in topics.items() if q in judged]
    queries = pd.concat([queries, pd.DataFrame(tested, columns=list(queries.columns))])
    columns = ["query_id", "doc_id", "relevance", "split"]
    qrels = pd.concat([qrels[columns], qrels_frame(test, columns)])
    return Dataset([corpus], queries.reset_index(drop=True), qrels.reset_index(drop=True))
