"""ScaNN: anisotropic vector quantization, all codes scored (Guo et al. 2020)."""

from pathlib import Path
from typing import ClassVar, Self

import faiss
import numpy as np
from scann import scann_ops_pybind

from jointir.basics.errors import InputError
from jointir.basics.files import write_json
from jointir.methods import scann
from jointir.quantize.fit import opq, train
from jointir.search.ann.shared import CHUNK, REBUILD, check_search, read_facts, saved_bytes
from jointir.search.ann.with_faiss import limited
from jointir.search.build import sample_rows
from jointir.search.searcher import Searcher

ASSETS, DESCRIPTION, ROTATION = "scann_assets.pbtxt", "scann.json", "rotation.faiss"
HASHES = {4: "lut16", 8: "lut256"}  # ScaNN's names for codes of 4 and 8 bits
BATCH = 256  # queries that a thread takes at a time: ScaNN's default


class ScaNN(Searcher):
    """ScaNN without a tree: every query is compared with the codes of all documents.

    anisotropic: ScaNN's threshold for documents of length 1; theirs is absolute, so it is taken
    times the mean length. Nothing here is drawn at random.
    """

    ROTATED: ClassVar[bool] = False

    def __init__(
        self,
        index: scann_ops_pybind.ScannSearcher,
        D: int,
        M: int,
        rotation: faiss.LinearTransform | None,
    ):
        """Take an index of D dimensions and M bytes a document, and what turns its queries."""
        self.index, self.D, self.M, self.rotation = index, D, M, rotation
        self.N = index.size()
        self._threads = 0

    @classmethod
    def learned(
        cls, docs: np.ndarray, blocks: int, settings: scann.Settings
    ) -> faiss.LinearTransform | None:
        """Return a rotation for the documents: none."""
        return None

    @classmethod
    def build(cls, docs: np.ndarray, settings: scann.Settings, threads: int) -> Self:
        """See `Searcher`."""
        D, M, bits = docs.shape[1], settings.M, settings.bits
        blocks = scann.block_count(D, M, bits)
        with limited(threads):
            rotation = cls.learned(docs, blocks, settings)
            rows = _turned(docs, rotation)
        length = np.sqrt(np.einsum("nd,nd->n", rows, rows)).mean()
        builder = scann_ops_pybind.builder(rows, 1, "dot_product").set_n_training_threads(threads)
        builder.score_ah(
            D // blocks,
            anisotropic_quantization_threshold=settings.anisotropic * length,
            hash_type=HASHES[bits],
        )
        return cls(builder.build(), D, M, rotation)

    def save(self, folder: Path) -> None:
        """Write ScaNN's files, the rotation and what they do not tell themselves."""
        self.index.serialize(str(folder), relative_path=True)
        if self.rotation is not None:
            faiss.write_VectorTransform(self.rotation, str(folder / ROTATION))
        write_json(folder / DESCRIPTION, {"D": self.D, "M": self.M, "rotated": self.ROTATED})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """See `Searcher`."""
        facts = read_facts(folder / DESCRIPTION, ["D", "M", "rotated"])
        if facts["rotated"] != cls.ROTATED:
            raise InputError(folder / DESCRIPTION, f"rotated is {facts['rotated']}", REBUILD)
        try:
            assets = (folder / ASSETS).read_text()
            # not its load_searcher, which would unpickle a file
            inner = scann_ops_pybind.scann_pybind.ScannNumpy(str(folder), assets)
            path = str(folder / ROTATION)
            rotation = faiss.read_VectorTransform(path) if cls.ROTATED else None
        except (OSError, RuntimeError) as e:
            found = f"ScaNN cannot read it ({str(e).splitlines()[-1]})"
            raise InputError(folder, found, REBUILD) from e
        return cls(scann_ops_pybind.ScannSearcher(inner), facts["D"], facts["M"], rotation)

    def search(
        self, queries: np.ndarray, k: int, value: int, threads: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Searcher`."""
        queries = check_search(self, queries, value)
        if self.rotation is not None:
            with limited(threads):
                queries = self.rotation.apply(queries)
        if threads == 1 or len(queries) == 1:
            rows, scores = self.index.search_batched(queries, k)
        else:
            if threads != self._threads:
                self.index.set_num_threads(threads - 1)  # the caller works too
                self._threads = threads
            batch = min(BATCH, -(-len(queries) // threads))
            rows, scores = self.index.search_batched_parallel(queries, k, batch_size=batch)
        short = np.isnan(scores)  # ScaNN pads with row 0
        return np.where(short, -np.inf, scores), np.where(short, -1, rows.astype(np.int64))

    def size(self) -> dict[str, int]:
        """See `Searcher`. Codes: M bytes a document, as ScaNN's search reads them.

        Its file, and its memory once more, spend a byte on each code of 4 bits: the rest of the
        file is "other".
        """
        files = saved_bytes(self)
        parts = {"codes": self.N * self.M, "codebooks": files["ah_codebook.pb"]}
        parts |= {"rotation": files.get(ROTATION, 0), "ids": 0}
        return parts | {"other": sum(files.values()) - sum(parts.values())}


class OPQScaNN(ScaNN):
    """ScaNN after a rotation that makes its blocks of dimensions alike (Ge et al. 2013)."""

    ROTATED = True

    @classmethod
    def learned(
        cls, docs: np.ndarray, blocks: int, settings: scann.Settings
    ) -> faiss.LinearTransform | None:
        """Return OPQ's rotation for as many sub-quantizers, of as many bits, as ScaNN's codes."""
        D = docs.shape[1]
        some = sample_rows(docs, settings.sample, settings.seed)
        whole = opq(D, blocks, settings.iterations, settings.bits)
        trained = faiss.downcast_VectorTransform(whole.chain.at(0))
        train(trained, some)
        rotation = faiss.LinearTransform(D, D, False)  # owns its memory, and its file says no more
        faiss.copy_array_to_vector(faiss.vector_to_array(trained.A), rotation.A)
        rotation.is_orthonormal = rotation.is_trained = True
        return rotation


def _turned(docs: np.ndarray, rotation: faiss.LinearTransform | None) -> np.ndarray:
    """Return the documents, rotated if there is a rotation: float32[N, D] in one piece."""
    if rotation is None:
        return np.ascontiguousarray(docs, np.float32)
    out = np.empty(docs.shape, np.float32)
    for at in range(0, len(docs), CHUNK):
        out[at : at + CHUNK] = rotation.apply(np.asarray(docs[at : at + CHUNK], np.float32))
    return out
