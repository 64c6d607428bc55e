"""The generative retriever: encoder, semantic indexing module, decoder (ASI++, figure 1)."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, read_json, write_json
from jointir.basics.readers import read_safetensors
from jointir.encode.encoder import DualEncoder
from jointir.generative.decoder import make_decoder
from jointir.generative.indexers import SemanticIndexer, make_indexer

SETTINGS, WEIGHTS = "generative.json", "generative.safetensors"


@dataclass(frozen=True)
class Shape:
    """What a generative retriever is made of, as in methods/asi.py."""

    indexer: str
    length: int  # L
    vocabulary: int  # V
    decoder: str
    layers: int  # of `bart`
    width: int  # of `prefix`
    prototypes: int  # K, of `prefix`

    @classmethod
    def of(cls, settings: object) -> "Shape":
        """Return that of the settings of a training."""
        return cls(**{f.name: getattr(settings, f.name) for f in fields(cls)})


class GenerativeRetriever(nn.Module):
    """Queries become identifiers through the decoder, documents through the indexing module."""

    def __init__(self, encoder: DualEncoder, shape: Shape, unit: float = 1.0):
        """unit: the mean squared norm of the starting encoder's embeddings (train/norm.py)."""
        super().__init__()
        self.shape, self.encoder, self.unit = shape, encoder, unit
        D, L, V = encoder.dim, shape.length, shape.vocabulary
        self.indexer: SemanticIndexer = make_indexer(shape.indexer, D, L, V, unit)
        self.decoder = make_decoder(
            shape.decoder, D, L, V, shape.layers, shape.width, shape.prototypes, unit
        )

    def save(self, out: Path) -> None:
        """Write a folder: `encoder/` that sentence-transformers loads, the rest as safetensors."""
        with atomic(out) as scratch:
            self.encoder.save(scratch / "encoder", "query")
            parts = {"indexer": self.indexer, "decoder": self.decoder}
            weights = {
                f"{name}.{key}": tensor.contiguous().clone()
                for name, part in parts.items()
                for key, tensor in part.state_dict().items()
            }
            save_file(weights, scratch / WEIGHTS)
            write_json(scratch / SETTINGS, asdict(self.shape) | {"unit": self.unit})

    @classmethod
    def load(cls, folder: Path) -> "GenerativeRetriever":
        """Load what `save` wrote.

        Raises:
            InputError: the folder holds no generative retriever.
        """
        if not (folder / SETTINGS).is_file():
            raise InputError(folder, f"holds no {SETTINGS}", "Make it with `jointir asi`")
        settings = read_json(folder / SETTINGS)
        unit = settings.pop("unit")
        model = cls(DualEncoder.load(folder / "encoder"), Shape(**settings), unit)
        weights = read_safetensors(folder / WEIGHTS)
        for name in ("indexer", "decoder"):
            own = {k.removeprefix(f"{name}."): v for k, v in weights.items() if k.startswith(name)}
            getattr(model, name).load_state_dict(own)
        return model.eval()
