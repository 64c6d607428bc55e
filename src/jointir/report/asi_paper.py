"""Table 1 of ASI++ (Liu et al. 2024) as printed: other numbers on another corpus."""

CORPUS = "MS MARCO documents"
DOCUMENTS, CORRECT, EXPECTATION = "documents", "correct id, free", "expectation, free"
# R@1, R@10 and MRR@10, of a system as tables here call it, and of the reading and decoding
TABLE1 = {
    ("BM25", DOCUMENTS): (0.391, 0.691, 0.486),
    ("SPLADE", DOCUMENTS): (0.453, 0.747, 0.546),
    ("Sentence-T5", DOCUMENTS): (0.418, 0.754, 0.528),
    ("SimCSE", DOCUMENTS): (0.287, 0.732, 0.439),
    ("GTR-Base", DOCUMENTS): (0.462, 0.793, 0.576),
    ("DSI-Semantic", DOCUMENTS): (0.257, 0.436, 0.339),
    ("DSI-Atomic", DOCUMENTS): (0.325, 0.699, 0.443),
    ("NCI", DOCUMENTS): (0.301, 0.643, 0.417),
    ("SEAL", DOCUMENTS): (0.288, 0.683, 0.407),
    ("Ultron-URL", DOCUMENTS): (0.296, 0.678, 0.400),
    ("Ultron-PQ", DOCUMENTS): (0.316, 0.731, 0.454),
    ("Ultron-Atomic", DOCUMENTS): (0.328, 0.741, 0.469),
    ("GenRet", DOCUMENTS): (0.479, 0.798, 0.581),
    ("NOVO", DOCUMENTS): (0.491, 0.808, 0.592),
    ("ASI", CORRECT): (0.612, 0.821, 0.686),
    ("ASI", EXPECTATION): (0.550, 0.741, 0.618),
    ("ASI++", CORRECT): (0.611, 0.834, 0.690),
    ("ASI++", EXPECTATION): (0.582, 0.833, 0.658),
}
TITLE = f"paper, {CORPUS}: R@1, R@10, MRR@10"
NOTE = (
    "The last column is table 1 of ASI++ (Liu et al. 2024), of 3.2 million MS MARCO documents: "
    "another corpus, so that only the order of its systems compares. Its systems that are not in "
    "`asi.systems` follow at the end."
)


def cell(system: str, kind: str) -> str:
    """Return the paper's numbers of a system, by its name in tables, and of a reading; or a dash.

    An identifier of one document alone is that document: so that where a paper's system has no
    reading, `kind` is DOCUMENTS.
    """
    found = TABLE1.get((system, kind))
    return ", ".join(f"{value:.3f}" for value in found) if found else "-"


def others(systems: set[str], columns: int) -> list[list[str]]:
    """Return rows of `columns` cells of the paper's systems that are not among `systems`."""
    return [
        [system, kind, *["-"] * (columns - 3), cell(system, kind)]
        for system, kind in TABLE1
        if system not in systems
    ]
