"""``arrowsmith plugin check``: the contract kit over what is installed, without a test suite.

Samples are files that the user gives, or what the plugin's own sink writes; tables to write are
generated, or what was read from samples. What can be had in neither way is left out, and told.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest

from arrowsmith.catalog import PluginInfo, get_catalog
from arrowsmith.errors import ArrowsmithError, OptionError
from arrowsmith.location import FileSource
from arrowsmith.plugin.options import build_options
from arrowsmith.testing.checks import expect, opened, quiet, table_of
from arrowsmith.testing.crossing import crossed, crossings, written
from arrowsmith.testing.generated import plain_table
from arrowsmith.testing.opening import WHOLE
from arrowsmith.testing.plugins import PluginContract
from arrowsmith.testing.probing import ProbeContract, head_of
from arrowsmith.testing.readers import ReaderContract
from arrowsmith.testing.sinks import SinkContract
from arrowsmith.testing.transforms import TransformContract

Status = Literal["ok", "failed", "left out"]
_LARGEST = 4 << 20  # bytes of a sample: it is read some thousand times
_NO_SAMPLE = "there are no files to read: give some with --sample"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check.

    Attributes:
        subject: ``"reader foo"``.
        check: the check's name.
        status: ``"ok"``, ``"failed"`` or ``"left out"``.
        reason: why it failed or was left out; of one that is ok, what there is to know.
        error: what was raised.
    """

    subject: str
    check: str
    status: Status
    reason: str = ""
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What of a plugin is to be checked."""

    info: PluginInfo
    readers: tuple[str, ...]
    sinks: tuple[str, ...]
    transforms: tuple[str, ...]


def check_plugin(offers: Sequence[Offer], samples: Sequence[str] = ()) -> Iterator[Outcome]:
    """Check what plugins offer, one outcome at a time.

    Args:
        offers: what to check.
        samples: files for the readers.

    Raises:
        OptionError: a sample is too large, or is none of these readers' files.
    """
    with quiet():
        files = _by_reader(offers, samples)
        for offer in offers:
            yield from _check_offer(offer, files)


def _check_offer(offer: Offer, files: Mapping[str, dict[str, bytes]]) -> Iterator[Outcome]:
    if offer.info.status != "ok":
        yield Outcome(f"plugin {offer.info.name}", "loads", "failed", offer.info.error or "")
        return
    for name in offer.readers:
        given = files.get(name) or _from_sink(name)
        yield from _check_reader(name, given)
    for name in offer.sinks:
        table, why = _table_for(name, files.get(name, {}))
        yield from _check_sink(name, table, why)
        yield from _round_trips(name, files.get(name, {}))
    for name in offer.transforms:
        yield from _check_transform(name)


# --- readers -------------------------------------------------------------------------------------


def _by_reader(offers: Sequence[Offer], paths: Sequence[str]) -> dict[str, dict[str, bytes]]:
    """The bytes of the samples by file name, by reader."""
    readers = [name for offer in offers for name in offer.readers]
    found: dict[str, dict[str, bytes]] = {}
    for path in paths:
        with FileSource(path) as source:
            if source.disk_bytes > _LARGEST:
                raise OptionError(
                    f"{path}: a sample has at most {_LARGEST >> 20} MB",
                    hint="give the first few hundred records of it",
                )
            with source.open() as stream:
                data = stream.read(_LARGEST)
            name = source.name
        chosen = readers[0] if len(readers) == 1 else _chosen(name, data, path)
        if chosen not in readers:
            raise OptionError(
                f"{path}: is a file of the format {chosen!r}",
                hint=f"samples are for {' and '.join(readers) or 'readers, and there is none'}",
            )
        found.setdefault(chosen, {})[name] = data
    return found


def _chosen(name: str, data: bytes, path: str) -> str:
    return get_catalog().probe(head_of(name, data), path=path).name


def _from_sink(name: str) -> dict[str, bytes]:
    """What the sink of the same name, if there is one, writes for a table."""
    if name not in get_catalog().sinks():
        return {}
    table, _ = _table_for(name, {})
    if table is None:
        return {}
    extension = next(iter(get_catalog().sink(name).extensions), f".{name}")
    samples = {f"written{extension}": written(name, table)}
    with suppress(ArrowsmithError):  # a single column may be laid out in another way
        samples[f"column{extension}"] = written(name, table.select([0]))
    return samples


def _check_reader(name: str, samples: Mapping[str, bytes]) -> Iterator[Outcome]:
    subject = f"reader {name}"
    faulty = _options_fault("reader", name)
    if samples and not faulty:
        bad = [outcome for outcome in _readable(name, samples) if outcome is not None]
        yield from bad
        faulty = "; ".join(outcome.reason for outcome in bad)
    if samples and not faulty:
        yield from _run(ReaderContract, subject, name, samples=samples)
        return
    yield from _run(ProbeContract, subject, name, samples={}, without="test_own_files")
    yield Outcome(subject, "rows, pieces and damage", "left out", faulty or _NO_SAMPLE)


def _readable(name: str, samples: Mapping[str, bytes]) -> Iterator[Outcome | None]:
    with tempfile.TemporaryDirectory(prefix="arrowsmith-check-") as folder:
        for file, data in samples.items():
            path = Path(folder) / file
            path.write_bytes(data)

            def read(path: Path = path) -> None:
                with opened(get_catalog().reader(name), path, {}) as reader:
                    expect(table_of(reader.scan(WHOLE), reader.schema).num_rows, "it has no rows")

            outcome = _outcome(f"reader {name}", f"{file} can be read", read)
            yield outcome if outcome.status == "failed" else None


# --- sinks ---------------------------------------------------------------------------------------


def _table_for(name: str, samples: Mapping[str, bytes]) -> tuple[pa.Table | None, str]:
    """A table that the sink takes, or why there is none."""
    fault = _options_fault("sink", name)
    if fault:
        return None, fault
    candidates = [plain_table(), *_tables_of(name, samples)]
    why = ""
    for table in candidates:
        for some in (table, *(table.select([column]) for column in table.column_names)):
            try:
                written(name, some)
            except ArrowsmithError as error:
                why = why or str(error)
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
            else:
                return some, ""
    return None, f"it refuses generated rows ({why}), and no --sample holds others"


def _tables_of(name: str, samples: Mapping[str, bytes]) -> Iterator[pa.Table]:
    if not samples or name not in get_catalog().readers():
        return
    with tempfile.TemporaryDirectory(prefix="arrowsmith-check-") as folder:
        for file, data in samples.items():
            path = Path(folder) / file
            path.write_bytes(data)
            try:
                with opened(get_catalog().reader(name), path, {}) as reader:
                    table = table_of(reader.scan(WHOLE), reader.schema)
            except Exception:  # told by the reader's checks
                continue
            if table.num_rows:
                yield pa.concat_tables([table] * (1 + 200 // table.num_rows)).combine_chunks()


def _check_sink(name: str, table: pa.Table | None, why: str) -> Iterator[Outcome]:
    subject = f"sink {name}"
    if get_catalog().sink(name).capabilities.directory:
        table, why = None, "it writes a directory, which its own tests have to look at"
    if table is not None:
        yield from _run(SinkContract, subject, name, table=table)
        return
    yield from _run(PluginContract, subject, name, _kind="sink")
    yield Outcome(subject, "files", "left out", why)


def _round_trips(name: str, samples: Mapping[str, bytes]) -> Iterator[Outcome]:
    subject = f"sink {name}"
    if get_catalog().sink(name).capabilities.directory:
        return
    if name not in get_catalog().readers() or _options_fault("reader", name):
        yield Outcome(subject, "round trips", "left out", "there is no reader to read it again")
        return
    if _options_fault("sink", name):
        return
    for number, table in enumerate(_tables_of(name, samples)):
        result = crossed(name, table)
        yield Outcome(subject, f"round trip of sample {number + 1}", *result)
    for kind, result in crossings(name):
        yield Outcome(subject, f"round trip of {kind}", *result)


# --- transforms ----------------------------------------------------------------------------------


def _check_transform(name: str) -> Iterator[Outcome]:
    subject = f"transform {name}"
    fault = _options_fault("transform", name)
    if not fault:
        fault = _unfit(name)
    if not fault:
        yield from _run(TransformContract, subject, name, table=plain_table())
        return
    without = "" if "option" not in fault else "test_options_travel test_unknown_option"
    yield from _run(PluginContract, subject, name, _kind="transform", without=without)
    yield Outcome(subject, "rows", "left out", fault)


def _unfit(name: str) -> str:
    """Why the generated table is none for a transform."""
    contract: Any = type("Tried", (TransformContract,), {"name": name, "table": plain_table()})()
    try:
        contract._bound()
    except ArrowsmithError as error:
        return f"it does not take the generated table: {error}"
    except Exception:  # the checks will tell
        return ""
    return ""


def _options_fault(kind: str, name: str) -> str:
    """Why it cannot be used without being told how; empty where it can."""
    spec = getattr(get_catalog(), kind)(name)
    try:
        build_options(spec.options_class, {}, owner=f"{kind} '{name}'")
    except ArrowsmithError as error:
        return f"an option has to be given: {error}"
    return ""


# --- running -------------------------------------------------------------------------------------


def _run(
    contract: type[PluginContract], subject: str, name: str, *, without: str = "", **given: Any
) -> Iterator[Outcome]:
    """The outcomes of a contract's checks, the general ones first."""
    tested = type("Tested", (contract,), {"name": name, **given})()
    checks = [one for cls in reversed(contract.__mro__) for one in vars(cls) if one[:5] == "test_"]
    for check in dict.fromkeys(checks):
        if any(check.startswith(prefix) for prefix in without.split()):
            continue
        method = getattr(tested, check)
        if "tmp_path" not in method.__code__.co_varnames[: method.__code__.co_argcount]:
            yield _outcome(subject, check, method)
            continue
        with tempfile.TemporaryDirectory(prefix="arrowsmith-check-") as folder:
            yield _outcome(subject, check, lambda m=method, f=folder: m(Path(f)))  # type: ignore[misc]


def _outcome(subject: str, check: str, call: Callable[[], object]) -> Outcome:
    try:
        call()
    except pytest.skip.Exception as skipped:
        return Outcome(subject, check, "left out", str(skipped))
    except (AssertionError, pytest.fail.Exception) as error:
        return Outcome(subject, check, "failed", str(error), error)
    except ArrowsmithError as error:
        return Outcome(subject, check, "failed", str(error), error)
    except Exception as error:
        return Outcome(subject, check, "failed", f"{type(error).__name__}: {error}", error)
    return Outcome(subject, check, "ok")
