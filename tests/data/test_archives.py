"""Pinned archives: what is refused, and that nothing is left behind."""

import stat
import zipfile
from pathlib import Path

import pytest

from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.data import archives
from jointir.data.archives import download_archives, read_archives, unpack


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def pinned(tmp_path, monkeypatch):
    """A mirror with one archive, and the line that pins it."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    unpack(packed(mirror / "a.zip", {"top/x.txt": b"x", "top/y.txt": b"y"}), tmp_path / "a")
    monkeypatch.setenv("JOINTIR_MIRROR", str(mirror))
    sources = tmp_path / "sources.txt"
    sources.write_text(
        f"# a comment\na.zip https://nowhere.invalid/a.zip {sha256(tmp_path / 'a')}\n"
    )
    return mirror, sources


def test_the_mirror_serves_an_archive(pinned, tmp_path):
    download_archives(pinned[1], tmp_path / "out")
    assert (tmp_path / "out" / "a" / "top" / "x.txt").read_bytes() == b"x"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a"]


def test_the_same_files_packed_otherwise_are_the_same_content(pinned, tmp_path):
    mirror, sources = pinned
    with zipfile.ZipFile(mirror / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("top/y.txt", b"y")
        archive.writestr("top/x.txt", b"x")
    download_archives(sources, tmp_path / "out")


def test_another_content_is_refused_and_the_old_one_stays(pinned, tmp_path):
    mirror, sources = pinned
    download_archives(sources, tmp_path / "out")
    packed(mirror / "a.zip", {"top/x.txt": b"z", "top/y.txt": b"y"})
    with pytest.raises(
        InputError, match=r"a\.zip: its content hashes to .* Get the pinned version"
    ):
        download_archives(sources, tmp_path / "out")
    assert (tmp_path / "out" / "a" / "top" / "x.txt").read_bytes() == b"x"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_without_mirror_and_network_the_error_names_both(pinned, tmp_path, monkeypatch):
    monkeypatch.delenv("JOINTIR_MIRROR")
    with pytest.raises(InputError, match=r"nowhere\.invalid.*failed.*JOINTIR_MIRROR"):
        download_archives(pinned[1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_line_that_pins_nothing_is_named(tmp_path):
    sources = tmp_path / "s.txt"
    for line in ("a.zip https://a.b/c", "a.zip http://a.b/c 12", "../a.zip https://a.b/c 12"):
        sources.write_text(f"\n{line}\n")
        with pytest.raises(InputError, match=r"s\.txt:2: .* is no archive"):
            read_archives(sources)


@pytest.mark.parametrize(
    "name", ["../out.txt", "a/../../out.txt", "/out.txt", "..\\out.txt", "C:x"]
)
def test_a_member_that_leads_out_is_refused(tmp_path, name):
    path = packed(tmp_path / "a.zip", {"good.txt": b"", name: b"bad"})
    with pytest.raises(InputError, match="leads out"):
        unpack(path, tmp_path / "deep" / "out")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip"]


def test_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="is a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_bomb_is_refused_before_it_unpacks(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST", 1000)
    path = packed(tmp_path / "a.zip", {"a": bytes(600), "b": bytes(600)})
    with pytest.raises(InputError, match="unpacks to 1200 bytes"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", [lambda b: b[:-30], lambda b: b"PK" + b[2:40], lambda b: b""])
def test_a_damaged_archive_is_named(tmp_path, damage):
    path = packed(tmp_path / "a.zip", {"a": bytes(range(256)) * 9})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"a\.zip: not a readable zip"):
        unpack(path, tmp_path / "out")
