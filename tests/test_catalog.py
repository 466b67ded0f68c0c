"""The catalog: discovery that no plugin can hurt, resolving by name, content and suffix."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from arrowsmith.catalog import Catalog, PluginInfo, get_catalog
from arrowsmith.catalog.checks import check_specs
from arrowsmith.errors import AmbiguousFormat, PluginError, UnknownFormat, UnknownName
from arrowsmith.plugin import Head, Magic, Match, NoOptions, ReaderSpec, SinkSpec, hookimpl
from hostile import DISTRIBUTIONS, declare, install

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for distributions, first on ``sys.path``."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.delenv("ARROWSMITH_PLUGINS", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith("hostile_")]:
        del sys.modules[name]


@pytest.fixture
def hostile(site: Path) -> Catalog:
    """A catalog of a machine that has every hostile plugin, beside the core."""
    install(site)
    return Catalog()


Make = Callable[..., Catalog]


@pytest.fixture
def catalog_of(monkeypatch: pytest.MonkeyPatch) -> Make:
    """A catalog of plugins given as lists of specs by entry name."""

    def make(**plugins: list[object]) -> Catalog:
        points = []
        for name, specs in plugins.items():
            module = types.ModuleType(f"made_{name}")

            def readers(specs: list[object] = specs) -> list[object]:
                return [spec for spec in specs if isinstance(spec, ReaderSpec)]

            def sinks(specs: list[object] = specs) -> list[object]:
                return [spec for spec in specs if isinstance(spec, SinkSpec)]

            module.arrowsmith_readers = hookimpl(readers)
            module.arrowsmith_sinks = hookimpl(sinks)
            monkeypatch.setitem(sys.modules, module.__name__, module)
            points.append(EntryPoint(name, module.__name__, "arrowsmith"))
        return Catalog(points)

    return make


def reader(name: str, *extensions: str, magic: bytes = b"", probe: object = None) -> ReaderSpec:
    found = (Magic(0, magic),) if magic else ()
    answer = (lambda head: probe) if isinstance(probe, Match) else probe
    return ReaderSpec(name=name, impl="a.b:C", extensions=extensions, magic=found, probe=answer)


def sink(name: str, *extensions: str) -> SinkSpec:
    return SinkSpec(name=name, impl="a.b:C", extensions=extensions)


def info_of(catalog: Catalog, distribution: str) -> PluginInfo:
    (info,) = [info for info in catalog.plugins() if info.distribution == distribution]
    return info


def run(code: str, *paths: Path, **variables: str) -> object:
    """What a fresh interpreter prints as JSON."""
    environment = {k: v for k, v in os.environ.items() if k != "ARROWSMITH_PLUGINS"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env={**environment, **variables}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


# --- hostile plugins -----------------------------------------------------------------------------

BROKEN = {
    "hostile-import-failure": "ModuleNotFoundError: No module named 'module_that_is_not_installed'",
    "hostile-system-exit": "SystemExit: this plugin gives up",
    "hostile-late-generator": "RuntimeError: raised after the first spec",
    "hostile-endless": "arrowsmith_readers gives more than 1000 specs",
    "hostile-wrong-type": "arrowsmith_readers gives a SinkSpec where a ReaderSpec is expected",
    "hostile-wrong-name": "reader name 'Wrong Name!' is not made of",
    "hostile-no-module": "ModuleNotFoundError: No module named 'hostile_of_no_such_module'",
    "hostile-wrong-arguments": "config",
    "hostile-message": "CannotBeShown: its message cannot be shown",
}
WARNED = {
    "hostile-unknown-hook": "unknown hook arrowsmith_teleporters",
    "hostile-none": "arrowsmith_readers returned None",
    "hostile-duplicate-a": "reader 'dup' is also claimed by hostile-duplicate-b 1.8",
    "hostile-duplicate-b": "reader 'dup' is also claimed by hostile-duplicate-a 1.7",
}


@pytest.mark.parametrize(("distribution", "cause"), BROKEN.items())
def test_a_broken_plugin_is_named_with_its_distribution_version_and_cause(
    hostile: Catalog, distribution: str, cause: str
) -> None:
    version, entries = DISTRIBUTIONS[distribution]
    info = info_of(hostile, distribution)
    assert (info.name, info.version, info.status) == (next(iter(entries)), version, "broken")
    assert info.module == entries[info.name]
    assert cause in str(info.error)
    assert "\n" not in str(info.error)
    assert (info.readers, info.transforms, info.sinks) == ((), (), ())
    assert (distribution, info.error) in [(b.distribution, b.error) for b in hostile.broken()]


@pytest.mark.parametrize(("distribution", "warning"), WARNED.items())
def test_what_does_not_stop_a_plugin_is_a_warning_about_it(
    hostile: Catalog, distribution: str, warning: str
) -> None:
    info = info_of(hostile, distribution)
    assert (info.status, info.error) == ("ok", None)
    assert any(warning in message for message in info.warnings)


def test_the_other_plugins_work_beside_the_hostile_ones(hostile: Catalog) -> None:
    readers = hostile.readers()
    assert {"newer", "only-a", "only-b", "twin", "twin2", "needy"} <= readers.keys()
    assert not {"late", "endless0", "wrongtype", "wrongargs", "dup"} & readers.keys()
    assert {info.distribution for info in hostile.plugins()} >= DISTRIBUTIONS.keys()
    assert {info.distribution for info in hostile.plugins()} >= {"arrowsmith"}


def test_a_hook_without_the_marker_is_pointed_out(hostile: Catalog) -> None:
    warnings = info_of(hostile, "hostile-unknown-hook").warnings
    assert "arrowsmith_sinks is not marked with @hookimpl: it is not called" in warnings


def test_a_module_named_by_two_entries_is_registered_once(hostile: Catalog) -> None:
    info = info_of(hostile, "hostile-two-entries")
    assert info.readers == ("twin", "twin2")
    assert (info.status, info.warnings) == ("ok", ())
    assert hostile.reader("twin2").name == "twin2"


def test_a_name_claimed_twice_is_an_error_when_it_is_used(hostile: Catalog) -> None:
    both = "hostile-duplicate-a 1.7 and hostile-duplicate-b 1.8"
    for use in (
        lambda: hostile.reader("dup"),
        lambda: hostile.sink("dup"),
        lambda: hostile.sink_for("out.dup"),
        lambda: hostile.probe(Head("x.bin", b"DUP! and more")),
    ):
        with pytest.raises(PluginError, match=both):
            use()
    assert hostile.probe(Head("x.only-a", b"")).impl == "hostile_duplicate_a:Reader"


def test_a_probe_that_fails_counts_as_no_and_is_recorded(hostile: Catalog) -> None:
    assert hostile.probe(Head("x.twin", b"")).name == "twin"
    hostile.probe(Head("x.twin", b""))
    warnings = info_of(hostile, "hostile-probe").warnings
    assert "the probe of 'badprobe' failed: IndexError: probe read past the end" in warnings
    assert "the probe of 'exitprobe' failed: SystemExit: 3" in warnings
    assert any("probe of 'oddprobe' failed: ValueError" in message for message in warnings)
    assert len(warnings) == 3
    assert hostile.probe(Head("x.badprobe", b"")).name == "badprobe"  # its suffix still is a hint


def test_a_missing_dependency_is_told_when_the_format_is_opened(hostile: Catalog) -> None:
    with pytest.raises(PluginError) as caught:
        hostile.load(hostile.reader("needy"))
    text = str(caught.value)
    assert "'needy' of hostile-missing-dependency 2.0" in text
    assert "needs 'module_that_is_not_installed', which is not installed" in text
    assert "pip install hostile-missing-dependency[all]" in text
    with pytest.raises(PluginError, match="SystemExit: this plugin gives up"):
        hostile.load(hostile.reader("needy-exit"))
    with pytest.raises(PluginError, match="Missing"):
        hostile.load(hostile.reader("needy-attribute"))
    assert callable(hostile.load(hostile.reader("needy-fine")))


def test_keyboard_interrupt_passes_and_nothing_is_lost(site: Path) -> None:
    (site / "hostile_interrupted.py").write_text(
        "from pathlib import Path\n"
        "seen = Path(__file__).with_suffix('.seen')\n"
        "if not seen.exists():\n"
        "    seen.touch()\n"
        "    raise KeyboardInterrupt\n"
    )
    declare(site, "hostile-interrupted", "1", {"interrupted": "hostile_interrupted"})
    catalog = Catalog()
    with pytest.raises(KeyboardInterrupt):
        catalog.plugins()
    assert info_of(catalog, "hostile-interrupted").status == "ok"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[arrowsmith]\nno equals sign\n", "entry_points.txt cannot be read"),
        ("[arrowsmith]\nodd = not a module!\n", "does not name a module"),
    ],
)
def test_malformed_metadata_breaks_its_own_distribution_only(
    site: Path, text: str, cause: str
) -> None:
    declare(site, "hostile-metadata", "0.1", text)
    install(site, "hostile-two-entries")
    catalog = Catalog()
    info = info_of(catalog, "hostile-metadata")
    assert (info.version, info.status) == ("0.1", "broken")
    assert cause in str(info.error)
    assert "twin" in catalog.readers()


def test_the_first_of_two_installed_versions_counts(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "hostile-two-entries")
    older = tmp_path / "older"
    declare(older, "Hostile_Two.Entries", "0.9", {"twin": "hostile_of_before"})
    monkeypatch.setattr(sys, "path", [*sys.path, str(older)])
    versions = [info.version for info in Catalog().plugins() if info.name == "twin"]
    assert versions == ["2.2"]


def test_a_plugin_may_ask_for_the_catalog_while_it_is_loaded(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "hostile-two-entries")
    (site / "hostile_asker.py").write_text(
        "import arrowsmith.catalog\nassert 'twin' in arrowsmith.catalog.asked.readers()\n"
    )
    declare(site, "a-asker", "1", {"asker": "hostile_asker"})
    catalog = Catalog()
    monkeypatch.setattr("arrowsmith.catalog.asked", catalog, raising=False)
    assert info_of(catalog, "a-asker").status == "ok"
    assert len([info for info in catalog.plugins() if info.name == "twin"]) == 1


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        (reader("x", "csv"), "extension 'csv'"),
        (reader("x", ".CSV"), "extension '.CSV'"),
        (ReaderSpec(name="x", impl="a.b:C", extensions=".csv"), "extensions is not a tuple"),
        (ReaderSpec(name="x", impl="no colon"), "impl 'no colon'"),
        (ReaderSpec(name="x", impl="a:B", options=dict), "options is not a dataclass"),
        (ReaderSpec(name="x", impl="a:B", magic=(Magic(0, b""),)), "magic"),
        (ReaderSpec(name="x", impl="a:B", magic=(Magic(70_000, b"PAR1"),)), "magic"),
        (ReaderSpec(name="x", impl="a:B", magic=(Magic(-2, b"PAR1"),)), "magic"),
        (ReaderSpec(name="x", impl="a:B", probe=7), "probe cannot be called"),
        (ReaderSpec(name="", impl="a:B"), "reader name ''"),
        (ReaderSpec(name=None, impl="a:B"), "reader name 'None'"),
        (SinkSpec(name="x", impl="a:B", capabilities=None), "capabilities"),
    ],
)
def test_a_spec_that_cannot_be_used_breaks_its_plugin(
    catalog_of: Make, spec: object, fault: str
) -> None:
    catalog = catalog_of(odd=[spec], fine=[reader("fine")])
    odd = next(info for info in catalog.plugins() if info.name == "odd")
    assert fault in str(odd.error)
    assert list(catalog.readers()) == ["fine"]


# --- what is loaded, and when --------------------------------------------------------------------


def test_a_scan_imports_no_array_library(site: Path) -> None:
    install(site, "hostile-two-entries")
    heavy = ("pyarrow", "numpy", "pandas")
    code = (
        "import json, sys, arrowsmith.catalog as c\n"
        "catalog = c.get_catalog()\n"
        "scanned = 'importlib.metadata' in sys.modules\n"
        "names = [p.name for p in catalog.plugins()]\n"
        f"print(json.dumps([scanned, names, [m for m in {heavy} if m in sys.modules]]))"
    )
    scanned, names, imported = run(code, site)
    assert not scanned
    assert {"csv", "twin"} <= set(names)
    assert imported == []


def test_a_format_by_name_imports_its_own_plugin_only(site: Path) -> None:
    install(site)
    catalog = Catalog()
    assert catalog.reader("twin").name == "twin"
    imported = {name for name in sys.modules if name.startswith("hostile_")}
    assert imported == {"hostile_two_entries"}


def test_a_name_that_no_entry_bears_is_found_by_loading_all(hostile: Catalog) -> None:
    assert hostile.reader("only-a").impl == "hostile_duplicate_a:Reader"


def test_an_entry_that_bears_the_name_decides(catalog_of: Make) -> None:
    mine, other = reader("mine"), reader("mine")
    catalog = catalog_of(other=[other], mine=[mine])
    assert catalog.reader("mine") is mine
    assert catalog.readers() == {}
    assert catalog.reader("mine") is mine


@pytest.mark.parametrize(
    "allowed", ["twin2", "hostile-two-entries", " newer , Hostile_Two.Entries"]
)
def test_only_allowed_plugins_are_loaded(
    hostile: Catalog, monkeypatch: pytest.MonkeyPatch, allowed: str
) -> None:
    monkeypatch.setenv("ARROWSMITH_PLUGINS", allowed)
    expected = {"twin", "newer"} if "newer" in allowed else {"twin"}
    assert {info.name for info in hostile.plugins()} == expected
    with pytest.raises(UnknownName, match=r"arrowsmith .* is left out by ARROWSMITH_PLUGINS"):
        hostile.reader("csv")


def test_one_catalog_for_all_threads(hostile: Catalog) -> None:
    catalogs: list[Catalog] = []
    plugins: list[int] = []

    def ask() -> None:
        catalogs.append(get_catalog())
        plugins.append(len(hostile.plugins()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, catalogs))) == 1
    assert len(set(plugins)) == 1
    names = [info.module for info in hostile.plugins()]
    assert len(names) == len(set(names))


# --- names ---------------------------------------------------------------------------------------


def test_an_unknown_name_is_answered_with_the_nearest(catalog_of: Make) -> None:
    catalog = catalog_of(a=[reader("parquet"), reader("csv"), sink("csv")])
    with pytest.raises(UnknownName, match=r"did you mean 'parquet'\?.*csv, parquet"):
        catalog.reader("parket")
    with pytest.raises(UnknownName, match="no format named 'parquet' can be written"):
        catalog.sink("parquet")
    with pytest.raises(UnknownName, match=r"no transform named 'cast'.*known transforms are none"):
        catalog.transform("cast")


def test_an_unknown_name_tells_what_to_install(catalog_of: Make) -> None:
    with pytest.raises(UnknownName, match="pip install arrowsmith-tfrecord"):
        catalog_of().reader("tfrecord")


def test_an_unknown_name_tells_which_plugin_is_broken(hostile: Catalog) -> None:
    expected = r"plugin 'exit' of hostile-system-exit 1.2 is broken \(SystemExit"
    with pytest.raises(UnknownName, match=expected):
        hostile.reader("exit")
    with pytest.raises(UnknownName, match=expected):
        hostile.sink("exit")


# --- probing -------------------------------------------------------------------------------------


def test_an_explicit_name_is_never_overridden(catalog_of: Make) -> None:
    catalog = catalog_of(a=[reader("a", magic=b"AAAA"), reader("b", probe=Match.VETO)])
    assert catalog.probe(Head("x.a", b"AAAA"), format="b").name == "b"


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("x.likely", b"MAGI", "magic"),  # content beats name
        ("x.magic", b"likely", "likely"),
        ("x.hint", b"other", "hint"),
        ("X.HINT", b"other", "hint"),
        ("x.magic", b"other", "magic"),
        ("x.vetoed", b"likely", "likely"),
        ("x.magic", b"MAGI, vetoed", "magic"),
        ("vetoed.magic", b"likely MAGI", "likely"),
    ],
)
def test_content_beats_name_and_a_veto_is_final(
    catalog_of: Make, name: str, head: bytes, expected: str
) -> None:
    def likely(seen: Head) -> Match:
        return Match.LIKELY if b"likely" in seen.head else Match.NO

    catalog = catalog_of(
        a=[reader("magic", ".magic", magic=b"MAGI"), reader("hint", ".hint")],
        b=[reader("likely", ".likely", probe=likely)],
        c=[reader("vetoed", ".vetoed", magic=b"MAGI", probe=Match.VETO)],
    )
    assert catalog.probe(Head(name, head)).name == expected


def test_magic_at_the_end_of_a_file(catalog_of: Make) -> None:
    spec = ReaderSpec(name="tail", impl="a:B", magic=(Magic(-4, b"PAR1"),))
    catalog = catalog_of(a=[spec])
    assert catalog.probe(Head("x", b"..", tail=b"....PAR1")).name == "tail"
    with pytest.raises(UnknownFormat):
        catalog.probe(Head("x", b"PAR1", tail=b"PAR1...."))


def test_a_shared_suffix_is_settled_by_the_probe(catalog_of: Make) -> None:
    catalog = catalog_of(
        a=[reader("a", ".txt", probe=lambda h: Match(2 * h.head.startswith(b"a")))],
        b=[reader("b", ".txt", probe=lambda h: Match(2 * h.head.startswith(b"b")))],
    )
    assert catalog.probe(Head("x.txt", b"a")).name == "a"
    assert catalog.probe(Head("x.txt", b"b")).name == "b"
    with pytest.raises(AmbiguousFormat, match=r"x.txt: a and b match equally well.*format='a'"):
        catalog.probe(Head("x.txt", b"c"))


def test_a_tie_is_broken_by_the_suffix_and_by_the_longer_one(catalog_of: Make) -> None:
    catalog = catalog_of(
        a=[reader("a", ".a", magic=b"MAGI"), reader("b", ".b", magic=b"MAGI")],
        c=[reader("c", ".long.b", magic=b"MAGI")],
    )
    assert catalog.probe(Head("x.b", b"MAGI")).name == "b"
    assert catalog.probe(Head("x.long.b", b"MAGI")).name == "c"
    with pytest.raises(AmbiguousFormat, match=r"/data/x.c: a and b and c match"):
        catalog.probe(Head("x.c", b"MAGI"), path="/data/x.c")


def test_no_match_lists_what_was_tried_and_what_could_help(hostile: Catalog) -> None:
    with pytest.raises(UnknownFormat, match=r"x.zzz: .*tried .*newer.*twin.*say the format"):
        hostile.probe(Head("x.zzz", b"\x00"))
    with pytest.raises(
        UnknownFormat, match=r"plugin 'late' of hostile-late-generator 1.3 is broken"
    ):
        hostile.probe(Head("x.late", b"\x00"))


def test_no_match_names_the_distribution_to_install(catalog_of: Make) -> None:
    with pytest.raises(UnknownFormat, match="pip install arrowsmith-tfrecord"):
        catalog_of().probe(Head("x.tfrecord", b"\x00"))
    with pytest.raises(UnknownFormat, match="pip install arrowsmith-image"):
        catalog_of().probe(Head("x.PNG", b"\x89PNG"))
    record = (FIXTURES / "flowers.tfrecord").read_bytes()
    for content, name in ((record, "tfrecord"), (b"GIF89a", "image"), (b"\xff\xd8\xff", "image")):
        with pytest.raises(UnknownFormat, match=f"pip install arrowsmith-{name}"):
            catalog_of().probe(Head("noextension", content))
    with pytest.raises(UnknownName, match="pip install arrowsmith-image"):
        catalog_of().sink_for("out.tar")
    with pytest.raises(UnknownName, match="pip install arrowsmith-image"):
        catalog_of().transform("phash")
    with pytest.raises(UnknownFormat) as caught:
        catalog_of().probe(Head("noextension", b"\x00"))
    assert "pip install" not in str(caught.value)


def test_an_installed_but_broken_distribution_is_not_to_be_installed(site: Path) -> None:
    declare(site, "arrowsmith-tfrecord", "9.9", {"tfrecord": "hostile_of_no_such_module"})
    with pytest.raises(UnknownFormat) as caught:
        Catalog().probe(Head("x.tfrecords", bytes(range(256))))
    assert "plugin 'tfrecord' of arrowsmith-tfrecord 9.9 is broken" in str(caught.value)
    assert "pip install" not in str(caught.value)


# --- sinks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("out.csv", "csv"),
        ("/a.json/out.CSV.gz", "csv"),
        ("out.csv.zst", "csv"),
        ("dir\\out.csv.bz2", "csv"),
        ("out.csv.xz", "csv"),
        ("out.csv.lz4", "csv"),
        ("out.json", "json"),
        ("out.geo.json", "geojson"),
    ],
)
def test_a_sink_by_its_longest_suffix(catalog_of: Make, path: str, expected: str) -> None:
    catalog = catalog_of(
        a=[sink("csv", ".csv", ".tsv"), sink("json", ".json"), sink("geojson", ".geo.json")]
    )
    assert catalog.sink_for(path).name == expected


def test_a_target_without_a_known_suffix_lists_the_known_ones(catalog_of: Make) -> None:
    catalog = catalog_of(a=[sink("csv", ".csv", ".tsv"), sink("json", ".json")])
    for path in ("out.xyz", "out", "out.gz", "-"):
        with pytest.raises(UnknownName, match=r"known suffixes are \.csv \.json \.tsv"):
            catalog.sink_for(path)
    with pytest.raises(UnknownName, match="pip install arrowsmith-tfrecord"):
        catalog.sink_for("out.tfrecord.gz")


def test_two_sinks_of_one_suffix_are_ambiguous(catalog_of: Make) -> None:
    catalog = catalog_of(a=[sink("a", ".x"), sink("b", ".x")])
    with pytest.raises(
        AmbiguousFormat, match="a and b match equally well; say which, as in --to a or format='a'"
    ):
        catalog.sink_for("out.x")


def test_options_may_be_named_and_are_imported_when_needed():
    named = ReaderSpec(name="a", impl="a:A", options="fractions:Fraction")
    assert named.options_class.__name__ == "Fraction"
    assert ReaderSpec(name="a", impl="a:A").options_class is NoOptions
    missing = ReaderSpec(name="a", impl="a:A", options="no_such_module:Options")
    with pytest.raises(PluginError, match="no_such_module"):
        missing.options_class  # noqa: B018
    with pytest.raises(PluginError, match=r"'package\.module:Class'"):
        check_specs("reader", [ReaderSpec(name="a", impl="a:A", options="Options")])
