"""Figures that a fleet is reckoned with: each measured, with how and when."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
FIGURES = HERE / "figures.toml"


@dataclass(frozen=True)
class Figure:
    """One of them."""

    value: float
    unit: str
    what: str
    how: str


def read_figures(path: Path = FIGURES) -> dict[str, Figure]:
    """All of them, by name."""
    return {name: Figure(**row) for name, row in tomllib.loads(path.read_text(encoding="utf-8")).items()}
