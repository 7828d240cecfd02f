from __future__ import annotations

from napari_tcsdl.display.__main__ import main, parse


def test_options():
    options = parse(["movie.tif", "--run", "--ratio", "8", "--screenshot", "a.png"])
    assert (options.file, options.run, options.ratio) == ("movie.tif", True, 8)
    assert options.screenshot == "a.png"
    assert parse([]).file is None


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, capsys):
    assert main([str(tmp_path / "missing.tif")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "missing.tif" in line
    assert "expected" in line
