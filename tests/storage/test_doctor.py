"""`sightline doctor --store`: real servers and folders, what is told of them, and that nothing stays behind."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.cli.main import main
from tests.faulty_server import Fault, faulty_server
from tests.s3_server import s3_server
from trainer.doctor import Finding, examine, is_usable
from trainer.storage import FolderStore, Patience, open_store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BRIEF = Patience(total_seconds=5)
ALL = ["write, read, delete", "conditional writes", "ranges", "multipart", "listing order", "latency", "throughput"]


def marks(uri: str) -> dict[str, str]:
    return {finding.subject: finding.mark for finding in examine(open_store(uri, BRIEF))}


def one(uri: str) -> Finding:
    """The only finding."""
    (finding,) = examine(open_store(uri, BRIEF))
    return finding


def keys(client: S3Client, bucket: str) -> list[str]:
    found = client.list_objects_v2(Bucket=bucket.removeprefix("s3://"))
    return [each.get("Key", "") for each in found.get("Contents", ())]


def test_a_folder_can_do_everything(tmp_path: Path) -> None:
    found = marks(str(tmp_path))
    assert list(found) == ["reachable", *ALL]
    assert set(found.values()) == {"good"}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_not_there_afterwards_either(tmp_path: Path) -> None:
    assert is_usable(list(examine(FolderStore(str(tmp_path / "a" / "b")))))
    assert list(tmp_path.iterdir()) == []


def test_what_was_in_the_store_is_left_alone(tmp_path: Path) -> None:
    FolderStore(str(tmp_path)).put("object", b"mine")
    marks(str(tmp_path))
    assert [path.name for path in tmp_path.rglob("*")] == ["object"]


def test_moto_can_do_everything(bucket: str, s3_client: S3Client) -> None:
    found = marks(bucket + "/out")
    assert list(found) == ["reachable", "credentials", "bucket", *ALL]
    assert {subject for subject, mark in found.items() if mark == "good"} >= set(ALL[:5])
    assert keys(s3_client, bucket) == []
    assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket.removeprefix("s3://"))


def test_rclone_is_usable_with_a_warning_that_names_the_weaker_promise(rclone_bucket: str, rclone_client: S3Client) -> None:
    findings = list(examine(open_store(rclone_bucket)))
    assert is_usable(findings)
    warning = next(finding for finding in findings if finding.subject == "conditional writes")
    assert warning.mark == "warning"
    assert "takes turns instead" in warning.meaning
    assert "If-None-Match" in warning.advice
    assert keys(rclone_client, rclone_bucket) == []


@pytest.mark.parametrize(
    ("request_", "fault", "subject"),
    [("?uploads", Fault(status=501), "multipart"), ("GET", Fault(drops_range=True), "ranges")],
)
def test_what_a_server_cannot_do_is_a_warning_with_advice(
    s3_endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch, request_: str, fault: Fault, subject: str
) -> None:
    with faulty_server(s3_endpoint) as server:
        server.always_fail(request_, fault)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        findings = list(examine(open_store(bucket)))
    assert is_usable(findings)
    assert [finding.subject for finding in findings if finding.mark == "warning" and finding.subject in ALL[:5]] == [subject]
    assert next(finding.advice for finding in findings if finding.subject == subject)


def test_a_missing_bucket_is_bad(s3_endpoint: str) -> None:
    finding = one("s3://no-such-bucket/out")
    assert (finding.subject, finding.mark) == ("bucket", "bad")
    assert "does not exist; create it" in finding.meaning


def test_a_server_that_is_not_there_is_bad(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        (finding,) = examine(open_store("s3://bucket/out", Patience(total_seconds=0.5)))
    assert (finding.subject, finding.mark) == ("reachable", "bad")
    assert "Check that the server runs" in finding.meaning


def test_a_wrong_secret_is_bad(rclone_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    finding = one(rclone_bucket)
    assert (finding.subject, finding.mark) == ("credentials", "bad")
    assert "SignatureDoesNotMatch" in finding.meaning


def test_a_key_that_the_server_does_not_know_is_bad(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(INITIAL_NO_AUTH_ACTION_COUNT="0") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        finding = one("s3://bucket/out")
    assert (finding.subject, finding.mark) == ("credentials", "bad")
    assert "check AWS_ACCESS_KEY_ID" in finding.meaning


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that even root may not write to, as Linux's sysfs")
def test_a_folder_that_may_not_be_written_is_bad() -> None:
    findings = list(examine(FolderStore("/sys/kernel")))
    assert [(finding.subject, finding.mark) for finding in findings] == [("reachable", "good"), ("permissions", "bad")]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["doctor", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_command_prints_a_line_for_each_and_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = printed(capsys, "--store", str(tmp_path))
    assert code == 0
    assert out.count("✓") == 1 + len(ALL)
    assert out.endswith(f"{tmp_path} can be used\n")


def test_a_weaker_promise_ends_with_0_and_says_what_to_change(rclone_bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = printed(capsys, "--store", rclone_bucket)
    assert code == 0
    assert "! conditional writes" in out
    assert "→ register into this store from one run at a time" in out


def test_what_cannot_be_used_ends_with_1(s3_endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = printed(capsys, "--store", "s3://no-such-bucket")
    assert code == 1
    assert out.startswith("✗ bucket")
    assert out.endswith("cannot be used\n")


@pytest.mark.parametrize("arguments", [["--store", "gs://bucket"], ["--store", ""], []])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "pipelines.cli", "doctor", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("sightline doctor: ")
    assert len(done.stderr.splitlines()) == 1


def test_as_json_it_is_one_line_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = printed(capsys, "--store", str(tmp_path), "--json")
    told: dict[str, Any] = json.loads(out)
    assert code == 0
    assert told["usable"] is True
    assert [finding["subject"] for finding in told["findings"]] == ["reachable", *ALL]
    assert "✓ reachable" in err


def test_it_imports_no_torch() -> None:
    code = "import sys, trainer.doctor, pipelines.cli.doctor; sys.exit('torch' in sys.modules or 'boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
