import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.mask_data import encoded, labels, mask_folder, masks_config, pair, picture, put
from tests.processes import children, is_alive, wait_until
from trainer.config import DigitsSource, RunConfig
from trainer.data.shards import ShardedSplit, read_manifest
from trainer.data.sources.pictures import read_labels
from trainer.errors import DataError
from trainer.prepare import prepare, source_digest
from trainer.reports import DatasetManifest, DatasetReport
from trainer.storage import open_store


def prepared(config: RunConfig, out: Path, processes: int = 1) -> DatasetReport:
    return prepare(config, source_digest=source_digest(config), out=str(out), processes=processes)


def files(report: DatasetReport) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(report.dataset).iterdir()}


def manifest_of(report: DatasetReport) -> DatasetManifest:
    return read_manifest(open_store(report.dataset))


def sabotage(root: Path, kind: str) -> str:
    """Spoil the pair `t3` of a mask folder; the words that the reason must hold."""
    image, mask = root / "images/t3.png", root / "masks/t3.png"
    if kind == "truncated image":
        image.write_bytes(image.read_bytes()[:-60])
        return "images/t3.png cannot be decoded"
    if kind == "truncated mask":
        mask.write_bytes(mask.read_bytes()[:60])
        return "masks/t3.png cannot be decoded"
    if kind == "missing mask":
        mask.unlink()
        return "images/t3.png has no mask masks/t3.png"
    if kind == "missing image":
        image.unlink()
        return "images/t3 is listed, but there is no such image"
    if kind == "other size":
        put(mask, encoded(Image.fromarray(labels(0, 9, 16))))
        return "images/t3.png has 12 × 16 pixels (height × width), but its mask masks/t3.png has 9 × 16"
    if kind == "bad value":
        put(mask, encoded(Image.fromarray(np.full((12, 16), 77, np.uint8))))
        return "masks/t3.png holds values that are neither one of the 3 classes nor in source.ignore: 77 in 192 pixels"
    put(root / "images/t3.bmp", b"")
    return "images/t3.bmp shares its stem with images/t3.png"


REASONS = ["truncated image", "truncated mask", "missing mask", "missing image", "other size", "bad value", "duplicate stem"]


@pytest.mark.parametrize("kind", REASONS)
def test_policy_raise_stops_at_an_unusable_sample_and_commits_nothing(kind: str, tmp_path: Path) -> None:
    told = sabotage(mask_folder(tmp_path / "data"), kind)
    with pytest.raises(DataError) as caught:
        prepared(masks_config(tmp_path / "data"), tmp_path / "out")
    assert str(caught.value).startswith(told)
    assert "set source.policy=skip" in str(caught.value)
    assert not list(tmp_path.glob("out/**/manifest.json"))


@pytest.mark.parametrize("kind", REASONS)
def test_policy_skip_leaves_an_unusable_sample_out_and_lists_it(kind: str, tmp_path: Path) -> None:
    told = sabotage(mask_folder(tmp_path / "data"), kind)
    report = prepared(masks_config(tmp_path / "data", policy="skip", samples_per_shard=3), tmp_path / "out")
    assert report.samples == {"train": 7, "val": 4}
    assert [f"{skipped.file} {skipped.reason}"[: len(told)] for skipped in report.skipped] == [told]
    manifest = manifest_of(report)
    assert manifest.skipped == report.skipped
    split = ShardedSplit(open_store(report.dataset), manifest.split("train"))
    assert split.names == ["t0", "t1", "t2", "t4", "t5", "t6", "t7"]
    assert [split.read(place)[0] for place in range(7)] == [(tmp_path / f"data/images/{name}.png").read_bytes() for name in split.names]


def test_two_processes_report_the_same_unusable_sample_as_one(tmp_path: Path) -> None:
    told = sabotage(mask_folder(tmp_path / "data", {"train": [f"t{number}" for number in range(40)], "val": ["v"]}), "bad value")
    with pytest.raises(DataError, match=told.partition(" holds")[0]):
        prepared(masks_config(tmp_path / "data"), tmp_path / "out", processes=2)


@pytest.mark.parametrize("source", ["digits", "masks"])
def test_one_process_and_two_write_the_same_bytes(source: str, tmp_path: Path) -> None:
    if source == "digits":
        config = RunConfig(source=DigitsSource(train_scenes=50, val_scenes=21, samples_per_shard=16))
    else:
        stems = {"train": [f"t{number}" for number in range(30)], "val": [f"v{number}" for number in range(9)]}
        data = mask_folder(tmp_path / "data", stems)
        sabotage(data, "missing mask")
        config = masks_config(data, policy="skip", samples_per_shard=7)
    one, two = (prepared(config, tmp_path / str(processes), processes) for processes in (1, 2))
    assert files(one) == files(two)
    assert (one.data_digest, one.samples, one.skipped) == (two.data_digest, two.samples, two.skipped)
    assert len(files(one)) > 6


