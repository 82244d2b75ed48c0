"""The cache of compiled code: ours alone, whole, and in the project."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from helpers.engine import cache
from helpers.files import REPOSITORY

PROGRAM = """
import torch
from helpers.engine.compile import compiled
step = compiled(lambda x: x.copy_(torch.tanh(2 * x)).sum())
print(f"{step(torch.ones(3000)).item():.1f}")
"""
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
compiler = pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler here")


@pytest.fixture(autouse=True)
def _not_yet():
    cache._mended.cache_clear()
    yield
    cache._mended.cache_clear()


def start(folder) -> str:
    """What a fresh process prints that compiles one small function, with its cache there."""
    environment = {**os.environ, cache.NAME: str(folder)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_lies_in_the_project_apart_for_each_capability_unless_a_folder_is_named(
    monkeypatch, tmp_path
):
    """PyTorch's own choice is shared by all projects, and anybody can guess its name."""
    able = torch.backends.cpu.get_cpu_capability()
    for given in ("", str(tmp_path / "torchinductor_somebody")):
        monkeypatch.setenv(cache.NAME, given)
        expected = REPOSITORY / "data" / "cache" / "compiled" / able
        assert cache.choose() == expected
        assert os.environ[cache.NAME] == str(expected)
    monkeypatch.setenv(cache.NAME, str(tmp_path / "named"))
    assert cache.choose() == tmp_path / "named"


@posix
def test_its_owner_alone_can_enter_it_also_where_it_was_open_before(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.NAME, str(tmp_path / "named"))
    (tmp_path / "named").mkdir(mode=0o777)
    cache.choose()
    assert stat.S_IMODE((tmp_path / "named").stat().st_mode) == 0o700


@posix
def test_a_folder_of_another_user_is_not_used(monkeypatch, tmp_path, capsys):
    """Whoever makes it first would get his library loaded."""
    from helpers.engine.compile import compiled

    monkeypatch.setenv(cache.NAME, str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 12_345_678)
    with pytest.raises(cache.NotTrusted, match=r"belongs to another user; remove it, or set TORCH"):
        cache.choose()
    assert compiled(lambda x: x.copy_(2 * x).sum())(torch.ones(3)).item() == 6  # uncompiled
    assert "belongs to another user" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@posix
def test_an_installation_of_somebody_else_gives_way_to_the_users_own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.NAME, "")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").touch()  # where the project's cache would be
    monkeypatch.setattr(cache, "REPOSITORY", tmp_path)
    assert tmp_path / ".cache" in cache.choose().parents


@pytest.mark.skipif(sys.platform != "linux", reason="ELF")
def test_a_library_is_whole_only_with_its_last_byte(tmp_path):
    library = tmp_path / "a.so"
    libraries = Path(torch.__file__).with_name("lib").glob("*.so")
    raw = min(libraries, key=lambda path: path.stat().st_size).read_bytes()
    for length in (len(raw), len(raw) - 1, len(raw) // 2, 64, 10, 0):
        library.write_bytes(raw[:length])
        assert cache._whole(library) == (length == len(raw))
    library.write_bytes(bytes(len(raw)))
    assert not cache._whole(library)


@compiler
@pytest.mark.skipif(sys.platform != "linux", reason="ELF")
def test_a_cache_that_was_cut_short_is_made_anew_with_the_same_result(tmp_path):
    """The library of vectors, cut, would give another result without a word."""
    folder = tmp_path / "cache"
    first = start(folder)
    libraries = sorted(folder.rglob("*.so"), key=lambda path: path.stat().st_mtime)
    assert libraries
    os.truncate(libraries[0], 0)
    (folder / ".999999999.1.tmp").touch()
    said, again = start(folder).splitlines()
    assert said.startswith("Compiled code was damaged")
    assert again == first.strip()
    assert not (folder / ".999999999.1.tmp").exists()
    assert start(folder) == first


def test_a_path_that_pytorch_cannot_name_to_a_compiler_is_avoided_and_told(
    monkeypatch, tmp_path, capsys
):
    from helpers.engine import compile as compiling

    project = tmp_path / "My Project" / "fünf's"
    monkeypatch.setenv(cache.NAME, "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cache, "REPOSITORY", project)
    assert tmp_path / "home" in cache.choose().parents
    monkeypatch.setattr(compiling, "has_compiler", lambda: True)
    monkeypatch.setattr(torch, "__file__", str(project / "torch" / "__init__.py"))
    compiling._say.cache_clear()
    compiling.notice(RuntimeError("C++ compile error"))
    compiling._say.cache_clear()
    said = capsys.readouterr().out
    assert f"PyTorch cannot compile below {project / 'torch'}, as its name has spaces" in said
    assert "make VENV=" in said
