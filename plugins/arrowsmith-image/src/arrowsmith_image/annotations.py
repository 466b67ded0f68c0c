"""Boxes from annotation files, as a column ``objects`` of lists of structs.

The box's field says its convention: ``bbox_xywh`` (COCO: left, top, width, height in pixels),
``bbox_xyxy`` (VOC: left, top, right, bottom in pixels, as they stand in the file) and
``bbox_cxcywh`` (YOLO: centre, width and height as parts of the picture).

Formats: https://cocodataset.org/#format-data, http://host.robots.ox.ac.uk/pascal/VOC/voc2012/,
https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa

from arrowsmith.errors import DataError
from arrowsmith.plugin import RunContext
from arrowsmith_image.arrays import numbers, texts
from arrowsmith_image.beside import Told, is_metadata, loaded
from arrowsmith_image.options import ReadOptions
from arrowsmith_image.stores import Entry

Objects = dict[str, list[dict[str, Any]]]
_BOX = pa.list_(pa.float64(), 4)
_COCO = {"category": "text", "category_id": "int", "bbox_xywh": "box", "area": "float"}
_COCO |= {"iscrowd": "int", "segmentation": "polygons"}
_YOLO = {"category": "text", "category_id": "int", "bbox_cxcywh": "box"}
_VOC = {"category": "text", "bbox_xyxy": "box", "pose": "text", "truncated": "int"}
_VOC |= {"difficult": "int"}


def annotations_of(
    sidecars: Sequence[Entry],
    pictures: list[str],
    options: ReadOptions,
    ctx: RunContext,
    used: set[int],
) -> Iterator[Told]:
    """The tables of annotations; ``used`` learns which files they come from.

    Raises:
        DataError: a file is damaged, or does not follow its format.
    """
    wanted = options.annotations
    files = [entry for entry in sidecars if not is_metadata(entry.name)]
    for kind, shape, read in (
        ("coco", _COCO, _coco),
        ("voc", _VOC, _voc),
        ("yolo", _YOLO, partial(_yolo, insist=wanted == "yolo")),
    ):
        if wanted not in ("auto", kind):
            continue
        found = read(files, pictures, ctx, used)
        if found:
            yield _table(found, shape, pictures)
            return


def _damaged(entry: Entry, what: str, kind: str) -> DataError:
    return DataError(
        f"is no {kind} annotation file ({what})",
        path=entry.path,
        hint="mend it, or leave annotations out with -r annotations=none",
    )


# --- COCO ----------------------------------------------------------------------------------------


def _coco(files: list[Entry], pictures: list[str], ctx: RunContext, used: set[int]) -> Objects:
    found: Objects = {}
    seen: set[object] = set()
    known = set(pictures)
    bases = _unique({posixpath.basename(name): name for name in pictures}, pictures)
    for entry in files:
        if not entry.name.lower().endswith(".json"):
            continue
        content = _json(loaded(entry, ctx))
        if not (isinstance(content, dict) and {"images", "annotations"} <= content.keys()):
            continue
        try:
            if _coco_file(content, entry, found, known, bases, seen):
                used.add(id(entry))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(entry, f"{type(error).__name__}: {error}", "COCO") from error
    return found


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _coco_file(
    content: dict[str, Any],
    entry: Entry,
    found: Objects,
    known: set[str],
    bases: dict[str, str],
    seen: set[object],
) -> bool:
    """Add the objects of a file; False if it tells of none, but of captions, say.

    Args:
        seen: what is known already, since files of one set tell of the same objects.
    """
    told = [(one["image_id"], one) for one in content["annotations"]]
    placed = [
        (image_id, one)
        for image_id, one in told
        if one.get("bbox") is not None or one.get("segmentation") is not None
    ]
    if told and not placed:
        return False
    categories = {one["id"]: str(one["name"]) for one in content.get("categories", ())}
    folder = posixpath.dirname(entry.name)
    names: dict[Any, str] = {}
    for image in content["images"]:
        own = str(image["file_name"])
        places = (own, posixpath.normpath(posixpath.join(folder, own)))
        name = next((place for place in places if place in known), None)
        name = name or bases.get(posixpath.basename(own))
        if name is not None:
            names[image["id"]] = name
            found.setdefault(name, [])
    for image_id, one in placed:
        name = names.get(image_id)
        if name is None:
            continue
        box = one.get("bbox")
        shape = one.get("segmentation")
        identity = (name, one.get("category_id"), one.get("id"))
        if identity[-1] is not None and identity in seen:
            continue
        seen.add(identity)
        found[name].append(
            {
                "category": categories.get(one.get("category_id")),
                "category_id": one.get("category_id"),
                "bbox_xywh": None if box is None else _box(box),
                "area": None if one.get("area") is None else float(one["area"]),
                "iscrowd": one.get("iscrowd"),
                "segmentation": [[float(v) for v in part] for part in shape]
                if isinstance(shape, list)
                else None,
            }
        )
    return True


def _unique(by_base: dict[str, str], pictures: list[str]) -> dict[str, str]:
    """Names by their last part, where only one picture has it."""
    seen: set[str] = set()
    twice: set[str] = set()
    for name in pictures:
        base = posixpath.basename(name)
        (twice if base in seen else seen).add(base)
    return {base: name for base, name in by_base.items() if base not in twice}


def _box(values: Iterable[Any]) -> list[float]:
    box = [float(value) for value in values]
    if len(box) != 4:
        raise ValueError(f"a box of {len(box)} numbers")
    return box


# --- Pascal VOC ----------------------------------------------------------------------------------


def _voc(files: list[Entry], pictures: list[str], ctx: RunContext, used: set[int]) -> Objects:
    found: Objects = {}
    stems = _stems(pictures)
    for entry in files:
        if not entry.name.lower().endswith(".xml"):
            continue
        data = loaded(entry, ctx)
        if re.search(rb"<!\s*(?:DOCTYPE|ENTITY)", data):
            raise _damaged(entry, "it declares entities, which are not read", "VOC")
        try:
            root = ElementTree.fromstring(data)
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise _damaged(entry, str(error), "VOC") from error
        if root.tag != "annotation":
            continue
        names = stems.get(_stem(entry.name))
        if names is None:
            continue
        used.add(id(entry))
        try:
            objects = [_voc_object(one) for one in root.iter("object")]
        except (TypeError, ValueError) as error:
            raise _damaged(entry, str(error), "VOC") from error
        found |= dict.fromkeys(names, objects)
    return found


def _voc_object(one: ElementTree.Element) -> dict[str, Any]:
    box = one.find("bndbox")
    corners = ("xmin", "ymin", "xmax", "ymax")
    return {
        "category": one.findtext("name"),
        "bbox_xyxy": None if box is None else _box(box.findtext(side) for side in corners),
        "pose": one.findtext("pose"),
        "truncated": _flag(one.findtext("truncated")),
        "difficult": _flag(one.findtext("difficult")),
    }


def _flag(text: str | None) -> int | None:
    return None if text is None else int(text)


# --- YOLO ----------------------------------------------------------------------------------------


def _yolo(
    files: list[Entry], pictures: list[str], ctx: RunContext, used: set[int], *, insist: bool
) -> Objects:
    """An empty file says that there is no object, if others, or names of classes, are YOLO's."""
    found: Objects = {}
    empty: list[Entry] = []
    stems = _stems(pictures)
    classes = _class_names(files, ctx, used)
    for entry in files:
        names = stems.get(_stem(entry.name))
        if names is None or not entry.name.lower().endswith(".txt"):
            continue
        lines = loaded(entry, ctx).decode("utf-8", "replace").splitlines()
        rows = [line.split() for line in lines if line.strip()]
        if not rows:
            empty.append(entry)
            continue
        if not all(len(row) >= 5 for row in rows):
            continue
        try:
            objects = [_yolo_object(row, classes) for row in rows]
        except ValueError:
            continue  # a text of another kind
        found |= dict.fromkeys(names, objects)
        used.add(id(entry))
    if found or classes or insist:
        for entry in empty:
            used.add(id(entry))
            found |= {name: [] for name in stems[_stem(entry.name)]}
    return found


