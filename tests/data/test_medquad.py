"""MedQuAD: a made collection whose every row is known, and the real one where a mirror has it."""

import os
import zipfile
from pathlib import Path

import pytest

from conftest import ROOT
from jointir.basics.errors import InputError
from jointir.data.archives import download_archives
from jointir.data.corpus import corpus_medquad
from jointir.data.medquad import JUDGED, TOPICS, read_medquad
from jointir.data.store import read_corpus, read_qrels, read_queries

PAGE = """<?xml version="1.0"?>
<Document id="{id}" source="{source}"><Focus>{focus}</Focus><QAPairs>{pairs}</QAPairs></Document>"""
PAIR = '<QAPair pid="{}"><Question qid="q">{}</Question><Answer>{}</Answer></QAPair>'
TOPIC = """<NLM-QUESTION qid="{}"><Original-Question><MESSAGE>{}</MESSAGE></Original-Question>
<NIST-PARAPHRASE>{}</NIST-PARAPHRASE></NLM-QUESTION>"""
QRELS = """1 2-Related GHR_1_Sec1.txt
1 4-Excellent GHR_1_Sec1.txt
1 1-Incorrect GHR_1_Sec2.txt
2 3-Incomplete ADAM_9_Sec4.txt
"""
# The first judged answer is the page's second pair: the ids of judgements count by place.
ANSWERS = """AnswerID,Answer
GHR_1_Sec1.txt,"Question: What causes X ?
URL: u
Answer: It is  inherited."
GHR_1_Sec2.txt,Question: q URL: u Answer: Take care!
ADAM_9_Sec4.txt,Question: q URL: u Answer: Withdrawn text.
"""


