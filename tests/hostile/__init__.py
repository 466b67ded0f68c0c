"""Plugin distributions that misbehave, and the means to install them without a package manager."""

from __future__ import annotations

import shutil
from pathlib import Path

PLUGINS = Path(__file__).parent / "plugins"

# distribution: its version and its entry points, as a real one declares them
DISTRIBUTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "hostile-import-failure": ("1.1", {"importfail": "hostile_import_failure"}),
    "hostile-system-exit": ("1.2", {"exit": "hostile_system_exit"}),
    "hostile-late-generator": ("1.3", {"late": "hostile_late_generator"}),
    "hostile-endless": ("1.4", {"endless": "hostile_endless"}),
    "hostile-wrong-type": ("1.5", {"wrongtype": "hostile_wrong_type"}),
    "hostile-wrong-name": ("1.6", {"wrongname": "hostile_wrong_name"}),
    "hostile-duplicate-a": ("1.7", {"dup-a": "hostile_duplicate_a"}),
    "hostile-duplicate-b": ("1.8", {"dup-b": "hostile_duplicate_b"}),
    "hostile-unknown-hook": ("1.9", {"newer": "hostile_unknown_hook"}),
    "hostile-missing-dependency": ("2.0", {"needy": "hostile_missing_dependency"}),
    "hostile-probe": ("2.1", {"badprobe": "hostile_probe"}),
    "hostile-two-entries": ("2.2", {"twin": "hostile_two_entries", "twin2": "hostile_two_entries"}),
    "hostile-none": ("2.3", {"none": "hostile_none"}),
    "hostile-no-module": ("2.4", {"ghost": "hostile_of_no_such_module"}),
    "hostile-wrong-arguments": ("2.5", {"wrongargs": "hostile_wrong_arguments"}),
    "hostile-message": ("2.6", {"message": "hostile_message"}),
}


def install(site: Path, *names: str) -> Path:
    """Lay the named distributions (all by default) out in ``site`` as an installer would."""
    site.mkdir(parents=True, exist_ok=True)
    for name in names or DISTRIBUTIONS:
        version, entries = DISTRIBUTIONS[name]
        declare(site, name, version, entries)
        for module in set(entries.values()):
            source = PLUGINS / f"{module}.py"
            if source.exists():
                shutil.copy(source, site)
    return site


def declare(site: Path, name: str, version: str, entries: dict[str, str] | str) -> None:
    """Write the metadata of a distribution; ``entries`` may be the raw text of its entry points."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nVersion: of the description\n"
    )
    if not isinstance(entries, str):
        lines = "".join(f"{entry} = {value}\n" for entry, value in entries.items())
        entries = f"[arrowsmith]\n{lines}"
    (folder / "entry_points.txt").write_text(entries)