def _yolo_object(row: list[str], classes: dict[int, str]) -> dict[str, Any]:
    number = int(row[0])
    return {
        "category": classes.get(number),
        "category_id": number,
        "bbox_cxcywh": _box(row[1:5]) if len(row) == 5 else _around(row[1:]),
    }


def _around(points: list[str]) -> list[float]:
    """The box around a polygon, as Ultralytics makes it of segments."""
    values = [float(point) for point in points]
    if len(values) < 6 or len(values) % 2:
        raise ValueError("neither a box nor a polygon")
    (left, right), (top, bottom) = ((min(v), max(v)) for v in (values[::2], values[1::2]))
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def _class_names(files: list[Entry], ctx: RunContext, used: set[int]) -> dict[int, str]:
    for entry in files:
        base = posixpath.basename(entry.name).lower()
        if base in ("classes.txt", "obj.names") or base.endswith(".names"):
            used.add(id(entry))
            try:
                return dict(enumerate(loaded(entry, ctx).decode().splitlines()))
            except UnicodeDecodeError as error:
                what = f"it is not UTF-8 at its byte {error.start}"
                raise _damaged(entry, what, "YOLO") from error
        if base.endswith((".yaml", ".yml")):
            import yaml

            try:
                names = (yaml.safe_load(loaded(entry, ctx)) or {}).get("names")
            except (yaml.YAMLError, AttributeError, UnicodeDecodeError, RecursionError):
                continue
            if isinstance(names, list | dict):
                used.add(id(entry))
                pairs = names.items() if isinstance(names, dict) else enumerate(names)
                return {int(number): str(name) for number, name in pairs}
    return {}