def page(
    folder: Path, name: str, source: str, focus: str, pairs: dict[tuple[int, str], str]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    inner = "".join(PAIR.format(pid, q, a) for (pid, q), a in pairs.items())
    text = PAGE.format(id=name, source=source, focus=focus, pairs=inner)
    (folder / f"{name}.xml").write_text(text)


@pytest.fixture
def source(tmp_path) -> Path:
    root = tmp_path / "source"
    care, causes = "Care for X ?", "What causes X ?"
    page(
        root / "3_GHR_QA",
        "1",
        "GHR",
        "X",
        {(3, care): "Take care", (7, causes): "It is\ninherited."},
    )
    page(root / "3_GHR_QA", "2", "GHR", "Y", {(1, "What causes Y ?"): "It is inherited."})
    page(root / "2_GARD_QA", "5", "GARD", "X", {(1, causes): "Genes.", (2, "Who has X ?"): "Few."})
    page(root / "10_MPlus_ADAM_QA", "9", "ADAM", "Z", {(1, "What is Z ?"): ""})
    topics = TOPIC.format("TQ1", "me", "Why X?") + TOPIC.format("TQ2", "about Z", "")
    (root / TOPICS).write_text(f"<Set>{topics}{TOPIC.format('TQ3', 'm', 'unjudged')}</Set>")
    judgements(root, QRELS, ANSWERS)
    return root


def judgements(root: Path, qrels: str, answers: str) -> None:
    with zipfile.ZipFile(root / f"{JUDGED}.zip", "w") as archive:
        archive.writestr(f"{JUDGED}/qrels.txt", qrels)
        archive.writestr(f"{JUDGED}/answers.csv", answers)
        archive.writestr(f"__MACOSX/{JUDGED}/._qrels.txt", b"\x00")


def test_documents_are_answers_and_the_judged_ones_that_were_withdrawn(source):
    found = read_medquad(source, 1, 1).corpus[0].set_index("doc_id")
    assert dict(zip(found.index, zip(found["title"], found["text"], strict=True), strict=True)) == {
        "GARD_5_Sec1": ("X", "Genes."),
        "GARD_5_Sec2": ("X", "Few."),
        "GHR_1_Sec3": ("X", "Take care"),
        "GHR_1_Sec7": ("X", "It is inherited."),
        "GHR_2_Sec1": ("Y", "It is inherited."),
        "ADAM_9_Sec4": ("Z", "Withdrawn text."),
    }


def test_judgements_follow_the_text_within_a_page_and_the_higher_grade(source):
    qrels = read_medquad(source, 1, 1).qrels
    test = qrels[qrels["split"].eq("test")]
    assert set(test[["query_id", "doc_id", "relevance"]].itertuples(index=False, name=None)) == {
        ("TQ1", "GHR_1_Sec7", 3),
        ("TQ1", "GHR_1_Sec3", 0),
        ("TQ2", "ADAM_9_Sec4", 2),
    }


def test_every_answer_to_a_question_is_relevant_and_queries_are_split(source):
    data = read_medquad(source, 1, 1)
    texts = data.queries.set_index("query_id")["text"]
    pairs = {
        (texts[q], d) for q, d in zip(data.qrels["query_id"], data.qrels["doc_id"], strict=True)
    }
    assert {d for text, d in pairs if text == "What causes X ?"} == {"GARD_5_Sec1", "GHR_1_Sec7"}
    assert data.queries["split"].value_counts().to_dict() == {"train": 3, "test": 2, "dev": 1}
    test = data.queries[data.queries["split"].eq("test")]
    assert dict(zip(test["query_id"], test["text"], strict=True)) == {
        "TQ1": "Why X?",
        "TQ2": "about Z",
    }


def test_the_same_wherever_it_is_read(source, tmp_path):
    corpus_medquad(source, tmp_path / "a", 1, 1)
    moved = source.rename(tmp_path / "elsewhere")
    corpus_medquad(moved, tmp_path / "b", 1, 1)
    a, b = (read_corpus(tmp_path / name) for name in "ab")
    assert a.equals(b)


def test_what_is_missing_or_broken_is_named(source, tmp_path):
    judgements(source, "1 5-Great GHR_1_Sec1.txt\n", ANSWERS)
    with pytest.raises(InputError, match=r":1: '1 5-Great GHR_1_Sec1.txt' is no judgement"):
        read_medquad(source, 1, 1)
    judgements(source, "1 2-Related GHR_8_Sec1.txt\n", ANSWERS)
    with pytest.raises(InputError, match="'GHR_8_Sec1' is judged and nowhere"):
        read_medquad(source, 1, 1)
    (source / "3_GHR_QA" / "1.xml").write_text("<Document")
    judgements(source, QRELS, ANSWERS)
    with pytest.raises(InputError, match=r"1\.xml: not readable XML"):
        read_medquad(source, 1, 1)
    (source / TOPICS).unlink()
    with pytest.raises(InputError, match=f"{TOPICS} is there 0 times"):
        read_medquad(source, 1, 1)


@pytest.mark.skipif(
    not list(Path(os.environ.get("JOINTIR_MIRROR", "/no/such")).glob("MedQuAD-*.zip")),
    reason="needs JOINTIR_MIRROR to hold the archives of MedQuAD",
)
def test_the_real_collection_has_the_numbers_of_its_paper(tmp_path):
    download_archives(ROOT / "params" / "sources" / "medquad.txt", tmp_path / "source")
    corpus_medquad(tmp_path / "source", tmp_path / "c", 1000, 13)
    doc_ids = read_corpus(tmp_path / "c")["doc_id"]
    withdrawn = doc_ids.str.match("ADAM|MPlusDrugs|MPlusHerbs")
    assert (~withdrawn).sum() == 16_407 and withdrawn.sum() == 1_489
    splits = read_queries(tmp_path / "c")["split"].value_counts()
    assert splits["train"] + splits["dev"] == 14_979 and splits["test"] == 103
    test = read_qrels(tmp_path / "c" / "qrels" / "test.trec")
    assert test["query_id"].nunique() == 103
    # 142 judgements say excellent, no pair has two of them, and no such text is twice on its page
    assert test["relevance"].value_counts()[3] == 142
