"""bfloat16 where the processor multiplies it in hardware, and a check that it loses nothing."""

from contextlib import AbstractContextManager, nullcontext

import torch

from jointir.basics.processor import flags
from jointir.basics.progress import say

CHECKED = 64  # float32 is slow: of 256, a job of 6,000 queries spent a sixth of its time here
MEAN_COSINE_AT_LEAST = 0.999


def has_bf16(device: torch.device) -> bool:
    """Say whether the device multiplies bfloat16 in hardware (CUDA from Ampere on; AMX, AVX512)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(flags() & {"amx_bf16", "avx512_bf16"})


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager:
    """Return bfloat16 autocast, or a context that does nothing."""
    return torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext()


@torch.inference_mode()
def choose_bf16(encoder: torch.nn.Module, tokens: list[list[int]], precision: str) -> bool:
    """Return whether to embed in bfloat16, after checking it against float32 on some texts.

    `precision` is float32, or auto: bfloat16 where the hardware has it and the mean cosine of
    `CHECKED` embeddings to their float32 twins is at least 0.999.
    """
    device = encoder.device
    if precision == "float32" or not tokens or not has_bf16(device):
        say(f"precision: float32 on {device}")
        return False
    some = tokens[:CHECKED]
    exact = encoder(some)
    with autocast(device, True):
        rounded = encoder(some).float()
    mean = torch.nn.functional.cosine_similarity(exact, rounded).mean().item()
    bf16 = mean >= MEAN_COSINE_AT_LEAST
    say(f"precision: {'bfloat16' if bf16 else 'float32'} on {device}, mean cosine {mean:.5f}")
    return bf16
