"""What each verb of the command calls. Its module is imported when it is called, so that help is instant."""

from __future__ import annotations

import argparse


def run(args: argparse.Namespace) -> int:
    from pipelines.cli import run

    return run.run(args)


def rerun(args: argparse.Namespace) -> int:
    from pipelines.cli import rerun

    return rerun.rerun(args)


def status(args: argparse.Namespace) -> int:
    from pipelines.cli import status

    return status.status(args)


def config(args: argparse.Namespace) -> int:
    from pipelines.cli import resolved

    return resolved.print_config(args)


def doctor(args: argparse.Namespace) -> int:
    from pipelines.cli import doctor

    return doctor.doctor(args)


def predict(args: argparse.Namespace) -> int:
    from pipelines.cli import predict

    return predict.predict(args)


def inspect_data(args: argparse.Namespace) -> int:
    from pipelines.cli import data

    return data.inspect(args)


def gc(args: argparse.Namespace) -> int:
    from pipelines.cli import gc

    return gc.gc(args)


def completion(args: argparse.Namespace) -> int:
    from pipelines.cli import completion

    return completion.print_completion(args)
