"""Tables 4 and 5 of ASI++ (Liu et al. 2024): the settings of its training, and the data."""

from pathlib import Path

import pandas as pd

from jointir.basics.errors import InputError
from jointir.basics.settings import described
from jointir.data.generated import generated_rows
from jointir.data.store import document_texts, read_corpus, read_qrels, read_queries
from jointir.methods import asi
from jointir.report import asi_paper
from jointir.report.formats import Page, write_lines
from jointir.report.known import report

SETTINGS = (
    "The settings of ASI++ on dataset {dataset}, and in the last column those of the paper's table "
    "4, of MS MARCO. A dash: the paper has no such parameter, or does not tell."
)
OF_PAPER = {"train": "367K", "expansion": "32M", "dev": "5.2K", "documents": "3.2M"}
STATISTICS = (
    "The paper's table 5, and more. *expansion*: queries that a model wrote for the documents, as "
    "far as they were kept; a dash: no system reads such. *asked*: documents that are relevant to "
    "a query of the split, or have a generated one. *words*: the mean of a query, or of a document "
    "with its title."
)


@report(
    stage="asi_report",
    figure="asi",
    reads={"setting": "settings of ASI++", "dataset": "dataset of ASI"},
    writes={"out": "reports/asi_table4.md"},
    needs=("asi++",),
)
def asi_table4(setting: list[str], dataset: str, out: Path) -> None:
    """Write the settings of ASI++ beside the paper's.

    setting: "name=value" of each.

    Raises:
        InputError: a setting is no such pair.
    """
    given = {}
    for told in setting:
        name, is_pair, value = told.partition("=")
        if not is_pair:
            raise InputError("--setting", repr(told), "Write name=value")
        given[name] = value
    meanings = {name: option.text for name, (_, option) in described(asi.Settings).items()}
    shown = [name for name in (*meanings, *given) if name in given]  # the training's own first
    body = [
        [name, meanings.get(name, ""), given[name], asi_paper.TABLE4.get(name, "-")]
        for name in dict.fromkeys(shown)
    ]
    body += [[name, "", *both] for name, both in asi_paper.BESIDE_TABLE4.items()]
    titles = ["parameter", "what it is", "here", f"paper, {asi_paper.CORPUS}"]
    page = Page("# ASI++, table 4: its settings", titles, body)
    write_lines([*page.lines(2), SETTINGS.format(dataset=dataset)], out)


@report(
    stage="asi_report",
    reads={"collection": "collection of ASI", "generated": "generated queries of ASI"},
    writes={"out": "reports/asi_table5.md"},
)
def asi_table5(collection: Path, out: Path, generated: Path | None = None) -> None:
    """Write how many documents, queries and judgements a collection has, beside the paper's.

    generated: what the `expand` stage wrote for it; where None, no system reads such queries.

    Raises:
        InputError: the collection is damaged, or `generated` is, or of another collection.
    """
    corpus = read_corpus(collection)
    N, words = len(corpus), _words(document_texts(corpus))
    body = [["documents", f"{N:,}", "-", words, OF_PAPER["documents"]]]
    for split in ("train", "dev", "test"):
        texts = read_queries(collection, split)["text"].tolist()
        qrels = read_qrels(collection / "qrels" / f"{split}.trec")
        relevant = qrels[qrels["relevance"].gt(0) & qrels["doc_id"].isin(corpus["doc_id"])]
        asked = f"{relevant['doc_id'].nunique():,}"
        paper = OF_PAPER.get(split, "-")
        body.append([f"queries of {split}", f"{len(texts):,}", asked, _words(texts), paper])
    body.append(["expansion", *_expansion(generated, corpus["doc_id"]), OF_PAPER["expansion"]])
    titles = ["", "number", "asked", "words", f"paper, {asi_paper.CORPUS}"]
    page = Page(f"# ASI++, table 5: the data, {collection.parent.name}", titles, body)
    write_lines([*page.lines(1), STATISTICS], out)


def _expansion(generated: Path | None, doc_ids: pd.Series) -> list[str]:
    if not generated:
        return ["-", "-", "-"]
    queries = generated_rows(generated, doc_ids)
    return [f"{len(queries):,}", f"{queries['row'].nunique():,}", _words(queries["text"].tolist())]


def _words(texts: list[str]) -> str:
    return f"{sum(len(text.split()) for text in texts) / max(1, len(texts)):.1f}"
