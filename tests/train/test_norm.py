"""A training's `scale` means the same for embeddings of any length."""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
from sentence_transformers.sentence_transformer import modules

from encoders import dense, with_modules
from jointir.encode.embed import embed
from jointir.encode.encoder import DualEncoder, checkpoint
from jointir.generative.asi import asi
from jointir.generative.controls import fixed_ids
from jointir.generative.genret import genret
from jointir.generative.novo import novo
from jointir.generative.train_decoder import train_decoder
from jointir.joint.dpq import dpq
from jointir.joint.jpq import jpq
from jointir.quantize.pq import read_index, read_pq, replace_centroids, write_index
from jointir.retrievers import star as star_module
from jointir.retrievers.adore import adore
from jointir.retrievers.colbert import colbert
from jointir.retrievers.dual import dual
from jointir.retrievers.tct import tct
from jointir.train import norm, training
from tiny import D, build, flat, make, on_processor


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("norm"))


def scaled(folder: Path, factor: float) -> Path:
    parts = [modules.Pooling(D), modules.Normalize(), dense(D, factor)]
    source = with_modules(folder.with_name("source"), *parts)
    checkpoint(str(source), folder, 12, 24)
    return folder


@pytest.fixture(autouse=True, scope="module")
def in_float32():
    """What is rounded to bfloat16 differs by more than the tests allow."""
    with on_processor(""):
        yield


@pytest.fixture(scope="module")
def pair(tiny, tmp_path_factory):
    """Two encoders whose embeddings differ in length alone, with embeddings, index and ids."""
    root = tmp_path_factory.mktemp("pair")
    for factor in (1, 5):
        folder = root / str(factor)
        model = scaled(folder / "model", factor)
        embed(tiny.collection, model, folder / "docs.npy", "document", dtype="float32")
    np.testing.assert_allclose(np.load(root / "5/docs.npy"), 5 * np.load(root / "1/docs.npy"), 1e-5)
    build("opq", root / "1/docs.npy", root / "1/opq.faiss", 8, iterations=2)
    index = read_index(root / "1/opq.faiss")
    replace_centroids(index, 5 * read_pq(root / "1/opq.faiss", D).centroids)
    write_index(faiss.downcast_index(index), root / "5/opq.faiss")
    options = {"dim": 16, "steps": 2, "batch": 8, "lr": 1e-4, "head_lr": 1e-3, "warmup": 1}
    options |= {"random_weight": 0.1, "depth": 20, "seed": 3}
    flat(colbert)(tiny.collection, root / "1/model", root / "teacher", root / "scratch", **options)
    return root


COMMON = {"steps": 8, "batch": 8, "lr": 1e-4, "warmup": 2, "scale": 20.0, "seed": 3}
NEGATIVES = {"random_weight": 0.1, "depth": 20}
JPQ = COMMON | {"negatives": 20, "lambda_cut": 20}
DPQ = COMMON | {"temperature": 1e-3, "reconstruction": 1.0}
TCT = COMMON | {"depth": 20, "gamma": 0.1, "temperature": 0.25}
ASI = COMMON | {"length": 4, "vocabulary": 16, "batch": 12, "fresh": 4, "pool": 40}
ASI |= {"decoded": 10, "nearest": 3, "refresh": 4, "alpha": 3.0, "gamma": 0.05, "beta": 0.01}
ASI |= {"lambda_first": 0.01, "lambda_last": 0.25, "encode_every": 2}
SHAPE = {"decoder": "prefix", "layers": 1, "width": 16, "prototypes": 2}
DECODER = COMMON | {"nearby": 0.5, "sentences": 4, "holdout": 0.0, "batch": 16, "lr": 1e-3}
DECODER |= {"queries": 8, "moved": 1.0, "vectors": "embeddings"}
DECODER |= dict.fromkeys(("general", "search", "dropout", "consistency"), 0.0)


def with_index(stage: Callable, rate: str, **options: object) -> Callable:
    """rate: the name of the centroids' learning rate; they are as long as the embeddings."""

    def run(c: Path, f: Path, out: Path) -> None:
        options[rate] = 1e-3 * int(f.name)
        outs = {"out_index": out / "i.faiss", "out_encoder": out / "e", "scratch": out / "s"}
        stage(c, f / "model", index=f / "opq.faiss", docs=f / "docs.npy", **outs, **options)

    return run


def with_docs(stage: Callable, **options: object) -> Callable:
    return lambda c, f, out: stage(
        c, f / "model", docs=f / "docs.npy", out=out / "e", scratch=out / "s", **options
    )


def tct_colbert(c: Path, f: Path, out: Path) -> None:
    flat(tct)(c, f / "model", out / "e", out / "s", teacher=f.parent / "teacher", **TCT)


