"""What software OpenGL cannot do: be drawn with again after a program was deleted."""

from __future__ import annotations

from typing import Any

SOFTWARE = ("llvmpipe", "softpipe")
"""How Mesa calls its renderers that need no graphics card."""


def spare_programs() -> bool:
    """Let vispy's shader programs live as long as their canvas, where Mesa draws in software.

    Mesa 22.3, that of Debian 12, ends the process when two layers that were hidden are removed
    from any napari window: it draws with what went with the second program. Programs are small;
    textures and buffers, which are large, are deleted as ever. On a graphics card nothing changes.

    Returns
    -------
    bool
        False where this vispy is built differently; it is left as it is.
    """
    try:
        from vispy.gloo import gl
        from vispy.gloo.glir import GlirProgram

        delete = GlirProgram.delete
    except (ImportError, AttributeError):
        return False
    if getattr(delete, "spares", False):
        return True

    def delete_or_spare(program: Any) -> None:
        # Asked here, where a context is sure to be current.
        renderer = str(gl.glGetParameter(gl.GL_RENDERER) or "").lower()
        if not renderer.startswith(SOFTWARE):
            delete(program)

    delete_or_spare.spares = True  # type: ignore[attr-defined]
    GlirProgram.delete = delete_or_spare
    return True
