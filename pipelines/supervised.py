"""The graph that every supervised task shares: prepare → train → evaluate → register.

Stages hand on strings only. Each config is canonical JSON of just the sections that its stage reads.
"""

from kfp.dsl.base_component import BaseComponent

from components.dsl import pipeline
from components.evaluate import evaluate
from components.prepare import prepare
from components.register import register
from components.train import train
from trainer.recipe import load_config, stage_config


def supervised(task: str, recipe: str, description: str) -> BaseComponent:
    """The pipeline of a task; the recipe's values are the defaults of the compiled YAML."""
    config = load_config(recipe)

    @pipeline(name=task, description=description)
    def graph(
        source_digest: str = "",
        out: str = "",
        launcher: str = "pytorchjob",
        code_version: str = "",
        prepare_config: str = stage_config(config, "prepare"),
        train_config: str = stage_config(config, "train"),
        evaluate_config: str = stage_config(config, "evaluate"),
        register_config: str = stage_config(config, "register"),
        prepare_attempt: str = "",
        train_attempt: str = "",
        evaluate_attempt: str = "",
        register_attempt: str = "",
    ) -> None:
        prepared = prepare(config=prepare_config, source_digest=source_digest, out=out, attempt=prepare_attempt, code_version=code_version)
        trained = train(
            config=train_config,
            dataset=prepared.outputs["dataset"],
            data_digest=prepared.outputs["data_digest"],
            out=out,
            launcher=launcher,
            attempt=train_attempt,
            code_version=code_version,
        )
        evaluated = evaluate(
            config=evaluate_config,
            checkpoint=trained.outputs["checkpoint"],
            dataset=prepared.outputs["dataset"],
            train_report_digest=trained.outputs["train_report_digest"],
            out=out,
            attempt=evaluate_attempt,
            code_version=code_version,
        )
        registered = register(
            config=register_config,
            checkpoint=trained.outputs["checkpoint"],
            report=evaluated.outputs["report"],
            report_digest=evaluated.outputs["report_digest"],
            out=out,
            attempt=register_attempt,
            code_version=code_version,
        )
        registered.set_caching_options(enable_caching=False)  # its gate compares with an alias that may have moved

    return graph
