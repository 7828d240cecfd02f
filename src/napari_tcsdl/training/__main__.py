"""``python -m napari_tcsdl.training OUT``: train where little is installed, as on a GPU node.

It does what ``napari-tcsdl train`` does, and needs neither typer nor rich: with torch, NumPy,
SciPy, scikit-image, numba, tifffile and safetensors, and ``PYTHONPATH=src``, a checkout will do.
Ctrl-C saves the run and ends it.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from threading import Event

from .._validation import Cancelled, TcsdlError
from .command import FinetuneJob, TrainJob, finetune_movie, train
from .loop import Moment

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the options; they are those of ``napari-tcsdl train``."""
    parser = argparse.ArgumentParser(prog="python -m napari_tcsdl.training")
    parser.add_argument("out", type=Path, help="folder of the run")
    parser.add_argument("--decoder", help="unfolding or bidirectional")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--library", help="folder of rendered movies")
    parser.add_argument("--precision", help="float32 or bfloat16")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="any other setting, for example batch.crop=96")  # fmt: skip
    parser.add_argument("--preset", type=Path, help="settings.json of a run")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--leg", type=float, help="minutes after which to stop for now")
    parser.add_argument("--save-every", type=float, default=5.0, metavar="MINUTES",
                        help="between two validations, each saved; by default 5")  # fmt: skip
    parser.add_argument("--save-steps", type=int, metavar="N",
                        help="save after every N steps, too, without a validation")  # fmt: skip
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--from", dest="start", type=Path, help="state.pt of another run")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--commit", help="of the code, to be stored with the weights")
    parser.add_argument("--finetune", type=Path, metavar="MOVIE")
    parser.add_argument("--weights", type=Path, help="where fine-tuning starts")
    return parser.parse_args(arguments)


def job_of(chosen: argparse.Namespace) -> TrainJob | FinetuneJob:
    """Return what the options ask for."""
    names = ("minutes", "steps", "precision", "seed")
    given = {name: getattr(chosen, name) for name in names}
    if chosen.finetune is not None:
        return FinetuneJob(
            chosen.out, chosen.finetune, chosen.weights, given,
            decoder=chosen.decoder or "unfolding", device=chosen.device,
            overwrite=chosen.overwrite,
        )  # fmt: skip
    return TrainJob(
        chosen.out,
        {**given, "decoder": chosen.decoder, "library": chosen.library},
        assignments=tuple(chosen.set),
        preset=chosen.preset,
        device=chosen.device,
        leg=chosen.leg,
        save_every=chosen.save_every,
        save_steps=chosen.save_steps,
        resume=chosen.resume,
        start=chosen.start,
        overwrite=chosen.overwrite,
        commit=chosen.commit,
    )


def main(arguments: list[str]) -> int:
    """Train; 0, 130 after Ctrl-C, or 2 with one sentence on stderr."""
    stopped = Event()

    def watch(moment: Moment) -> None:
        if stopped.is_set():
            raise Cancelled

    job = job_of(parse(arguments))
    previous = signal.signal(signal.SIGINT, lambda *_: stopped.set())
    try:
        if isinstance(job, FinetuneJob):
            print(finetune_movie(job, _say, watch))
        else:
            print(train(job, _say, watch))
    except TcsdlError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    finally:
        signal.signal(signal.SIGINT, previous)
    return INTERRUPTED if stopped.is_set() else 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
