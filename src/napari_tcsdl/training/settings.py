"""How to train: one object that is stored with the weights, from which a run can be repeated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from .._validation import InputError
from .batches import BatchSettings
from .learner import OPTIMISERS

PRECISIONS = ("float32", "bfloat16")

_GONE = {"taught": "all"}  # settings of earlier versions, at the value that all runs have now


@dataclass(frozen=True)
class TrainSettings:
    """How to train; stored with the weights.

    Attributes
    ----------
    decoder, config
        What to train, and its size; what ``config`` leaves out is as usual.
    steps, minutes
        The learning rate falls as a cosine until whichever ends first.
    rate
        Learning rate at its height.
    optimiser
        ``muon`` or ``adamw``.
    ema
        Decay per step of the averaged weights, those that are validated and shipped.
    clip
        Largest norm of the gradient.
    precision
        ``float32`` or ``bfloat16`` (mixed).
    seed
        Of movies, masks and weights.
    batch
        What is drawn for each step.
    library
        Folder of rendered movies, as it was given; None for procedural movies alone.
    library_share
        Of the movies, how many are crops of the library's.
    held_out
        Names of the library's movies that are validated on; None to take those held out when
        the run begins.
    start
        State of a run whose averaged weights were the start, as it was given; None for new ones.

    Raises
    ------
    InputError
        For a value that nothing can be trained with.
    """

    decoder: str = "unfolding"
    config: dict[str, Any] = field(default_factory=dict)
    steps: int = 100_000
    minutes: float = 60.0
    rate: float = 1e-3
    optimiser: str = "muon"
    ema: float = 0.999
    clip: float = 1.0
    precision: str = "float32"
    seed: int = 0
    batch: BatchSettings = field(default_factory=BatchSettings)
    library: str | None = None
    library_share: float = 0.5
    held_out: list[str] | None = None
    start: str | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise InputError(
                f"got precision {self.precision!r}, expected {' or '.join(PRECISIONS)}; choose one "
                "of these"
            )
        if self.optimiser not in OPTIMISERS:
            raise InputError(
                f"got optimiser {self.optimiser!r}, expected {' or '.join(OPTIMISERS)}; choose one "
                "of these"
            )
        for name in ("steps", "minutes", "rate", "clip"):
            if not getattr(self, name) > 0:
                raise InputError(
                    f"got {name} = {getattr(self, name)}, expected a number above 0; leave it out "
                    "for the default"
                )
        for name in ("ema", "library_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(
                    f"got {name} = {getattr(self, name)}, expected 0 … 1; leave it out for the "
                    "default"
                )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Undo :meth:`to_json`, of earlier versions, too; what is left out is as usual.

        Raises
        ------
        InputError
            For a name that is no setting, or a value that is none.
        """
        given = {k: v for k, v in values.items() if k not in _GONE or v != _GONE[k]}
        batch = dict(given.pop("batch", {}))
        _check_names(batch, BatchSettings, "batch.")
        _check_names(given, cls, "")
        try:
            if "ratios" in batch:
                low, high = batch["ratios"]
                batch["ratios"] = (int(low), int(high))
            return cls(**given, batch=BatchSettings(**batch))
        except (TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"got training settings with a value of the wrong kind ({error}), expected those "
                "that a run has stored in its settings.json; correct it"
            ) from error

    @classmethod
    def of_run(cls, stored: Mapping[str, Any]) -> Self:
        """As :meth:`from_json`, of what a run stored: before there was a choice, that was AdamW.

        Raises
        ------
        InputError
            As :meth:`from_json`.
        """
        return cls.from_json({"optimiser": "adamw", **stored})

    def changed(self, assignments: Iterable[str]) -> Self:
        """Replace some of the settings.

        Parameters
        ----------
        assignments
            ``NAME=VALUE`` each, VALUE as JSON or a plain word, for example ``rate=0.002``,
            ``batch.crop=96`` or ``config.width=48``.

        Raises
        ------
        InputError
            For text of another form, or as :meth:`from_json`.
        """
        values = self.to_json()
        for text in assignments:
            name, equals, value = text.partition("=")
            inner, dot, key = name.partition(".")
            if not equals or not name or (dot and inner not in ("batch", "config")):
                raise InputError(
                    f"got the setting {text!r}, expected NAME=VALUE, for example batch.crop=96; "
                    "write it so"
                )
            place = values[inner] if dot else values
            place[key if dot else name] = _parsed(value)
        return self.from_json(values)


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _check_names(values: Mapping[str, Any], kind: type, prefix: str) -> None:
    known = [f.name for f in fields(kind)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(
            f"got unknown training setting {', '.join(prefix + name for name in unknown)}, "
            f"expected {', '.join(prefix + name for name in known)}; remove or rename it"
        )
