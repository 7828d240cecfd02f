"""What the tests of the command line share."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from napari_tcsdl import cli

FRAMES, RATIO = 9, 4


def run(*arguments, code=0):
    """Run the command line in this process; returns (stdout, stderr)."""
    out = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    assert out.exit_code == code, (out.stdout, out.stderr, out.exception)
    return out.stdout, out.stderr


def fails(monkeypatch, capsys, *arguments, code=2):
    """Run main() and return the one sentence on standard error."""
    monkeypatch.setattr(sys, "argv", ["napari-tcsdl", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_info:
        cli.main()
    assert exit_info.value.code == code
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]
