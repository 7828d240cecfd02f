"""``python -m napari_tcsdl`` is the command line."""

from .cli import main

main()
