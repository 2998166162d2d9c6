"""`sightline data inspect`: what a data set holds, on the terminal and as a page."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from trainer.canonical import canonical_json
from trainer.config import Source
from trainer.errors import ConfigError, DataError
from trainer.recipe import apply_override, load_config, parse_sections
from trainer.storage import FolderStore, open_store

if TYPE_CHECKING:
    from trainer.inspection import Inspected
    from trainer.report.inspected import InspectedSplit, Inspection

_BAR = 16  # characters
_TRIED = 16  # images of each split, to see whether any can be used
_MOST_SKIPPED = 10  # that are told on a terminal; the page and the JSON have all
_PLAIN_WIDTH = 100  # of a line where there is no terminal


def inspect(args: argparse.Namespace) -> int:
    """Tell it, and write the page where one is asked for; returns the exit code: 1 where no image could be used."""
    inspected = _look(args)
    report = inspected.report
    if args.json:
        print(report.to_bytes().decode())
    else:
        tell(report, sys.stdout)
    if args.html:
        _write_page(inspected, Path(args.html))
        print(f"page: {args.html}", file=sys.stderr if args.json else sys.stdout)
    from trainer.inspection import first_fault

    return 1 if first_fault(report.splits, report.skipped) else 0


def require_usable(section: Source) -> None:
    """Look at some images of a raw source.

    Raises:
        DataError: none of them can be used; the message has the reason for the first.
    """
    from trainer.inspection import first_fault, inspect_source

    report = inspect_source(section, sample=_TRIED, examples=0).report
    if first := first_fault(report.splits, report.skipped):
        raise DataError(f"none of the {len(report.skipped)} images looked at can be used: {first.file} {first.reason}")


def tell(report: Inspection, stream: TextIO) -> None:
    """Tables as wide as the terminal allows; in colour on one that has not asked for none."""
    console = Console(file=stream, width=shutil.get_terminal_size((_PLAIN_WIDTH, 0)).columns, highlight=False, markup=False)
    for part in (_splits(report), _classes(report), *_sizes(report.splits), *_lines(report)):
        console.print(part, soft_wrap=isinstance(part, str))


def _look(args: argparse.Namespace) -> Inspected:
    from trainer.inspection import inspect_prepared, inspect_source

    if section := _source(args):
        return inspect_source(section, sample=args.sample)
    if not args.uri:
        raise ConfigError("name the data: the folder of a prepared data set, or images with --source FORMAT or --recipe NAME")
    if not open_store(args.uri).stat("manifest.json"):
        raise ConfigError(
            f"{args.uri} holds no manifest.json, so it is not a prepared data set; to look at images as they are, add --source FORMAT "
            "or --recipe NAME"
        )
    if args.overrides:
        raise ConfigError("--set changes how images are read, but the data set is prepared; add --source or --recipe, or leave it out")
    return inspect_prepared(args.uri)


def _source(args: argparse.Namespace) -> Source | None:
    """How a raw source is laid out, as far as the flags say; None where they do not."""
    if args.recipe:
        return load_config(args.recipe, args.overrides, source=args.source, data=args.uri).source
    if not args.source:
        return None
    values = {"source": {"format": args.source, **({"uri": args.uri} if args.uri else {})}}
    for override in args.overrides:
        apply_override(values, override)
    return parse_sections(canonical_json(values)).source


def _write_page(inspected: Inspected, file: Path) -> None:
    from trainer.report.inspection_page import render_inspection

    FolderStore(os.fspath(file.parent)).put(file.name, render_inspection(inspected.report, inspected.examples).encode())


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", overflow="fold")
    return table


def _splits(report: Inspection) -> Table:
    table = _table("split", "images", "read", "smallest", "largest", "ignored")
    for split in report.splits:
        total = sum(split.class_counts) + split.ignored
        table.add_row(
            split.name, f"{split.images:,}", f"{split.seen:,}", _size(split.smallest), _size(split.largest),
            f"{split.ignored / total:.1%}" if total else "",
        )  # fmt: skip
    return table


def _classes(report: Inspection) -> Table:
    table = _table("\nclass", *(f"{report.unit} of\n{split.name}" for split in report.splits))
    for place, name in enumerate(report.classes):
        table.add_row(name, *(_share(split, place) for split in report.splits))
    return table


def _share(split: InspectedSplit, place: int) -> Text:
    share = split.shares[place]
    return Text(f"{share:.2%}") if share else Text("absent", style="red")


def _sizes(splits: Sequence[InspectedSplit]) -> list[RenderableType]:
    """A histogram for each split whose images differ in size."""
    tables: list[RenderableType] = []
    for split in splits:
        if len(split.sizes) > 1:
            table = _table(f"\nlonger side, {split.name}", "\nimages", "")
            table.columns[2].justify, table.columns[2].no_wrap, table.columns[2].overflow = "left", True, "crop"
            highest = max(one.images for one in split.sizes)
            for one in split.sizes:
                sides = f"{one.least}–{one.most}" if one.most > one.least else f"{one.least}"
                table.add_row(f"{sides} px", f"{one.images:,}", "█" * -(-_BAR * one.images // highest))
            tables.append(table)
    return tables


def _lines(report: Inspection) -> list[str]:
    lines = ["", *(f"! {finding}" for finding in report.findings)]
    lines += [f"skipped: {skipped.file} {skipped.reason}" for skipped in report.skipped[:_MOST_SKIPPED]]
    if (more := len(report.skipped) - _MOST_SKIPPED) > 0:
        lines.append(f"and {more:,} more; --json or --html list them all")
    return lines if len(lines) > 1 else [*lines, "nothing amiss was found"]


def _size(height_width: tuple[int, int] | None) -> str:
    return f"{height_width[1]} × {height_width[0]}" if height_width else "—"
