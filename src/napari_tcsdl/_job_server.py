"""Do the jobs of :mod:`._jobs` in another process: ``python -m napari_tcsdl._job_server``.

It reads paths of pickled jobs from standard input, and writes progress and where results lie as
lines of JSON to standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import sys
from pathlib import Path
from typing import IO, Any


def serve(tasks: IO[str], answers: IO[str]) -> None:
    """Do the jobs whose paths come in; say what came of each."""

    def say(**what: Any) -> None:
        print(json.dumps(what), file=answers, flush=True)

    for line in tasks:
        path = Path(line.strip())
        job = pickle.loads(path.read_bytes())
        path.unlink()
        result = job.run(lambda fraction: say(progress=fraction))
        done = path.with_suffix(".result")
        with done.open("wb") as file:
            pickle.dump(result, file, protocol=pickle.HIGHEST_PROTOCOL)
        say(result=str(done))


def _main() -> None:
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):  # whoever asked has gone
        serve(sys.stdin, answers)


if __name__ == "__main__":
    _main()
