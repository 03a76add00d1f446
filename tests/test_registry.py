"""The registry: discovery of plugins, refused plugins with reasons, and names of parts."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import HEADER, Fakes, found, only, parts, strangers

from seqtool.errors import MisuseError, PluginError
from seqtool.registry import UnknownPartError, default_registry, discover
from seqtool.registry.registry import installed_registry, part_name

WINDOWED = parts('"scorer", "windowed_x", "fake_parts.scorers:Windowed", "a window"')
HOOK = f"{HEADER}@hookimpl\ndef seqtool_components"


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    monkeypatch.delenv("SEQTOOL_NO_PLUGINS", raising=False)
    made = Fakes(tmp_path / "site", monkeypatch)
    yield made
    made.close()


def test_order_is_modules_then_entry_points_by_distribution_and_name_then_folders(fakes: Fakes, tmp_path: Path) -> None:
    for name in ("m", "a", "b", "c"):
        fakes.module(f"fake_{name}", parts())
    fakes.distribution("seqtool-zeta", "1", {"aaa": "fake_a"})
    fakes.distribution("seqtool-alpha", "2", {"zzz": "fake_b", "yyy": "fake_c"})
    folder = tmp_path / "dir"
    folder.mkdir()
    for name in ("fake_late", "fake_early"):
        folder.joinpath(f"{name}.py").write_text(parts())
    registry = discover(modules=["fake_m"], plugins_dirs=[folder])
    assert [(p.name, p.distribution, p.origin) for p in strangers(registry)] == [
        ("fake_m", "", "-p"),
        ("yyy", "seqtool-alpha", "entry point"),
        ("zzz", "seqtool-alpha", "entry point"),
        ("aaa", "seqtool-zeta", "entry point"),
        ("fake_early", "", f"--plugins-dir {folder}"),
        ("fake_late", "", f"--plugins-dir {folder}"),
    ]
    assert {p.status for p in strangers(registry)} == {"ok"}


def test_parts_are_found_by_short_and_canonical_name_without_importing_them(fakes: Fakes) -> None:
    fakes.installed("win", WINDOWED)
    registry = discover()
    part = registry.find("scorer", "windowed_x")
    assert part is registry.find("scorer", "win:windowed_x")
    assert (part.canonical, part.summary, part.plugin.version) == ("win:windowed_x", "a window", "0.3")
    assert part.plugin.seconds > 0
    assert "fake_parts" not in sys.modules
    fakes.module("fake_parts.__init__", "")
    fakes.module(
        "fake_parts.scorers",
        "from seqtool.api import Scorer\n"
        "class Windowed(Scorer):\n"
        "    def __init__(self, query_size: int, memory_size: int, *, width: int = 3) -> None: ...\n",
    )
    assert part.load().__name__ == "Windowed"
    assert part.load() is part.load()


def test_parts_are_sorted_by_kind_as_kinds_are_and_then_by_name(fakes: Fakes) -> None:
    fakes.module("fake_many", parts('"metric", "m", "a:A"', '"scorer", "z", "a:A"', '"scorer", "b", "a:A"'))
    registry = discover(modules=["fake_many"])
    mine = [part for part in registry.parts() if part.plugin.name == "fake_many"]
    assert [(part.kind, part.name) for part in mine] == [("scorer", "b"), ("scorer", "z"), ("metric", "m")]
    assert [part.name for part in registry.parts("scorer") if part in mine] == ["b", "z"]


def test_a_class_is_a_part_whose_summary_is_the_first_line_of_its_docstring(fakes: Fakes) -> None:
    fakes.module(
        "fake_class",
        HEADER + 'class Thing:\n    """One line.\n\n    More.\n    """\n'
        '@hookimpl\ndef seqtool_components():\n    return [Component("schedule", "thing_x", Thing)]\n',
    )
    part = discover(modules=["fake_class"]).find("schedule", "thing_x")
    assert (part.summary, part.target) == ("One line.", "fake_class:Thing")


def test_a_clash_of_short_names_is_an_error_that_names_both(fakes: Fakes) -> None:
    fakes.installed("one", WINDOWED, version="1.2")
    fakes.installed("two", WINDOWED, version="3.4")
    registry = discover()
    with pytest.raises(UnknownPartError) as caught:
        registry.find("scorer", "windowed_x")
    message = str(caught.value)
    assert "one:windowed_x (seqtool-one 1.2)" in message
    assert "two:windowed_x (seqtool-two 3.4)" in message
    assert caught.value.allowed == "one:windowed_x, two:windowed_x"
    part = registry.find("scorer", "two:windowed_x")
    assert part.plugin.distribution == "seqtool-two"
    assert registry.label(part) == "two:windowed_x"


def test_the_same_short_name_in_two_kinds_is_no_clash(fakes: Fakes) -> None:
    fakes.module("fake_kinds", parts('"cell", "same_x", "a:A"', '"encoder", "same_x", "a:B"'))
    registry = discover(modules=["fake_kinds"])
    assert registry.find("cell", "same_x").component.target == "a:A"
    assert registry.label(registry.find("encoder", "same_x")) == "same_x"


def test_an_unknown_name_is_reported_with_the_nearest_and_allowed_names(fakes: Fakes) -> None:
    fakes.installed("win", WINDOWED)
    registry = discover()
    with pytest.raises(UnknownPartError, match="no scorer is named 'windowd_x'") as caught:
        registry.find("scorer", "windowd_x")
    assert caught.value.nearest == "windowed_x"
    assert "windowed_x" in caught.value.allowed.split(", ")
    assert caught.value.exit_code == 2
    with pytest.raises(UnknownPartError, match="there is a scorer of this name"):
        registry.find("normalizer", "windowed_x")
    with pytest.raises(UnknownPartError, match="did you mean 'win:windowed_x'"):
        registry.find("scorer", "wim:windowed_x")
    with pytest.raises(UnknownPartError, match="needs plugin nowhere, which is not installed"):
        registry.find("scorer", "nowhere:thing")
    with pytest.raises(UnknownPartError, match="no scorer is named 'win:other'"):
        registry.find("scorer", "win:other")


def test_an_unknown_kind_is_reported_with_the_nearest_name() -> None:
    registry = discover()
    for ask in (lambda: registry.find("scorers", "dot"), lambda: registry.parts("scorers")):
        with pytest.raises(UnknownPartError, match="did you mean 'scorer'"):
            ask()


BROKEN = {
    "import": ("import no_such_module_x", "failed to import: ModuleNotFoundError: No module named 'no_such"),
    "syntax": ("def (:", "failed to import: SyntaxError: invalid syntax (fake_bad.py, line 1)"),
    "anything": ("1 / 0", "failed to import: ZeroDivisionError: division by zero"),
    "lines": ("raise ValueError('a\\n  b')", "failed to import: ValueError: a b"),
    "exit": ("raise SystemExit(3)", "failed to import: SystemExit: 3"),
    "hook": (f"{HOOK}():\n    raise KeyError('k')", "failed in seqtool_components: KeyError: 'k'"),
    "midway": (
        f"{parts(chr(34) + 'cell' + chr(34) + ', 1/0, 2')}",
        "failed in seqtool_components: ZeroDivision",
    ),
    "hook exit": (f"{HOOK}():\n    raise SystemExit", "failed in seqtool_components: SystemExit"),
    "number": (f"{HOOK}():\n    return 3", "failed in seqtool_components: TypeError"),
    "argument": (f"{HOOK}(config):\n    return ()", "has an invalid hook: "),
    "no component": (f"{HOOK}():\n    yield 'dot'", "yields 'dot', which is not a Component"),
    "kind": (parts('"scorr", "a", "m:A"'), "yields 'a' of the unknown kind 'scorr' (did you mean 'scorer'?)"),
    "odd kind": (parts('["vowel"], "a", "m:A"'), "of the unknown kind ['vowel'] (the kinds are cell, "),
    "upper": (parts('"scorer", "Dot", "m:A"'), "yields scorer 'Dot', and a name must be lower-case letters"),
    "colon": (parts('"scorer", "a:b", "m:A"'), "yields scorer 'a:b', and a name must be"),
    "digit": (parts('"scorer", "2d", "m:A"'), "yields scorer '2d', and a name must be"),
    "newline": (parts('"scorer", "a\\n", "m:A"'), "yields scorer 'a\\n', and a name must be"),
    "nameless": (parts('"scorer", None, "m:A"'), "yields scorer None, and a name must be"),
    "twice": (parts('"cell", "a", "m:A"', '"cell", "a", "m:B"'), "yields cell 'a' twice"),
    "target": (parts('"cell", "a", "m.A"'), "yields cell 'a' with the target 'm.A', not a class or"),
    "object": (parts('"cell", "a", 3'), "yields cell 'a' with the target 3, not a class or"),
    "summary": (parts('"cell", "a", "m:A", "x\\ny"'), "with a summary that is not one line"),
    "major": (f"SEQTOOL_API = (2, 0)\n{parts()}", "was made for API 2.0 of seqtool, and this is API 1.0"),
    "older": (f"SEQTOOL_API = (0, 9)\n{parts()}", "was made for API 0.9 of seqtool, and this is API 1.0"),
    "api": (f"SEQTOOL_API = '1.0'\n{parts()}", "declares SEQTOOL_API = '1.0', which is not two numbers"),
    "flags": (f"SEQTOOL_API = (True, False)\n{parts()}", "declares SEQTOOL_API = (True, False)"),
    "unmarked": (
        "def seqtool_components():\n    return ()",
        "defines 'seqtool_components' without @hookimpl",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_a_record_with_the_reason_and_others_load(fakes: Fakes, fault: str) -> None:
    source, expected = BROKEN[fault]
    fakes.installed("bad", source)
    fakes.installed("good", WINDOWED)
    bad, good = strangers(discover())
    assert (bad.name, bad.status, bad.components) == ("bad", "broken", ())
    assert bad.error.startswith(expected) or expected in bad.error, bad.error
    assert "\n" not in bad.error
    assert (good.status, good.error, len(good.components)) == ("ok", "", 1)


def test_all_errors_of_a_plugin_are_reported_together(fakes: Fakes) -> None:
    fakes.module("fake_bad", parts('"scorer", "A", "m:A"', '"sorcer", "b", "m:A"', '"cell", "c", 4'))
    error = found(modules=["fake_bad"]).error
    assert "scorer 'A'" in error
    assert "(did you mean 'scorer'?)" in error
    assert "cell 'c'" in error


def test_every_misspelt_hook_is_reported_with_the_nearest_name(fakes: Fakes) -> None:
    fakes.module(
        "fake_bad",
        HEADER + "@hookimpl\ndef seqtool_component(): ...\n"
        "@hookimpl\ndef seqtol_components(): ...\n"
        "@hookimpl(specname='after_training')\ndef something(): ...\n",
    )
    plugin = found(modules=["fake_bad"])
    assert plugin.status == "broken"
    assert "unknown hook 'seqtool_component' (did you mean 'seqtool_components'?)" in plugin.error
    assert "unknown hook 'seqtol_components' (did you mean 'seqtool_components'?)" in plugin.error
    assert "unknown hook 'after_training' (the hooks are seqtool_components)" in plugin.error


def test_an_optional_hook_may_be_unknown_and_a_specname_may_be_known(fakes: Fakes) -> None:
    fakes.module(
        "fake_good",
        HEADER + "@hookimpl(optionalhook=True)\ndef seqtool_later(): ...\n"
        "@hookimpl(specname='seqtool_components')\ndef mine():\n"
        "    return [Component('cell', 'x', 'm:A')]\n",
    )
    plugin = found(modules=["fake_good"])
    assert (plugin.status, plugin.warnings, len(plugin.components)) == ("ok", [], 1)


def test_an_unmarked_function_named_like_a_hook_gives_a_warning(fakes: Fakes) -> None:
    fakes.module("fake_near", parts('"cell", "x", "m:A"') + "def seqtool_componets(): ...\ndef seqtool_y(): ...\n")
    plugin = found(modules=["fake_near"])
    assert plugin.status == "ok"
    assert plugin.warnings == ["defines 'seqtool_componets', which is no hook (did you mean 'seqtool_components'?)"]


def test_a_newer_minor_api_and_its_hooks_give_warnings(fakes: Fakes) -> None:
    source = parts('"cell", "x", "m:A"') + "SEQTOOL_API = (1, 7)\n@hookimpl\ndef seqtool_brand_new(): ...\n"
    fakes.module("fake_newer", source)
    plugin = found(modules=["fake_newer"])
    assert (plugin.status, len(plugin.components)) == ("ok", 1)
    assert any("made for API 1.7 of seqtool, newer than this one, 1.0" in text for text in plugin.warnings)
    assert any("unknown hook 'seqtool_brand_new'" in text for text in plugin.warnings)


def test_the_default_registry_is_cached_and_repeats_warnings(fakes: Fakes) -> None:
    fakes.installed("newer", parts() + "SEQTOOL_API = (1, 7)\n")
    for found_once in (installed_registry, default_registry):
        found_once.cache_clear()
    try:
        with pytest.warns(UserWarning, match=r"plugin newer \(seqtool-newer 0.3\) was made for API 1.7"):
            registry = default_registry()
        assert default_registry() is registry
    finally:
        for found_once in (installed_registry, default_registry):
            found_once.cache_clear()


def test_part_name_finds_plugins_that_are_not_installed(fakes: Fakes) -> None:
    fakes.module("fake_mine", "class Part: ...\n" + parts('"cell", "mine", Part'))
    part = importlib.import_module("fake_mine").Part()
    assert part_name(part) == ""
    found(modules=["fake_mine"])
    assert part_name(part) == "cell/fake_mine:mine"
    assert part_name(type("Subclass", (type(part),), {})()) == ""


def test_a_module_without_hooks_loads_with_a_warning(fakes: Fakes) -> None:
    fakes.module("fake_empty", "x = 1")
    plugin = found(modules=["fake_empty"])
    assert (plugin.status, plugin.components) == ("ok", ())
    assert plugin.warnings == ["implements no hook, so it has no parts"]


def test_a_recipe_that_needs_a_broken_plugin_gets_its_error(fakes: Fakes) -> None:
    fakes.installed("foo", "import no_such_module_x")
    registry = discover()
    with pytest.raises(PluginError) as caught:
        registry.find("scorer", "foo:bar")
    assert str(caught.value) == (
        "scorer 'foo:bar' needs plugin foo (seqtool-foo 0.3), which failed to import: "
        "ModuleNotFoundError: No module named 'no_such_module_x'"
    )
    with pytest.raises(UnknownPartError, match=r"not searched: plugin foo \(seqtool-foo 0.3\), which failed to"):
        registry.find("scorer", "bar")


def test_strict_makes_broken_plugins_fatal_and_names_them_all(fakes: Fakes) -> None:
    fakes.installed("foo", "1 / 0")
    fakes.installed("bar", "1 / 0")
    with pytest.raises(PluginError) as caught:
        discover(strict=True)
    assert "plugin foo (seqtool-foo 0.3) failed to import" in str(caught.value)
    assert "plugin bar (seqtool-bar 0.3) failed to import" in str(caught.value)
    assert all(plugin.disabled for plugin in strangers(discover(strict=True, disabled=["foo", "bar"])))


@pytest.mark.parametrize("name", ["foo", "seqtool-foo"])
def test_a_disabled_plugin_is_not_imported(fakes: Fakes, name: str) -> None:
    fakes.installed("foo", "raise AssertionError('imported')")
    registry = discover(disabled=[name], strict=True)
    assert only(registry).status == "disabled"
    assert "fake_foo" not in sys.modules
    with pytest.raises(PluginError, match=r"needs plugin foo \(seqtool-foo 0.3\), which is disabled"):
        registry.find("scorer", "foo:bar")
    with pytest.raises(UnknownPartError, match="disabled, so not searched: foo"):
        registry.find("scorer", "bar")


def test_disabling_an_unknown_plugin_is_a_usage_error(fakes: Fakes) -> None:
    fakes.installed("windowed", WINDOWED)
    with pytest.raises(MisuseError, match="did you mean 'windowed'"):
        discover(disabled=["windowd"])


def test_without_entry_points_only_named_modules_are_loaded(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.installed("foo", "raise AssertionError('imported')")
    fakes.module("fake_hand", WINDOWED)
    monkeypatch.setenv("SEQTOOL_NO_PLUGINS", "1")
    assert discover().parts() == []
    assert [part.canonical for part in discover(modules=["fake_hand"]).parts()] == ["fake_hand:windowed_x"]
    monkeypatch.setenv("SEQTOOL_NO_PLUGINS", "0")
    assert only(discover()).status == "broken"


def test_two_plugins_with_the_same_name_are_refused_until_one_is_disabled(fakes: Fakes) -> None:
    fakes.module("fake_a", WINDOWED)
    fakes.module("fake_b", WINDOWED)
    fakes.distribution("seqtool-a", "1.0", {"win": "fake_a"})
    fakes.distribution("seqtool-b", "2.0", {"win": "fake_b"})
    registry = discover()
    assert [plugin.status for plugin in strangers(registry)] == ["broken", "broken"]
    for plugin in strangers(registry):
        assert "fake_a (seqtool-a 1.0) and fake_b (seqtool-b 2.0)" in plugin.error
    with pytest.raises(PluginError, match="has the same name as another plugin"):
        registry.find("scorer", "win:windowed_x")
    assert discover(disabled=["seqtool-a"]).find("scorer", "win:windowed_x").plugin.version == "2.0"


def test_metadata_found_twice_on_the_path_is_one_plugin(
    fakes: Fakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes.installed("win", WINDOWED)
    old = tmp_path / "old"
    fakes.distribution("seqtool-win", "0.1", {"win": "fake_win", "gone": "fake_gone"}, folder=old)
    monkeypatch.setattr(sys, "path", [*sys.path, str(fakes.folder), str(old)])
    plugin = found()
    assert (plugin.name, plugin.version, plugin.status) == ("win", "0.3", "ok")


def test_one_module_under_two_entry_points_is_taken_once(fakes: Fakes) -> None:
    fakes.module("fake_win", WINDOWED)
    fakes.distribution("seqtool-win", "1", {"one": "fake_win", "two": "fake_win"})
    one, two = strangers(discover())
    assert (one.status, two.status) == ("ok", "broken")
    assert two.error == "is the same module as plugin one"


def test_a_named_module_that_is_also_installed_keeps_its_installed_name(fakes: Fakes) -> None:
    fakes.installed("win", WINDOWED)
    plugin = found(modules=["fake_win", "fake_win"])
    assert (plugin.name, plugin.origin, plugin.status) == ("win", "entry point", "ok")


def test_broken_metadata_is_a_record_and_other_plugins_load(fakes: Fakes) -> None:
    fakes.installed("win", WINDOWED)
    torn = fakes.distribution("seqtool-torn", "1", {})
    torn.joinpath("entry_points.txt").write_text("[seqtool.plugins]\nno equals sign\n")
    bald = fakes.distribution("seqtool-bald", "1", {"bald": "fake_bald"})
    bald.joinpath("METADATA").unlink()
    fakes.module("fake_bald", parts())
    odd = fakes.distribution("seqtool-odd", "1", {"odd": "not a module!", "o:d": "fake_odd"})
    fakes.module("fake_odd", parts())
    assert odd.exists()
    plugins = {plugin.name: plugin for plugin in strangers(discover())}
    assert plugins["win"].status == "ok"
    assert (plugins["bald"].status, plugins["bald"].distribution) == ("ok", "unknown")
    assert plugins["seqtool-torn"].error.startswith("has an entry_points.txt that cannot be read")
    assert plugins["odd"].error.startswith("failed to import")
    assert plugins["o:d"].error == "has an invalid name: 'o:d'"


def test_an_entry_point_may_name_an_object(fakes: Fakes) -> None:
    fakes.module(
        "fake_object",
        HEADER + "class Door:\n    @hookimpl\n    def seqtool_components(self):\n"
        "        return [Component('cell', 'x', 'm:A')]\ndoor = Door()\n",
    )
    fakes.distribution("seqtool-object", "1", {"object": "fake_object:door"})
    plugin = found()
    assert (plugin.status, [part.canonical for part in plugin.components]) == ("ok", ["object:x"])


def test_a_folder_of_plugins_may_contain_files_and_packages(fakes: Fakes, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "fake_package").mkdir(parents=True)
    (folder / "fake_file.py").write_text(parts('"cell", "x", "fake_file:A"'))
    (folder / "fake_package" / "__init__.py").write_text(
        "from fake_package.names import NAME\nfrom . import names\n"
        + parts('"schedule", NAME, "fake_package.names:Steady"')
    )
    (folder / "fake_package" / "names.py").write_text(
        "from seqtool.api import Schedule\nNAME = 'steady_x'\nclass Steady(Schedule):\n"
        "    def __init__(self, steps: int) -> None: ...\n"
    )
    (folder / "_private.py").write_text("1 / 0")
    (folder / "notes.txt").write_text("1 / 0")
    (folder / "data").mkdir()
    registry = discover(plugins_dirs=[folder, folder / ".." / "mine"])
    assert [(p.name, p.status) for p in strangers(registry)] == [("fake_file", "ok"), ("fake_package", "ok")]
    assert registry.find("schedule", "fake_package:steady_x").load().__name__ == "Steady"
    assert sys.path[-1] == str(folder)


def test_a_plugin_file_never_shadows_another_module(fakes: Fakes, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    folder.joinpath("json.py").write_text(parts())
    folder.joinpath("sys.py").write_text(parts())
    for plugin in strangers(discover(plugins_dirs=[folder])):
        assert f"there is another module named {plugin.name!r}" in plugin.error


def test_wrong_use_of_plugin_options_is_reported(fakes: Fakes, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="no such folder"):
        discover(plugins_dirs=[tmp_path / "nowhere"])
    with pytest.raises(MisuseError, match="--plugins-dir DIR"):
        discover(modules=["my_plugins/thing.py"])
    plugin = found(modules=["no_such_module_x"])
    assert plugin.error == "failed to import: ModuleNotFoundError: No module named 'no_such_module_x'"


def test_what_a_plugin_prints_does_not_reach_stdout(fakes: Fakes, capsys: pytest.CaptureFixture[str]) -> None:
    fakes.module("fake_loud", f"print('importing')\n{HOOK}():\n    print('asked')\n    return ()")
    assert found(modules=["fake_loud"]).status == "ok"
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "importing\nasked\n")


UNLOADABLE = {
    "no module": ("", "nowhere_x:A", "failed to import: ModuleNotFoundError"),
    "no class": ("", "fake_part:B", "failed to import: AttributeError"),
    "exits": ("raise SystemExit(2)", "fake_part:A", "failed to import: SystemExit: 2"),
    "function": ("def A(query_size, memory_size): ...", "fake_part:A", "is function, and a part must be a class"),
    "stranger": ("class A: ...", "fake_part:A", "is not a subclass of seqtool.parts.scorer.Scorer"),
    "no constructor": ("class A(Scorer): ...", "fake_part:A", "takes *args or **kwargs"),
    "anything": (
        "class A(Scorer):\n    def __init__(self, query_size, memory_size, **rest): ...",
        "fake_part:A",
        "takes *args or **kwargs",
    ),
    "bare option": (
        "class A(Scorer):\n    def __init__(self, query_size, memory_size, *, width=3, depth=2): ...",
        "fake_part:A",
        "its options need a type annotation: width, depth",
    ),
    "unknown type": (
        "class A(Scorer):\n    def __init__(self, query_size, memory_size, *, width: 'Widht'): ...",
        "fake_part:A",
        "its constructor cannot be read: NameError: name 'Widht' is not defined",
    ),
    "too few sizes": (
        "class A(Scorer):\n    def __init__(self, query_size: int): ...",
        "fake_part:A",
        "takes the sizes (query_size), and a scorer must take (query_size, memory_size)",
    ),
    "too many sizes": (
        "class A(Scorer):\n    def __init__(self, query_size, memory_size, width): ...",
        "fake_part:A",
        "takes the sizes (query_size, memory_size, width), and a scorer must take",
    ),
}


@pytest.mark.parametrize("fault", UNLOADABLE)
def test_a_part_that_breaks_its_contract_is_refused_with_plugin_and_version(fakes: Fakes, fault: str) -> None:
    source, target, expected = UNLOADABLE[fault]
    fakes.module("fake_part", f"from seqtool.api import Scorer\n{source}")
    fakes.installed("bad", parts(f'"scorer", "part_x", "{target}"'), version="4.5")
    part = discover().find("scorer", "part_x")
    with pytest.raises(PluginError) as caught:
        part.load()
    assert str(caught.value).startswith("scorer 'bad:part_x' (seqtool-bad 4.5)")
    assert expected in str(caught.value)


def test_a_part_with_annotations_as_strings_loads(fakes: Fakes) -> None:
    fakes.module(
        "fake_part",
        "from __future__ import annotations\nfrom seqtool.api import Scorer, Size\nclass A(Scorer):\n"
        "    def __init__(self, query_size: int, memory_size: int, *, width: Size = 3) -> None: ...\n",
    )
    fakes.module("fake_good", parts('"scorer", "part_x", "fake_part:A"'))
    assert discover(modules=["fake_good"]).find("scorer", "part_x").load().__name__ == "A"
