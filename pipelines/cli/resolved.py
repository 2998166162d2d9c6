"""`sightline config`: a recipe as it will run, with the digests that name what it makes."""

from __future__ import annotations

import argparse
import json

from pipelines.cli.schema import recipe_schema
from trainer.config import RunConfig
from trainer.recipe import load_config


def print_config(args: argparse.Namespace) -> int:
    """Print it: YAML that is a recipe again, its digests as comments; or the schema of all recipes. Returns the exit code."""
    if args.schema:
        print(recipe_schema(), end="")
        return 0
    config = load_config(args.recipe, args.overrides, source=args.source, data=args.data)
    digests = {"config_digest": config.config_digest, "dataset_digest": _dataset_digest(config), "train_digest": None}
    if args.json:
        print(json.dumps({"config": config.model_dump(mode="json"), **digests}))
        return 0
    for name, digest in digests.items():
        print(f"# {name}: {digest or 'after prepare'}")
    for section, values in config.model_dump(mode="json").items():
        print(f"{section}:", *(f"  {key}: {json.dumps(value)}" for key, value in values.items()), sep="\n")  # JSON is YAML
    return 0


def _dataset_digest(config: RunConfig) -> str | None:
    """Known before prepare where the source is built in, or its images are named."""
    if config.source.format != "digits" and not config.source.uri:
        return None
    from trainer.prepare import source_digest

    digest = source_digest(config)
    return config.dataset_digest(digest) if digest else None
