"""The file of when each package's repository was public: what it tells, what is refused."""

from pathlib import Path

import pytest

from conftest import ROOT
from jointir.basics.errors import InputError
from jointir.data.packages import check_packages, codesearchnet, read_packages

HEAD = "module,package,repository,since,why\n"
OLD, NEW = "old,old-lib,example.org/old,2019,known\n", "new,new-lib,example.org/new,2019-10,known\n"


@pytest.fixture
def packages(tmp_path) -> Path:
    path = tmp_path / "packages.csv"
    path.write_text(f"# a comment\n{HEAD}{OLD}{NEW}")
    return path


def test_rows_are_read_in_order(packages):
    keys = HEAD.strip().split(",")
    assert read_packages(packages) == [
        dict(zip(keys, line.strip().split(","), strict=True)) for line in (OLD, NEW)
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "its first row is not the columns' names"),
        (HEAD, "or its only one"),
        (OLD + NEW, "its first row is not the columns' names"),
        (HEAD.replace("since", "year") + OLD, "Write the columns module, package, repository, si"),
        (HEAD + OLD + "new,new-lib,x,2018\n", "packages.csv:3: 4 fields, or an empty one"),
        (HEAD + OLD + "new,new-lib,x,2018,a, b\n", "packages.csv:3: 6 fields, or an empty one"),
        (HEAD + ",new-lib,x,2018,a\n", "packages.csv:2: 5 fields, or an empty one"),
        (HEAD + "new,new-lib,x,,a\n", "packages.csv:2: 5 fields, or an empty one"),
        (HEAD + "new,new-lib,x,early,a\n", "packages.csv:2: since is 'early', which is no month"),
        (HEAD + "new,new-lib,x,18,a\n", "since is '18', which is no month and no year"),
        (HEAD + "new,new-lib,x,2018-13,a\n", "since is '2018-13', which is no month"),
        (HEAD + "new,new-lib,x,2018-1,a\n", "since is '2018-1', which is no month"),
        (HEAD + "new,new\rlib,x,2018,a\n", "packages.csv:2: is no line of a CSV file"),
        (HEAD + OLD + OLD, "packages.csv:3: module 'old' has two rows"),
    ],
)
def test_bad_files_of_packages_are_refused(packages, text, words):
    packages.write_text(text)
    with pytest.raises(InputError, match=words):
        read_packages(packages)


@pytest.mark.parametrize(
    ("since", "group"),
    [
        ("2005", "possible"),
        ("2019", "possible"),  # of an unknown month: it may have been in time
        ("2019-09", "possible"),  # the month in which CodeSearchNet was published
        ("2019-10", "impossible"),
        ("2020", "impossible"),
    ],
)
def test_what_codesearchnet_can_have_had(packages, since, group):
    packages.write_text(f'{HEAD}lib,lib,example.org/lib,{since},"known, for sure"\n')
    assert codesearchnet(packages) == {"lib": group}


def test_the_default_corpus_is_listed():
    path = ROOT / "params/sources/apidocs-public.csv"
    for requirements in ("apidocs.txt", "apidocs-ci.txt"):
        check_packages(path, ROOT / "params/sources" / requirements)
    impossible = {module for module, group in codesearchnet(path).items() if group == "impossible"}
    assert impossible == {"diffusers", "monai", "optax", "torchmetrics"}


def test_a_required_package_that_is_not_listed_is_refused(tmp_path, packages):
    requirements = tmp_path / "requirements.txt"
    pin = "{}==1.0 --hash=sha256:" + "0" * 64 + "\n"
    requirements.write_text(pin.format("Old_Lib") + pin.format("new.lib"))  # as PEP 503 compares
    check_packages(packages, requirements)
    requirements.write_text(pin.format("newer-lib"))
    with pytest.raises(InputError, match=r"packages.csv: package 'newer-lib' of .* is not listed"):
        check_packages(packages, requirements)
