"""What all widgets of one viewer share: one run, one set of settings, one region, one view."""

from __future__ import annotations

from typing import ClassVar, TypeVar
from weakref import WeakValueDictionary

from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from ..settings import Settings
from .controller import Controller
from .preferences import default_settings
from .region import Roi
from .turns import Later, at_once

T = TypeVar("T")
_SOMEBODY = object()


class Session:
    """State of one viewer; :meth:`of` finds it.

    A widget that joins keeps the session alive. Those that can show a run (they say how to let
    the window live meanwhile) are its owners: when the last of them leaves, the run is stopped and
    the view is brought back to how it was, while widgets that only look at it go on. When nobody
    is left the session ends, and the next widget begins a new one.

    Attributes
    ----------
    controller
        The run that is shown.
    roi
        The region of interest, shared by spectra and scores.
    busy
        Whether a job runs; one at a time.
    """

    settings_changed = Signal()
    """Other settings were chosen, in whichever widget."""
    layer_changed = Signal()
    """Another input was chosen, in whichever widget."""
    busy_changed = Signal()
    """A job has begun or ended."""

    _all: ClassVar[WeakValueDictionary[int, Session]] = WeakValueDictionary()

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.controller = Controller(viewer)
        self.roi = Roi(viewer)
        self._settings = default_settings()
        self._layer: Layer | None = None
        self._at_work: object | None = None
        self._users: dict[object, Later | None] = {}
        self.closed = False

    @classmethod
    def of(cls, viewer: ViewerModel) -> Session:
        """Return the session of ``viewer``, a new one if nobody uses one."""
        found = cls.find(viewer)
        if found is None:
            found = cls(_bare(viewer))
            cls._all[id(found.viewer)] = found
        return found

    @classmethod
    def find(cls, viewer: ViewerModel) -> Session | None:
        """Return the session of ``viewer``; None where nobody uses one."""
        viewer = _bare(viewer)
        found = cls._all.get(id(viewer))
        return found if found is not None and found.viewer is viewer and not found.closed else None

    # --- users --------------------------------------------------------------------------------

    def join(self, user: object, later: Later | None = None) -> None:
        """Use this session.

        Parameters
        ----------
        user
            Stands for the widget, which may be gone when it leaves.
        later
            Lets the window live between two steps of showing layers. Who gives it is an owner of
            the run.
        """
        self._users[user] = later
        self._choose_later()

    def leave(self, user: object, *, restore: bool = True) -> None:
        """Stop using it; ``restore=False`` where the window is gone and must not be touched."""
        if user not in self._users:
            return
        owned = self._users.pop(user) is not None
        if not self._users:
            self._close(restore=restore)
        elif owned and not self._owners():
            self.controller.rest(restore=restore)
        self._choose_later()  # after these: nothing more is shown of a run that nobody owns
        self.end_job(user)

    def _close(self, *, restore: bool) -> None:
        self.closed, self._at_work = True, None
        self.controller.close(restore=restore)
        if restore:
            self.roi.clear()
        self.roi.close()

    def _owners(self) -> list[Later]:
        return [later for later in self._users.values() if later is not None]

    def _choose_later(self) -> None:
        owners = self._owners()
        self.controller.later = owners[-1] if owners else at_once

    # --- settings -----------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """What the next run will do; at first what Preferences say."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        if settings != self._settings:
            self._settings = settings
            self.settings_changed.emit()

    @property
    def layer(self) -> Layer | None:
        """The chosen input."""
        return self._layer

    @layer.setter
    def layer(self, layer: Layer | None) -> None:
        layer = _bare(layer)
        if layer is not self._layer:
            self._layer = layer
            self.layer_changed.emit()

    # --- one job ------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._at_work is not None

    @busy.setter
    def busy(self, busy: bool) -> None:
        self._set_at_work(_SOMEBODY if busy else None)

    def begin_job(self, user: object) -> None:
        """Say that a job of ``user`` runs, until it says otherwise or leaves."""
        self._set_at_work(user)

    def end_job(self, user: object) -> None:
        """Say that the job of ``user`` is over; one that somebody else has begun goes on."""
        if self._at_work is user:
            self._set_at_work(None)

    def _set_at_work(self, user: object | None) -> None:
        before, self._at_work = self.busy, user
        if self.busy != before:
            self.busy_changed.emit()


def _bare(proxied: T) -> T:
    """Return what napari has wrapped: plugins are handed proxies of viewers and layers."""
    bare: T = getattr(proxied, "__wrapped__", proxied)
    return bare