def _stem(name: str) -> str:
    """What an annotation and its picture share: the name without suffix and kind of folder."""
    parts = posixpath.splitext(name)[0].split("/")
    kinds = ("labels", "images", "annotations", "jpegimages")
    return "/".join(part for part in parts if part.lower() not in kinds)


def _stems(pictures: list[str]) -> dict[str, list[str]]:
    """Pictures by what an annotation is called; several may differ in their suffix alone."""
    found: dict[str, list[str]] = {}
    for name in pictures:
        found.setdefault(_stem(name), []).append(name)
    return found


# --- the column ----------------------------------------------------------------------------------


def _table(found: Objects, shape: dict[str, str], pictures: list[str]) -> Told:
    names = [name for name in pictures if name in found]
    every = [one for name in names for one in found[name]]
    children = [_child([one[key] for one in every], kind) for key, kind in shape.items()]
    struct = pa.StructArray.from_arrays(children, names=list(shape))
    ends = [0]
    for name in names:
        ends.append(ends[-1] + len(found[name]))
    lists = pa.ListArray.from_arrays(numbers(ends, pa.int32()), struct)
    return Told(pa.table([lists], names=["objects"]), dict(zip(names, range(len(names)))))  # noqa: B905


def _child(values: list[Any], kind: str) -> pa.Array:
    if kind == "text":
        return texts(values)
    if kind == "int":
        return numbers(values, pa.int64())
    if kind == "float":
        return numbers(values, pa.float64())
    if kind == "box":
        flat = [number for value in values for number in (value or (None,) * 4)]
        there = np.array([one is not None for one in values], bool)
        mask = pa.py_buffer(np.packbits(there, bitorder="little"))
        inner = numbers(flat, pa.float64())
        return pa.Array.from_buffers(_BOX, len(values), [mask], children=[inner])
    parts = [part for value in values for part in (value or ())]
    inner = pa.ListArray.from_arrays(
        _ends([len(part) for part in parts]),
        numbers([number for part in parts for number in part], pa.float64()),
    )
    return pa.ListArray.from_arrays(_ends([len(value or ()) for value in values]), inner)


def _ends(lengths: list[int]) -> pa.Array:
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return numbers(ends, pa.int32())
