"""The generative retriever: encoder, semantic indexing module, decoder (ASI++, figure 1)."""

from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from jointir.encode.encoder import DualEncoder
from jointir.errors import InputError
from jointir.files import atomic, read_json, write_json
from jointir.generative.decoder import IdDecoder
from jointir.generative.indexers import SemanticIndexer, make_indexer
from jointir.readers import read_safetensors

SETTINGS, WEIGHTS = "generative.json", "generative.safetensors"


class GenerativeRetriever(nn.Module):
    """Queries become identifiers through the decoder, documents through the indexing module."""

    def __init__(
        self, encoder: DualEncoder, indexer: str, L: int, V: int, layers: int, unit: float = 1.0
    ):
        """unit: the mean squared norm of the starting encoder's embeddings (train/norm.py)."""
        super().__init__()
        self.settings = {"indexer": indexer, "L": L, "V": V, "layers": layers, "unit": unit}
        self.encoder, self.unit = encoder, unit
        self.indexer: SemanticIndexer = make_indexer(indexer, encoder.dim, L, V, unit)
        self.decoder = IdDecoder(encoder.dim, L, V, layers, unit)

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
            write_json(scratch / SETTINGS, self.settings)

    @classmethod
    def load(cls, folder: Path) -> "GenerativeRetriever":
        """Load what `save` wrote.

        Raises:
            InputError: the folder holds no generative retriever.
        """
        if not (folder / SETTINGS).is_file():
            raise InputError(folder, f"holds no {SETTINGS}", "Make it with `jointir asi`")
        model = cls(DualEncoder.load(folder / "encoder"), **read_json(folder / SETTINGS))
        weights = read_safetensors(folder / WEIGHTS)
        for name in ("indexer", "decoder"):
            own = {k.removeprefix(f"{name}."): v for k, v in weights.items() if k.startswith(name)}
            getattr(model, name).load_state_dict(own)
        return model.eval()