def decoder_alone(c: Path, f: Path, out: Path) -> None:
    made = {"out": out / "given", "out_ids": out / "ids.parquet"}
    shape = SHAPE | {"indexer": "mlp", "length": 4, "vocabulary": 16, "seed": 1}
    fixed_ids(c, f / "model", f / "docs.npy", **made, kind="residual", **shape)
    paths = {"ids": made["out_ids"], "docs": f / "docs.npy", "out": out / "e", "scratch": out / "s"}
    flat(train_decoder)(c, out / "given", **paths, **DECODER)


def novo_alone(c: Path, f: Path, out: Path) -> None:
    paths = {"out": out / "e", "out_ids": out / "ids.parquet", "scratch": out / "s"}
    shape = SHAPE | {"indexer": "none", "length": 1, "vocabulary": 0, "decoder": "sets"}
    own = COMMON | {"noise": 0.1, "ngrams": 4, "words": 2, "holdout": 0.0, "lr": 1e-3}
    flat(novo)(c, f / "model", f / "docs.npy", **paths, **shape, **own)


def genret_alone(c: Path, f: Path, out: Path) -> None:
    paths = {"out": out / "e", "out_ids": out / "ids.parquet", "scratch": out / "s"}
    shape = SHAPE | {"indexer": "none", "length": 3, "vocabulary": 16}
    own = COMMON | {"steps": 12, "refresh": 3, "epsilon": 0.5, "holdout": 0.0, "lr": 1e-3}
    flat(genret)(c, f / "model", f / "docs.npy", **paths, **shape, **own)


TRAININGS = {
    "star": with_docs(flat(star_module.star), **COMMON | NEGATIVES),
    "dual": with_docs(flat(dual), **COMMON | NEGATIVES, negatives="random"),
    "adore": with_docs(flat(adore), **JPQ),
    "jpq": with_index(flat(jpq), "centroid_lr", **JPQ),
    "jpq-neg": with_index(flat(jpq), "centroid_lr", **JPQ, exact=True),
    "jpq-mse": with_index(flat(jpq), "centroid_lr", **JPQ, reconstruction=9.0),
    "dpq": with_index(flat(dpq), "pq_lr", **DPQ),
    "tct-colbert": tct_colbert,
    "asi": with_docs(flat(asi), **ASI, **SHAPE, indexer="mlp", head_lr=1e-3),
    # centroids and the decoder share a learning rate: here they stay
    "asi-rq": with_docs(flat(asi), **ASI, **SHAPE, indexer="rq", head_lr=0.0),
    "asi-pq": with_docs(flat(asi), **ASI, **SHAPE, indexer="pq", head_lr=0.0),
    "train-decoder": decoder_alone,
    "genret": genret_alone,
    "novo": novo_alone,
}


@pytest.mark.parametrize("name", TRAININGS)
def test_embeddings_five_times_as_long_give_the_same_losses(
    tiny, pair, tmp_path, monkeypatch, name
):
    curves, train, load = [], training.train, DualEncoder.load

    def frozen(folder: Path) -> DualEncoder:
        model = load(folder)  # the factor itself would learn at another pace
        for part in model.model:
            if isinstance(part, modules.Dense):
                part.requires_grad_(False)
        return model

    monkeypatch.setattr(DualEncoder, "load", staticmethod(frozen))
    monkeypatch.setattr(training, "train", lambda *args: curves.append(train(*args)))
    for factor in ("1", "5"):
        TRAININGS[name](tiny.collection, pair / factor, tmp_path / factor)
    np.testing.assert_allclose(curves[1], curves[0], rtol=2e-3)
    assert np.std(curves[0]) > 1e-4 * np.mean(curves[0]), "it moves"


def test_without_the_division_losses_differ(tiny, pair, tmp_path, monkeypatch):
    curves, train = [], training.train
    monkeypatch.setattr(training, "train", lambda *args: curves.append(train(*args)))
    monkeypatch.setattr(star_module, "mean_squared_norm", lambda *args: 1.0)
    for factor in ("1", "5"):
        TRAININGS["star"](tiny.collection, pair / factor, tmp_path / factor)
    assert abs(curves[1][0] / curves[0][0] - 1) > 0.1


def test_the_norm_is_that_of_a_sample_of_documents(tiny, pair, monkeypatch):
    model = DualEncoder.load(pair / "5/model").train()
    docs = np.load(pair / "5/docs.npy")
    rows = np.random.default_rng(0).choice(len(docs), 256, replace=False)
    right = np.square(docs[rows]).sum(1).mean()
    assert norm.mean_squared_norm(model, tiny.collection) == pytest.approx(right, rel=1e-5)
    assert right == pytest.approx(25, rel=1e-4) and model.training
    monkeypatch.setattr(norm, "CHUNK_ROWS", 50)
    assert norm.mean_squared_norm(model, tiny.collection) == pytest.approx(right, rel=1e-5)


def test_the_norm_of_normalized_embeddings_is_one_and_is_not_measured(tiny, monkeypatch):
    monkeypatch.setattr(norm, "sample", lambda collection: pytest.fail("measured"))
    assert norm.mean_squared_norm(DualEncoder.load(tiny.encoder), tiny.collection) == 1.0