def test_the_manifest_describes_the_pixels(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    mask = labels(0)
    mask[0] = 255
    put(data / "masks/t0.png", encoded(Image.fromarray(mask)))
    manifest = manifest_of(prepared(masks_config(data), tmp_path / "out"))
    pixels = np.stack([picture(number) for number in range(8)]).reshape(-1, 3)
    train = manifest.split("train")
    assert manifest.mean == pytest.approx(pixels.mean(axis=0))
    assert manifest.std == pytest.approx(pixels.std(axis=0))
    assert train.ignored == 16
    assert sum(train.class_counts) + train.ignored == 8 * 12 * 16
    assert (train.smallest, train.largest, train.samples) == ((12, 16), (12, 16), 8)
    assert [split.name for split in manifest.splits] == ["train", "val"]
    assert manifest.classes == ("background", "cell", "nucleus")


def test_masks_in_the_shards_hold_class_indices_and_255(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    put(data / "masks/v0.png", encoded(Image.fromarray(np.where(labels(8) == 2, 9, labels(8)).astype(np.uint8))))
    report = prepared(masks_config(data, ignore=(9,)), tmp_path / "out")
    _, mask = ShardedSplit(open_store(report.dataset), manifest_of(report).split("val")).read(0)
    assert np.array_equal(read_labels(mask, "mask"), np.where(labels(8) == 2, 255, labels(8)))


def test_finished_work_is_adopted_and_left_alone(tmp_path: Path) -> None:
    config = masks_config(mask_folder(tmp_path / "data"))
    first = prepared(config, tmp_path / "out")
    written = {path: path.stat().st_mtime_ns for path in Path(first.dataset).iterdir()}
    second = prepared(config, tmp_path / "out")
    assert (first.adopted, second.adopted) == (False, True)
    assert {path: path.stat().st_mtime_ns for path in Path(first.dataset).iterdir()} == written
    assert second.model_dump(exclude={"adopted", "seconds"}) == first.model_dump(exclude={"adopted", "seconds"})


@pytest.mark.parametrize("damage", ["shard gone", "shard cut", "index gone", "manifest cut", "manifest gone"])
def test_work_that_is_not_whole_is_done_again(damage: str, tmp_path: Path) -> None:
    config = masks_config(mask_folder(tmp_path / "data"))
    first = prepared(config, tmp_path / "out")
    before = files(first)
    what, how = damage.split()
    path = Path(first.dataset) / {"shard": "val-00000.tar", "index": "train-00000.index.json", "manifest": "manifest.json"}[what]
    path.unlink() if how == "gone" else os.truncate(path, 50)
    again = prepared(config, tmp_path / "out")
    assert not again.adopted
    assert files(again) == before


def test_other_settings_and_other_data_get_their_own_folder(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    reports = [prepared(masks_config(data), tmp_path / "out"), prepared(masks_config(data, samples_per_shard=2), tmp_path / "out")]
    pair(data, "v0", 77)
    reports.append(prepared(masks_config(data), tmp_path / "out"))
    assert len({report.dataset for report in reports}) == len({report.data_digest for report in reports}) == 3


def test_the_same_data_in_another_place_is_the_same_data_set(tmp_path: Path) -> None:
    here = prepared(masks_config(mask_folder(tmp_path / "here")), tmp_path / "out")
    there = prepared(masks_config(mask_folder(tmp_path / "there")), tmp_path / "out")
    assert there.adopted
    assert there.dataset == here.dataset


def test_data_that_changed_since_the_run_started_is_refused(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    config = masks_config(data)
    digest = source_digest(config)
    pair(data, "t0", 99)
    with pytest.raises(DataError, match=f"changed since the run started: its digest was {digest} and is now sha256:"):
        prepare(config, source_digest=digest, out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_split_in_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    for number in range(4):
        (data / f"masks/v{number}.png").unlink()
    with pytest.raises(DataError, match=r"split val has no usable sample; the last of 4 skipped: images/v3\.png has no mask"):
        prepared(masks_config(data, policy="skip", max_skipped=0.5), tmp_path / "out")
    assert not list(tmp_path.glob("out/**/manifest.json"))


def test_a_split_folder_without_any_image_is_refused(tmp_path: Path) -> None:
    for split in ("train", "val"):
        put(tmp_path / f"data/images/{split}/readme.txt", b"")
    with pytest.raises(DataError, match="split train has no usable sample"):
        prepared(masks_config(tmp_path / "data"), tmp_path / "out")


def test_a_set_prepared_again_is_not_committed_while_it_is_written(tmp_path: Path) -> None:
    """A manifest that names a missing shard must not stay when the second attempt fails half-way."""
    data = mask_folder(tmp_path / "data")
    report = prepared(masks_config(data), tmp_path / "out")
    (Path(report.dataset) / "train-00000.tar").unlink()
    digest = source_digest(masks_config(data))
    program = f"""
        import os, resource
        from pathlib import Path
        from tests.mask_data import masks_config
        from trainer.errors import StoreError
        from trainer.prepare import prepare
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
        try: prepare(masks_config({str(data)!r}), source_digest={digest!r}, out={str(tmp_path / "out")!r}, processes=1)
        except StoreError as error: print(error)
    """
    told = run(program).stdout
    assert "a shard cannot wait in" in told
    assert "File too large; make room, or set TMPDIR" in told
    assert not (Path(report.dataset) / "manifest.json").exists()


def test_progress_is_told_up_to_the_last_image(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    program = f"""
        from tests.mask_data import masks_config
        from trainer.prepare import prepare, source_digest
        config = masks_config({str(data)!r})
        prepare(config, source_digest=source_digest(config), out={str(tmp_path / "out")!r})
    """
    run(program, SIGHTLINE_EVENTS=str(tmp_path / "events.jsonl"))
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert {(event["event"], event["stage"], event["total"], event["unit"]) for event in events} == {("progress", "prepare", 12, "images")}
    assert events[-1]["done"] == 12


def test_preparing_imports_no_torch() -> None:
    program = "import sys, trainer.prepare; print([name for name in ('torch', 'timm', 'kfp', 'boto3', 'sklearn') if name in sys.modules])"
    assert run(program).stdout.strip() == "[]"


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    program = f"""
        import resource, sys
        from trainer.config import DigitsSource, RunConfig
        from trainer.prepare import prepare, source_digest
        if __name__ == "__main__":
            section = DigitsSource(train_scenes=int(sys.argv[1]), val_scenes=8, size=16, digit_size=(8, 12), samples_per_shard=250)
            config = RunConfig(source=section)
            prepare(config, source_digest=source_digest(config), out={str(tmp_path)!r} + sys.argv[1], processes=2)
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
    script = tmp_path / "measure.py"
    script.write_text(textwrap.dedent(program))
    few, many = (int(finished([str(script), count]).stdout) for count in ("300", "3000"))
    assert many <= 1.15 * few


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    with preparing_for_ever(tmp_path) as process:
        workers = workers_of(process.pid)
        process.kill()
        process.wait()
    assert len(workers) == 2
    assert wait_until(lambda: not any(is_alive(pid) for pid in workers))


def test_workers_load_no_torch(tmp_path: Path) -> None:
    with preparing_for_ever(tmp_path) as process:
        loaded = [Path(f"/proc/{worker}/maps").read_text() for worker in workers_of(process.pid)]
    assert ["numpy" in maps for maps in loaded] == [True, True]
    assert not any("libtorch" in maps for maps in loaded)


def test_a_worker_that_is_killed_is_told(tmp_path: Path) -> None:
    with preparing_for_ever(tmp_path) as process:
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
    assert "one of 2 preparing processes was killed, most likely for want of memory" in output


@pytest.mark.skipif("SIGHTLINE_NUCLEI" not in os.environ, reason="SIGHTLINE_NUCLEI does not name a folder of microscopy images")
def test_real_microscopy_images_are_prepared(tmp_path: Path) -> None:
    config = masks_config(os.environ["SIGHTLINE_NUCLEI"], classes=("background", "nucleus"))
    report = prepared(config, tmp_path, processes=2)
    assert report.samples == {"train": 128, "val": 32}
    assert report.skipped == ()
    background, nucleus = manifest_of(report).split("train").class_counts
    assert 0.02 < nucleus / (background + nucleus) < 0.5


def run(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return finished(["-c", textwrap.dedent(program)], **variables)


def finished(arguments: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, env=environment(**variables))


def environment(**variables: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)} | variables


@contextmanager
def preparing_for_ever(folder: Path) -> Generator[subprocess.Popen[str]]:
    """A process that prepares more scenes than anyone will wait for, once its workers have made some."""
    script, events = folder / "prepare.py", folder / "events.jsonl"
    program = f"""
        from trainer.config import DigitsSource, RunConfig
        from trainer.errors import SightlineError
        from trainer.prepare import prepare, source_digest
        if __name__ == "__main__":
            config = RunConfig(source=DigitsSource(train_scenes=10**6))
            try: prepare(config, source_digest=source_digest(config), out={str(folder / "out")!r}, processes=2)
            except SightlineError as error: print(error)
    """
    script.write_text(textwrap.dedent(program))
    variables = environment(SIGHTLINE_EVENTS=str(events))
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=variables) as process:
        try:
            assert wait_until(events.exists, seconds=60)
            yield process
        finally:
            process.kill()


def workers_of(pid: int) -> list[int]:
    """Its children but for multiprocessing's resource tracker."""
    return [child for child in children(pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_without_a_digest_of_the_source_the_one_that_is_found_is_used(tmp_path: Path) -> None:
    config = masks_config(mask_folder(tmp_path / "data"))

    report = prepare(config, source_digest="", out=str(tmp_path / "out"), processes=1)

    assert report.source_digest == source_digest(config)
    assert report.dataset == prepare(config, source_digest=source_digest(config), out=str(tmp_path / "out"), processes=1).dataset


def test_a_split_whose_every_pixel_is_ignored_is_refused(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    for mask in (data / "masks").glob("v*.png"):
        mask.write_bytes(encoded(Image.fromarray(np.full((12, 16), 255, np.uint8))))

    with pytest.raises(DataError, match=r"every pixel of split val is ignored"):
        prepare(masks_config(data), source_digest="", out=str(tmp_path / "out"), processes=1)
    assert not list((tmp_path / "out").rglob("manifest.json"))
