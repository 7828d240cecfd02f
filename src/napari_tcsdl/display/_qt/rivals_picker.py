"""Which rivals are compared with: all, those of a kind, or single ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFrame, QTreeWidget, QTreeWidgetItem, QWidget

from ..rivals_job import ALL, Offer

LINE, ROOM = 20, 6
"""[px] Height of a row; around all of them."""
TIP = "Tick rivals, whole kinds of them, or all. Those that are grey are missing on this machine."
_BRANCH = (
    Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsAutoTristate
)
_LEAF = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable
MISSING = "missing on this machine"


class RivalPicker(QTreeWidget):
    """A tree with a box before each rival, each kind, and all; ``edited`` follows every tick."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setHeaderHidden(True)
        self.setRootIsDecorated(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setStyleSheet(f"QTreeWidget::item {{ height: {LINE}px; }}")
        for policy in (self.setHorizontalScrollBarPolicy, self.setVerticalScrollBarPolicy):
            policy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setToolTip(TIP)
        self.rows: dict[str, QTreeWidgetItem] = {}
        self.offers: tuple[Offer, ...] = ()
        self._asked: tuple[str, ...] | None = None
        self.itemChanged.connect(self._on_change)
        self.itemExpanded.connect(self._fit)
        self.itemCollapsed.connect(self._fit)
        self._fit()

    def offer(self, offers: Sequence[Offer]) -> None:
        """List rivals by their kinds; all that can be used are ticked, or what was chosen."""
        self.blockSignals(True)
        self.clear()
        self.rows, self.offers = {}, tuple(offers)
        root = self._branch(None, "all rivals")
        kinds: dict[str, QTreeWidgetItem] = {}
        for each in [offer for offer in offers if offer.missing is None]:
            if each.kind not in kinds:
                kinds[each.kind] = self._branch(root, each.kind)
            self.rows[each.name] = self._leaf(kinds[each.kind], each)
        self._list_missing([offer for offer in offers if offer.missing is not None])
        root.setExpanded(True)
        if self._asked is not None:  # before they were known
            self.choose(self._asked)
        self.blockSignals(False)
        self._fit()
        self.edited.emit()

    def _branch(self, parent: QTreeWidgetItem | None, text: str) -> QTreeWidgetItem:
        item = QTreeWidgetItem([text])
        item.setFlags(_BRANCH)
        (self.addTopLevelItem if parent is None else parent.addChild)(item)
        return item

    def _leaf(self, parent: QTreeWidgetItem, offer: Offer) -> QTreeWidgetItem:
        item = QTreeWidgetItem([offer.label])
        item.setFlags(_LEAF)
        item.setCheckState(0, Qt.CheckState.Checked)
        parent.addChild(item)
        return item

    def _list_missing(self, offers: Sequence[Offer]) -> None:
        """Grey, and in a branch without boxes: they count for nothing in those of the others."""
        if not offers:
            return
        branch = QTreeWidgetItem([MISSING])
        branch.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self.addTopLevelItem(branch)
        for offer in offers:
            item = self.rows[offer.name] = QTreeWidgetItem([offer.label])
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            item.setToolTip(0, str(offer.missing))
            branch.addChild(item)
        branch.setExpanded(True)

    def names(self) -> tuple[str, ...]:
        """Return the names that are ticked; :data:`ALL` where nothing is left out."""
        there = [offer.name for offer in self.offers if offer.missing is None]
        ticked = tuple(name for name in there if self._is_ticked(name))
        return ALL if len(ticked) == len(there) else ticked

    def choose(self, names: Sequence[str]) -> None:
        """Tick ``names`` and no others, now or once they are listed; :data:`ALL` are all."""
        self._asked = None if self.offers else tuple(names)
        for offer in self.offers:
            if offer.missing is None:
                ticked = offer.name in names or tuple(names) == ALL
                state = Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
                self.rows[offer.name].setCheckState(0, state)

    def summary(self) -> str:
        """Say in a few words what is ticked."""
        if not self.offers:
            return "looking for codecs…"
        there = sum(offer.missing is None for offer in self.offers)
        count = there if self.names() == ALL else len(self.names())
        lost = len(self.offers) - there
        missing = f", {lost} missing" if lost else ""
        return f"{f'all {count}' if count == there else f'{count} of {there}'}{missing}"

    def missing(self) -> str:
        """Name those that are missing, with why; empty if none is."""
        reasons: dict[str, list[str]] = {}
        for offer in self.offers:
            if offer.missing is not None:
                reasons.setdefault(offer.missing, []).append(offer.label)
        return "\n".join(f"{', '.join(labels)}: {why}" for why, labels in reasons.items())

    def _is_ticked(self, name: str) -> bool:
        return self.rows[name].checkState(0) == Qt.CheckState.Checked

    def _fit(self, *_: Any) -> None:
        """Take the height of what is unfolded: the panel scrolls, not this."""
        rows, item = 0, self.topLevelItem(0)
        while item is not None:
            rows, item = rows + 1, self.itemBelow(item)
        self.setFixedHeight(max(rows, 1) * LINE + ROOM)

    def _on_change(self, *_: Any) -> None:
        self.edited.emit()
