"""How far a rebuilding has come, on disk, so that one that was killed goes on."""

import json
from pathlib import Path
from typing import Any

NAME = "build_index.json"


class Mark:
    """Positions by source, for one target; `folder` may hold those of other targets too."""

    def __init__(self, folder: Path, target: str, *, fresh: bool) -> None:
        """`fresh`: the run deletes what is there first, so that only another one of its kind can go on.

        Raises OSError when the folder cannot be made.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / NAME
        self._target = f"{target}, fresh" if fresh else target
        self._positions: dict[str, dict[str, Any]] = {}
        if self._path.is_file():
            self._positions = json.loads(self._path.read_text(encoding="utf-8"))
        self.begins_fresh = fresh and self._target not in self._positions
        if self.begins_fresh:
            self._positions.pop(target, None)  # what that run has added goes

    def of(self, source: str) -> Any:
        """None at the beginning."""
        return self._positions.get(self._target, {}).get(source)

    def put(self, source: str, position: Any) -> None:
        self._positions.setdefault(self._target, {})[source] = position
        self._write()

    def done(self) -> None:
        """Everything is there: the next run begins anew."""
        self._positions.pop(self._target, None)
        self._write()

    def _write(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._positions), encoding="utf-8")
        part.replace(self._path)
