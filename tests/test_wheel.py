"""The wheel is built without a network, and contains the parts and recipes of the checkout."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
POINTS = PROJECT["project"]["entry-points"]["seqtool.plugins"]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")
LEFT_OUT_OF_ROOT = {"runs", "build", "dist"}


def call(*arguments: str, cwd: Path, path: str = "", no_plugins: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": path, "SEQTOOL_NO_PLUGINS": "1" if no_plugins else ""}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300)


def listed(done: subprocess.CompletedProcess[str]) -> set[tuple[str, str]]:
    assert done.returncode == 0, done.stderr
    parts = json.loads(done.stdout)["parts"]
    return {(part["kind"], part["name"]) for part in parts if not part["distribution"].startswith("seqtool-")}


def left_out(folder: str, names: list[str]) -> set[str]:
    """Files of a folder that a release does not contain."""
    return LEFT_OUT(folder, names) | (LEFT_OUT_OF_ROOT if Path(folder) == ROOT else set())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with only the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=left_out)
    built = call("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=folder / "source")
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("seqtool-*-py3-none-any.whl")
    target = folder / "site"
    flags = ["--no-deps", "--no-index", "--disable-pip-version-check"]
    done = call("-m", "pip", "install", "--target", str(target), *flags, str(wheel), cwd=folder)
    assert done.returncode == 0, done.stderr
    return target


def test_wheel_contains_the_parts_of_the_checkout(site: Path, tmp_path: Path) -> None:
    flags = [word for module in POINTS.values() for word in ("-p", module)]
    checkout = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    here = call("-m", "seqtool", "list", "--json", *flags, cwd=tmp_path, path=checkout)
    there = call("-m", "seqtool", "list", "--json", cwd=tmp_path, path=str(site))
    assert listed(there) == listed(here)
    assert ("cell", "lstm") in listed(there)
    where = call(
        "-c", "import seqtool, seqtool_cells as c; print(seqtool.__file__, c.__file__)", cwd=tmp_path, path=str(site)
    )
    assert where.stdout.count(str(site)) == 2


def test_each_plugin_folder_is_found_through_its_entry_point(site: Path, tmp_path: Path) -> None:
    done = call("-m", "seqtool", "plugins", "--json", cwd=tmp_path, path=str(site))
    plugins = [plugin for plugin in json.loads(done.stdout)["plugins"] if plugin["distribution"] == "seqtool"]
    assert {plugin["name"]: plugin["module"] for plugin in plugins} == POINTS
    assert {(plugin["status"], plugin["origin"]) for plugin in plugins} == {("ok", "entry point")}
    assert all(plugin["parts"] for plugin in plugins)


def test_without_entry_points_there_is_no_part(site: Path, tmp_path: Path) -> None:
    words = ("-m", "seqtool", "-p", "seqtool_verbs", "list", "--json")
    assert listed(call(*words, cwd=tmp_path, path=str(site), no_plugins=True)) == set()
    shut = tmp_path / "shut"
    shutil.copytree(site, shut)
    (points,) = shut.glob("seqtool-*.dist-info/entry_points.txt")
    points.write_text("[console_scripts]\nseqtool = seqtool.cli:main\n")
    assert listed(call(*words, cwd=tmp_path, path=str(shut))) == set()


def test_wheel_contains_the_recipes(site: Path, tmp_path: Path) -> None:
    ours = recipes(ROOT / "recipes")
    assert recipes(site / "seqtool" / "recipes") == ours
    assert {"align_60_20", "library/cells"} <= set(ours)
    for name in ("align_60_20", "align_30_10", "library/normalizers"):
        shown = call("-m", "seqtool", "show", name, cwd=tmp_path, path=str(site))
        assert shown.returncode == 0, shown.stderr
        assert "attention:gmm" in shown.stdout or "attention:additive" in shown.stdout


def test_wheel_contains_the_claims_and_their_recipes(site: Path, tmp_path: Path) -> None:
    done = call("-m", "seqtool", "verify", "--list", "--json", cwd=tmp_path, path=str(site))
    assert done.returncode == 0, done.stderr
    found = {claim["name"] for claim in json.loads(done.stdout)["claims"]}
    assert found == set(recipes(ROOT / "seqtool" / "claims"))
    assert "align_60_20" in found


def test_wheel_contains_report_assets(site: Path, tmp_path: Path) -> None:
    there, here = (
        {path.relative_to(root): path.read_bytes() for path in (root / "seqtool/analysis").rglob("*") if path.is_file()}
        for root in (site, ROOT)
    )
    pages = {path: content for path, content in here.items() if path.suffix not in (".py", ".pyc")}
    assert {path.suffix for path in pages} >= {".html", ".css", ".js", ".LICENSE"}
    assert {path: there.get(path) for path in pages} == pages
    (licence,) = site.glob("seqtool-*.dist-info/licenses/seqtool/analysis/assets/uPlot.LICENSE")
    assert "Leon Sorokin" in licence.read_text()


def recipes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).with_suffix("").as_posix(): path.read_text() for path in folder.rglob("*.yaml")}


def test_every_folder_of_plugins_is_packaged_and_has_its_entry_point() -> None:
    folders = {path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").exists()}
    assert set(POINTS.values()) == folders
    assert {name: f"seqtool_{name}" for name in POINTS} == POINTS
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) == {"seqtool", *(f"plugins/{folder}" for folder in folders)}
