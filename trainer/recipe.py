"""Recipes: from a YAML file and `--set section.key=value` to a RunConfig, or to one clear error."""

# ruamel.yaml is only partly typed
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from trainer.canonical import canonical_json
from trainer.config import KINDS, SOURCES, STAGE_SECTIONS, TASKS, RunConfig, Section
from trainer.errors import ConfigError

Values = dict[str, Any]


def recipe_names() -> list[str]:
    """Names of the recipes that are shipped."""
    return sorted(
        entry.name.removesuffix(".yaml") for entry in resources.files("trainer.recipes").iterdir() if entry.name.endswith(".yaml")
    )


def recipes_for(task: str) -> list[str]:
    """Names of the shipped recipes that are of a task."""
    default = RunConfig().task.name
    return [name for name in recipe_names() if read_yaml(*_recipe_text(name)).get("task", {}).get("name", default) == task]


def nearest(word: str, known: Iterable[str] | Mapping[str, object]) -> str:
    """` (did you mean total_steps?)`, or nothing where no word is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def load_config(
    recipe: str, overrides: Sequence[str] = (), *, source: str | None = None, data: str | None = None, reads_source: bool = True
) -> RunConfig:
    """Resolve a run.

    Args:
        recipe: a shipped name (`segmentation-digits`) or the path of a YAML file.
        overrides: `section.key=value`, values in YAML 1.2; applied in order, the last one wins.
        source: the format of the images; where it is not the recipe's own, that format's defaults replace the section.
        data: the URI of the images.
        reads_source: whether the source is to be used; what trains on prepared data does not look at it.

    Raises:
        ConfigError: a file, key or value cannot be meant; the message names it and what to change.
    """
    values = read_yaml(*_recipe_text(recipe))
    _choose_source(values, source, data)
    for override in overrides:
        apply_override(values, override)
    _name_kinds(values)
    _name_metrics(values)
    config = _validated(values, where=f"recipe {recipe}")
    _check_task(config)
    if reads_source:
        _check_source(config)
    return config


def parse_sections(text: str) -> RunConfig:
    """A RunConfig from the canonical JSON of some sections; the others keep their defaults and must not be read."""
    try:
        return RunConfig.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(_explain(error, "config")) from None


def stage_config(config: RunConfig, stage: str) -> str:
    """Canonical JSON of just the sections that a stage reads: its parameter in the pipeline."""
    return canonical_json(config.sections(*STAGE_SECTIONS[stage]))


def read_yaml(text: str, where: str) -> Values:
    """A mapping of sections from YAML 1.2, in which `1e-3` is a number and `no` is a word."""
    try:
        values = _parser().load(text)
    except YAMLError as error:
        raise ConfigError(f"{where} is not YAML: {_one_line(error)}") from None
    if values is None:
        raise ConfigError(f"{where} is empty; write a mapping of sections, as in trainer/recipes")
    if not isinstance(values, dict):
        raise ConfigError(f"{where} holds {type(values).__name__}; write a mapping of sections, as in trainer/recipes")
    return cast(Values, values)


def apply_override(values: Values, override: str) -> None:
    """Set one value in place: `section.key=value`."""
    path, equals, text = override.partition("=")
    section, dot, key = path.strip().partition(".")
    if not (equals and dot and section and key):
        raise ConfigError(f"--set {override} is not of the form section.key=value, e.g. --set schedule.total_steps=100")
    try:
        value = _parser().load(text)
    except YAMLError as error:
        raise ConfigError(f"--set {override}: {_one_line(error)}") from None
    if not isinstance(values.setdefault(section, {}), dict):
        raise ConfigError(f"section {section} of the recipe is not a mapping, so --set {override} cannot act")
    values[section][key] = value


def _recipe_text(recipe: str) -> tuple[str, str]:
    path = Path(recipe)
    if path.suffix in {".yaml", ".yml"} or "/" in recipe:
        try:
            return path.read_text(encoding="utf-8"), str(path)
        except FileNotFoundError:
            raise ConfigError(f"there is no file {recipe}") from None
        except OSError as error:
            raise ConfigError(f"recipe {recipe} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"recipe {recipe} is not text in UTF-8: {error.reason}, at byte {error.start}") from None
    if recipe not in recipe_names():
        raise ConfigError(
            f"there is no recipe {recipe!r}{nearest(recipe, recipe_names())}; "
            f"there are: {', '.join(recipe_names())}, or the path of a .yaml file"
        )
    return resources.files("trainer.recipes").joinpath(f"{recipe}.yaml").read_text(encoding="utf-8"), f"recipe {recipe}"


def _name_kinds(values: Values) -> None:
    """A section of several kinds that names none is of the default kind, as a section that is left out."""
    for section, kinds in KINDS.items():
        if isinstance(values.get(section), dict):
            values[section].setdefault(kinds.key, next(iter(kinds.sections)))


def _name_metrics(values: Values) -> None:
    """The task's main metric, where none is named."""
    task = values.get("task", {"name": RunConfig().task.name})
    if not isinstance(task, dict) or (facts := TASKS.get(str(cast(Values, task)["name"]))) is None:
        return  # what cannot be a task, the validation tells
    for section, key in (("training", "select_by"), ("registration", "metric")):
        if isinstance(values.setdefault(section, {}), dict):
            values[section].setdefault(key, facts.metrics[0])


