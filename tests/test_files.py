"""Files: where they are read and written, and that they are whole or not there at all."""

import contextlib
import errno
import json
import math
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from helpers import files


class Failure(RuntimeError):
    """A disk that is full."""


def contents(folder) -> dict[str, bytes]:
    """All files of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --------------------------------------------------------------------------------- where


def test_output_goes_to_the_chosen_folder_and_makes_it(written):
    path = files.output("data", "runs", "a.json")
    assert path == written / "data" / "runs" / "a.json"
    assert path.parent.is_dir()
    assert not path.exists()


def test_existing_prefers_what_was_written_to_what_is_committed(written):
    assert files.existing("data", "gmm5.json") == files.REPOSITORY / "data" / "gmm5.json"
    files.write_text(files.output("data", "gmm5.json"), "{}")
    assert files.existing("data", "gmm5.json") == written / "data" / "gmm5.json"
    assert files.existing("data", "none.json") == files.REPOSITORY / "data" / "none.json"


# ------------------------------------------------------------------------ whole or not at all


def test_the_new_file_takes_its_place_at_the_end_of_the_block_only(tmp_path):
    path = tmp_path / "new" / "a.npz"  # in a folder that is not there yet
    with files.replacing(path) as temporary:
        np.savez(temporary, a=np.ones(2))  # which would add an ending that it missed
        assert not path.exists()
        assert temporary.name.startswith(".")
    with np.load(path) as found:
        assert found["a"].tolist() == [1, 1]
    assert list(contents(path.parent)) == ["a.npz"]


def fail(*_):
    raise Failure


def half_then_fail(path):
    with files.replacing(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        fail()


FAILURES = {
    "in the block": (half_then_fail, Failure),
    "taking its place": (lambda path: files.write_text(path, "new"), Failure),
    "no JSON": (lambda path: files.write_json(path, object()), TypeError),
}


@pytest.mark.parametrize("when", FAILURES)
def test_a_failed_write_leaves_the_earlier_file_and_no_rubbish(tmp_path, monkeypatch, when):
    path, (write, error) = tmp_path / "a.txt", FAILURES[when]
    files.write_text(path, "σ\n")
    if when == "taking its place":
        monkeypatch.setattr("helpers.files.os.replace", fail)
    with pytest.raises(error):
        write(path)
    assert contents(tmp_path) == {"a.txt": "σ\n".encode()}


def test_many_threads_replace_one_file_at_once(tmp_path):
    """All are within the block at the same time: each has its own path, and one of them wins."""
    path, together = tmp_path / "status.json", Barrier(8, timeout=60)

    def write(number: int):
        with files.replacing(path) as temporary:
            together.wait()
            temporary.write_text(str(number) * 10_000, encoding="utf-8")
            together.wait()
            return temporary, temporary.read_text(encoding="utf-8")

    with ThreadPoolExecutor(8) as pool:
        temporaries, texts = zip(*pool.map(write, range(8)), strict=True)
    assert len(set(temporaries)) == 8
    assert list(texts) == [str(number) * 10_000 for number in range(8)]
    assert path.read_text(encoding="utf-8") in texts
    assert list(contents(tmp_path)) == ["status.json"]


def test_what_killed_processes_left_is_swept_and_what_others_write_is_not(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead, other = (f".~{files.HOST}-{pid}-7-abcdefgh.zip" for pid in (process.pid, os.getppid()))
    alive = f".~{files.HOST}-{os.getppid()}-{files._born(os.getppid())}-abcdefgh.zip"
    old, young = ".~elsewhere-1-1-abcdefgh.zip", ".~elsewhere-1-1-ijklmnop.zip"
    strange = [".~lock.my-nice-letter.odt#", ".~elsewhere-a-b-c", ".hidden"]
    for name in (dead, other, old, alive, young, *strange):
        (tmp_path / name).touch()
    for name in (old, *strange):
        os.utime(tmp_path / name, (0, 0))
    files.write_text(tmp_path / "a.txt", "")
    assert set(contents(tmp_path)) == {"a.txt", alive, young, *strange}


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_what_a_link_names_is_written_and_the_link_stays(tmp_path):
    (tmp_path / "real.txt").write_text("before", encoding="utf-8")
    (tmp_path / "link.txt").symlink_to("real.txt")
    files.write_text(tmp_path / "link.txt", "after")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text(encoding="utf-8") == "after"


def test_all_folders_of_the_project_are_tidied(written):
    path = files.output("data", "runs", "gan", ".~elsewhere-1-1-abcdefgh.zip")
    path.touch()
    os.utime(path, (0, 0))
    files.tidy()
    assert not path.exists()


PLACES = {
    "a folder in the way": ("folder/a.txt", "a folder is in the way; move it or choose another"),
    "a file for a folder": ("file/a.txt", "file is a file, no folder; choose another place"),
    "deeper": ("file/b/c/a.txt", "file is a file, no folder"),
    "a name without end": ("a" * 300, "cannot be written .* what was saved before is kept"),
    "no place for files": ("/proc/here/a.txt", "cannot be written"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("case", PLACES)
@pytest.mark.parametrize("write", [files.check_place, lambda path: files.write_text(path, "")])
def test_a_place_that_cannot_be_written_is_told_before_and_when_it_is(tmp_path, case, write):
    place, message = PLACES[case]
    (tmp_path / "folder" / "a.txt").mkdir(parents=True)
    (tmp_path / "file").touch()
    with pytest.raises(files.NotWritten, match=message) as told:
        write(tmp_path / place)
    assert "\n" not in str(told.value)
    assert sorted(contents_of_all(tmp_path)) == ["file", "folder", "folder/a.txt"]


def contents_of_all(folder):
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*")]


def test_many_who_try_and_write_in_one_new_place_do_not_hinder_each_other(tmp_path):
    def act(number: int):
        place = tmp_path / "new" / str(number % 3)
        if number % 2:
            return files.check_place(place / "a.txt")
        files.write_text(place / f"{number}.txt", "")
        (place / f"{number}.txt").unlink()
        with contextlib.suppress(OSError):
            place.rmdir()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(200)))


def test_trying_a_place_leaves_nothing(tmp_path):
    files.check_place(tmp_path / "new" / "newer" / "a.txt")
    assert contents_of_all(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EFBIG])
def test_a_disk_that_is_full_or_read_only_is_told_and_the_earlier_file_kept(
    tmp_path, monkeypatch, number
):
    path = tmp_path / "a.txt"
    files.write_text(path, "before")

    def full(*given, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("helpers.files.Path.write_text", full)
    told = rf"a\.txt: cannot be written \({os.strerror(number)}\); free space"
    with pytest.raises(files.NotWritten, match=told):
        files.write_text(path, "after")
    assert contents(tmp_path) == {"a.txt": b"before"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_what_was_written(tmp_path):
    files.write_text(tmp_path / "a.txt", "for all")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644


# ---------------------------------------------------------------------------------- JSON


def refuse(constant: str):
    raise AssertionError(f"{constant} is no JSON")


def test_what_is_not_finite_becomes_null_at_any_depth(tmp_path):
    values = {
        "loss": [1.5, math.nan, (math.inf, -math.inf)],
        "deep": {"of numpy": np.float64("nan"), "finite": np.float64(0.5), "none": None},
        "kept": ["NaN", True, 3, "σ"],
    }
    files.write_json(tmp_path / "a.json", values)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse) == {
        "loss": [1.5, None, [None, None]],
        "deep": {"of numpy": None, "finite": 0.5, "none": None},
        "kept": ["NaN", True, 3, "σ"],
    }
    assert "σ" in text
    assert math.isnan(values["loss"][1])  # the caller's own values stay
