"""Weights of a learned decoder: safetensors, and a JSON beside them that says what they are.

``NAME.safetensors`` holds the tensors, ``NAME.json`` everything else. Nothing is taken on trust:
the JSON names the sha256 of the tensors, and every tensor must have its place in the network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from .._validation import CorruptFileError, InputError
from .._whole_file import whole_file

FORMAT_VERSION = 1
WEIGHTS = Path(__file__).parents[1] / "weights"
"""Weights that come with the package."""

ABOUT = (
    "decoder",
    "mask_kinds",
    "compression_ratios",
    "normalisation",
    "training_data",
    "seed",
    "commit",
    "scores",
)
"""What a checkpoint must say of itself."""

_TENSORS, _FACTS = ".safetensors", ".json"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network, with all that is needed to use it and to make it again.

    Attributes
    ----------
    config
        Configuration of the network; plain JSON types.
    state
        Its tensors by name.
    about
        The entries of :data:`ABOUT`, and any others; plain JSON types. ``decoder`` is the key in
        ``RECONSTRUCTORS``, ``mask_kinds`` lists kinds of masks, ``compression_ratios`` is
        [least B, largest B].
    """

    config: Mapping[str, Any]
    state: Mapping[str, Tensor] = field(repr=False)
    about: Mapping[str, Any]


def shipped_weights(name: str) -> Path:
    """Path of the weights ``name`` that come with the package, whether they are there or not."""
    return WEIGHTS / f"{name}{_TENSORS}"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``path`` (NAME.safetensors) and NAME.json beside it; replaces both.

    Raises
    ------
    InputError
        If ``about`` lacks an entry of :data:`ABOUT`, or holds something that is no JSON.
    OutputError
        If they cannot be written.
    """
    tensors, facts = _files(path)
    _check_about(checkpoint.about, tensors.name)
    state = {name: t.detach().cpu().contiguous().clone() for name, t in checkpoint.state.items()}
    content = safetensors.torch.save(state)
    document = {
        "format_version": FORMAT_VERSION,
        "sha256": hashlib.sha256(content).hexdigest(),
        "config": dict(checkpoint.config),
        "about": dict(checkpoint.about),
    }
    try:
        text = json.dumps(document, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"got a description of {tensors.name} that is no JSON ({error}), expected plain "
            "numbers, texts, lists and dictionaries; convert its entries first"
        ) from error
    for file, whole in ((tensors, content), (facts, f"{text}\n".encode())):
        with whole_file(file, replace=True) as partial:
            partial.write_bytes(whole)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read NAME.safetensors and NAME.json; ``path`` is one of them.

    Raises
    ------
    InputError
        If one of the two is absent or cannot be read, or is of an unknown version.
    CorruptFileError
        If one of the two is damaged, or they do not belong together.
    """
    tensors, facts = _files(path)
    document = _parse(_read(facts), facts.name)
    content = _read(tensors)
    digest = hashlib.sha256(content).hexdigest()
    if digest != document["sha256"]:
        raise CorruptFileError(
            f"got {tensors.name} with sha256 {digest[:12]}…, expected {document['sha256'][:12]}… "
            f"as {facts.name} says; restore both files from the same copy"
        )
    try:
        state = safetensors.torch.load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise CorruptFileError(
            f"got {tensors.name}, which holds no tensors ({error}), expected safetensors; restore "
            "the file from a copy"
        ) from error
    return Checkpoint(document["config"], state, document["about"])


def digest_of(path: Path) -> str:
    """Sha256 of the tensors of a checkpoint, as NAME.json names it; ``path`` is as for loading.

    Raises
    ------
    InputError, CorruptFileError
        As :func:`load_checkpoint`, of NAME.json.
    """
    facts = _files(path)[1]
    return str(_parse(_read(facts), facts.name)["sha256"])