def _choose_source(values: Values, source: str | None, data: str | None) -> None:
    if source is not None and source not in SOURCES:
        raise ConfigError(f"there is no source {source!r}{nearest(source, SOURCES)}; there are: {', '.join(SOURCES)}")
    section = cast(Values, values.get("source", {}))
    if (source is None and data is None) or not isinstance(section, dict):  # pyright: ignore[reportUnnecessaryIsInstance]
        return  # what is not a mapping, the validation tells
    if source is not None and source != section.get("format", "digits"):
        section = {"format": source}
    if data is not None:
        if section.get("format", "digits") == "digits":
            formats = " or ".join(known for known in SOURCES if known != "digits")
            raise ConfigError(f"--data {data} has nothing to be read as: the source is digits, which is built in; add --source {formats}")
        section["uri"] = data
    values["source"] = section


def _validated(values: Values, where: str) -> RunConfig:
    try:
        text = canonical_json(values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where} holds a value that a config cannot: {error}") from None
    try:
        return RunConfig.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(_explain(error, where)) from None


def _check_source(config: RunConfig) -> None:
    """What the source gives must be what the task learns, and from splits that it has."""
    source, wanted = config.source, TASKS[config.task.name].target
    if source.target != wanted:
        raise ConfigError(
            f"source.format={source.format} gives a {source.target} for each image; task {config.task.name} learns from a {wanted}: "
            "change one of the two"
        )
    for key, split in (
        ("data.train_split", config.data.train_split),
        ("data.val_split", config.data.val_split),
        ("evaluation.split", config.evaluation.split),
    ):
        if split not in source.splits:
            raise ConfigError(f"{key}={split} is not among the splits of the source, {list(source.splits)}; change one of the two")
    if config.data.train_split != source.splits[0]:
        raise ConfigError(
            f"data.train_split={config.data.train_split} is not the first of source.splits={list(source.splits)}, from which the colours' "
            "mean is taken and whose pictures no other split may hold; write it first"
        )


def _check_task(config: RunConfig) -> None:
    """The sections that depend on the task must go with it."""
    task, facts = config.task.name, TASKS[config.task.name]
    for key, value, known, what in (
        ("data.transform", config.data.transform, facts.transforms, "a transform for"),
        ("model.name", config.model.name, facts.models, "a model for"),
        ("training.select_by", config.training.select_by, facts.metrics, "a metric of"),
        ("registration.metric", config.registration.metric, facts.metrics, "a metric of"),
    ):
        if value not in known:
            raise ConfigError(f"{key}={value} is not {what} task {task}{nearest(value, known)}; it has: {', '.join(known)}")


def _explain(error: ValidationError, where: str) -> str:
    """One line a problem: where, what was given, what to do. What is missing comes last: it may be there, but misspelt."""
    problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] == "missing")
    return "\n".join(f"{where}: {_explain_one(problem)}" for problem in problems)


def _explain_one(problem: ErrorDetails) -> str:
    section, *rest = (str(part) for part in problem["loc"]) if problem["loc"] else ("",)
    is_union = bool(rest) and section in KINDS and rest[0] in KINDS[section].sections
    kind = rest.pop(0) if is_union else ""  # pydantic names the member of a union where there is no key
    key = ".".join([section, *rest])
    if problem["type"] == "extra_forbidden":
        known = _keys_of(section, kind) if rest else list(RunConfig.model_fields)
        of_kind = f"{section} of {kind}" if kind else section
        return f"there is no {key}{nearest((rest or [section])[-1], known)}; {of_kind if rest else 'a recipe'} has: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"{key} must be given"
    if problem["type"] == "union_tag_invalid":
        named, known = problem["input"][KINDS[section].key], list(KINDS[section].sections)
        return f"there is no {key}.{KINDS[section].key}={named}{nearest(str(named), known)}; there are: {', '.join(known)}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{key}: {message}" if key else message
    return f"{key}={problem['input']!r}: {message[:1].lower()}{message[1:]}"


def _keys_of(section: str, kind: str) -> list[str]:
    """The keys of a section, of the given kind where it has several."""
    if section in KINDS:
        return list(KINDS[section].sections[kind].model_fields) if kind else [KINDS[section].key]
    return list(cast(type[Section], RunConfig.model_fields[section].annotation).model_fields)


def _parser() -> YAML:
    return YAML(typ="safe", pure=True)  # pure: the C parser reads YAML 1.1, in which `no` is false


def _one_line(error: YAMLError) -> str:
    return " ".join(str(error).replace('in "<unicode string>", ', "at ").split())