def check_trained_for(
    checkpoint: Checkpoint, decoder: str, kind: str, compression_ratio: int
) -> None:
    """Refuse masks or a B that the weights have not seen: what came out would look real.

    Parameters
    ----------
    checkpoint
        The weights.
    decoder
        That is to use them.
    kind
        Of the masks.
    compression_ratio
        B, frames of a whole block; a last block may be shorter.

    Raises
    ------
    InputError
        Saying what to choose instead.
    """
    trained, kinds = checkpoint.about["decoder"], checkpoint.about["mask_kinds"]
    if trained != decoder:
        raise InputError(
            f"got weights of decoder {trained!r} for decoder {decoder!r}, expected its own; choose "
            f"the decoder {trained}, or leave the weights out"
        )
    least, largest = checkpoint.about["compression_ratios"]
    if kind not in kinds:
        raise InputError(
            f"got {kind} masks for decoder {decoder!r}, expected {' or '.join(kinds)} masks, which "
            "its weights were trained for; choose the decoder gap_tv, or compress with masks of "
            f"kind {kinds[0]}"
        )
    if not least <= compression_ratio <= largest:
        raise InputError(
            f"got compression ratio B = {compression_ratio} for decoder {decoder!r}, expected "
            f"B = {least} to {largest}, which its weights were trained for; choose the decoder "
            "gap_tv, or compress with a B in that range"
        )


def fill(network: torch.nn.Module, checkpoint: Checkpoint) -> None:
    """Put the tensors of ``checkpoint`` into ``network``: all of them, and no others.

    Raises
    ------
    InputError
        Naming a tensor that is missing, unknown, of another shape or type, or not finite.
    """
    own = network.state_dict()
    missing, unknown = (
        sorted(set(own) - set(checkpoint.state)),
        sorted(set(checkpoint.state) - set(own)),
    )
    if missing or unknown:
        raise _misfit(
            f"{len(missing)} tensors missing ({', '.join(missing[:3]) or 'none'}) and "
            f"{len(unknown)} unknown ({', '.join(unknown[:3]) or 'none'})",
            f"the {len(own)} of its network",
        )
    for name, tensor in checkpoint.state.items():
        want = own[name]
        if tensor.shape != want.shape or tensor.is_floating_point() != want.is_floating_point():
            raise _misfit(
                f"tensor {name} of shape {tuple(tensor.shape)} and type {tensor.dtype}",
                f"{tuple(want.shape)} and {want.dtype}",
            )
        if not torch.isfinite(tensor).all():
            raise _misfit(f"tensor {name} with values that are not finite", "finite weights")
    network.load_state_dict(dict(checkpoint.state), strict=True)


def _misfit(got: str, expected: str) -> InputError:
    return InputError(
        f"got weights with {got}, expected {expected}; use weights that were made with this "
        "configuration"
    )


def _files(path: Path) -> tuple[Path, Path]:
    """Both files of the checkpoint that ``path`` names."""
    path = Path(path)
    stem = path.stem if path.suffix in (_TENSORS, _FACTS) else path.name
    return path.with_name(stem + _TENSORS), path.with_name(stem + _FACTS)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"got no weights from {path} ({error.strerror or error}), expected NAME.safetensors "
            "and NAME.json side by side; check the path, or choose the decoder gap_tv, which needs "
            "none"
        ) from error


def _parse(content: bytes, name: str) -> dict[str, Any]:
    """Return the document if it is whole and of a version that is known."""
    try:
        document = json.loads(content)
        version = document["format_version"]
        if version == FORMAT_VERSION:
            for key, kind in (("sha256", str), ("config", dict), ("about", dict)):
                if not isinstance(document[key], kind):
                    raise TypeError(f"{key} is no {kind.__name__}")
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"got {name}, in which an entry is damaged or missing ({error}), expected the JSON "
            "that describes weights; restore the file from a copy"
        ) from error
    if version != FORMAT_VERSION:
        raise InputError(
            f"got {name} of format version {version!r}, expected {FORMAT_VERSION}; update "
            "napari-tcsdl, or use weights made for this version"
        )
    _check_about(document["about"], name)
    return dict(document)


def _check_about(about: Mapping[str, Any], name: str) -> None:
    missing = [entry for entry in ABOUT if entry not in about]
    if missing:
        raise InputError(
            f"got weights {name} without {', '.join(missing)}, expected {', '.join(ABOUT)}; add "
            "what is missing to their description"
        )
    kinds, ratios = about["mask_kinds"], about["compression_ratios"]
    whole = isinstance(ratios, list | tuple) and all(isinstance(ratio, int) for ratio in ratios)
    named = isinstance(kinds, list | tuple) and all(isinstance(kind, str) for kind in kinds)
    if not (named and kinds and whole and len(ratios) == 2 and 1 <= ratios[0] <= ratios[1]):
        raise InputError(
            f"got weights {name} for mask_kinds = {kinds!r} and compression_ratios = {ratios!r}, "
            "expected a list of kinds and [least B, largest B]; correct their description"
        )
