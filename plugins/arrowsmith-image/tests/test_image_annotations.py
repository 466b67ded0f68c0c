"""COCO, YOLO and Pascal VOC."""

from __future__ import annotations

import json

import pytest

import arrowsmith
from arrowsmith.errors import DataError
from pictures import jpeg, png, written

VOC = """<annotation><filename>a.jpg</filename>
<object><name>cat</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11</xmax><ymax>12.5</ymax></bndbox></object>
<object><name>dog</name></object></annotation>"""


def objects(folder, **options):
    table = arrowsmith.open(folder, **options).to_table()
    names = [path[-5] for path in table["path"].to_pylist()]
    return dict(zip(names, table["objects"].to_pylist(), strict=True))


def coco():
    return {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 9, "file_name": "b.jpg"}],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [
            {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3.5, 4], "area": 14, "iscrowd": 0,
             "segmentation": [[0, 0, 1, 0, 1, 1]]},
            {"image_id": 7, "category_id": 8, "bbox": [0, 0, 1, 1]},
        ],
    }  # fmt: skip


def test_coco(tmp_path):
    files = {f"train/{name}.jpg": jpeg(n) for n, name in enumerate("abc")}
    files["annotations/instances_train.json"] = json.dumps(coco()).encode()
    found = objects(written(tmp_path, files))
    assert found["a"][0] == {
        "category": "cat",
        "category_id": 3,
        "bbox_xywh": [1.0, 2.0, 3.5, 4.0],
        "area": 14.0,
        "iscrowd": 0,
        "segmentation": [[0.0, 0.0, 1.0, 0.0, 1.0, 1.0]],
    }
    assert found["a"][1]["category"] is None
    assert found["b"] == []
    assert found["c"] is None  # nobody says anything of it


def test_coco_files_of_one_set_tell_of_the_same_objects(tmp_path):
    """As the set of 2017 is laid out: instances, key points and captions."""
    images = [{"id": 7, "file_name": "a.jpg"}]
    kinds = [{"id": 3, "name": "dog"}, {"id": 4, "name": "cat"}]
    dog = {"id": 9, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12.0}
    cat = {"id": 9, "image_id": 7, "category_id": 4, "bbox": [5, 6, 7, 8]}  # of another set
    captions = [{"id": n, "image_id": 7, "caption": "a dog"} for n in (1, 9)]
    made = {"instances": [dog], "person_keypoints": [dog], "captions": captions, "cats": [cat]}
    files = {"train2017/a.jpg": jpeg(1)}
    for name, told in made.items():
        content = {"images": images, "categories": kinds, "annotations": told}
        files[f"annotations/{name}_train2017.json"] = json.dumps(content).encode()
    with pytest.warns(UserWarning, match=r"nothing that is used.*/captions_train2017\.json$"):
        found = objects(written(tmp_path, files))
    assert [(one["category"], one["bbox_xywh"]) for one in found["a"]] == [
        ("cat", [5.0, 6.0, 7.0, 8.0]),
        ("dog", [1.0, 2.0, 3.0, 4.0]),
    ]


def test_coco_without_any_object(tmp_path):
    told = {"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": []}
    folder = written(tmp_path, {"a.jpg": jpeg(1), "coco.json": json.dumps(told).encode()})
    assert objects(folder) == {"a": []}


def test_captions_alone_are_no_objects(tmp_path):
    told = {"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": []}
    told["annotations"] = [{"id": 1, "image_id": 7, "caption": "a dog"}]
    files = {"a.jpg": jpeg(1), "captions.json": json.dumps(told).encode()}
    with pytest.warns(UserWarning, match="nothing that is used.*captions.json"):
        assert "objects" not in arrowsmith.open(written(tmp_path, files)).schema.names


def test_yolo(tmp_path):
    files = {f"images/train/{name}.jpg": jpeg(n) for n, name in enumerate("abc")}
    files["labels/train/a.txt"] = b"1 0.5 0.5 0.25 1\n0 0.1 0.2 0.3 0.4\n"
    files["labels/train/b.txt"] = b""
    files["data.yaml"] = b"names: [cat, dog]\n"
    found = objects(written(tmp_path, files))
    assert [(one["category"], one["bbox_cxcywh"]) for one in found["a"]] == [
        ("dog", [0.5, 0.5, 0.25, 1.0]),
        ("cat", [0.1, 0.2, 0.3, 0.4]),
    ]
    assert found["b"] == []  # it says that there is nothing
    assert found["c"] is None


def test_empty_texts_are_labels_only_among_labels(tmp_path):
    folder = written(tmp_path, {"a.jpg": jpeg(1), "b.jpg": jpeg(2), "a.txt": b"", "b.xml": b""})
    with (
        pytest.warns(UserWarning, match=r"b\.xml: an empty file, left out"),
        pytest.warns(UserWarning, match=r"nothing that is used.*a\.txt"),
    ):
        assert "objects" not in arrowsmith.open(folder).schema.names
    (folder / "b.xml").unlink()
    assert objects(folder, annotations="yolo") == {"a": [], "b": None}
    (folder / "b.txt").write_bytes(b"0 0.5 0.5 1 1\n")
    assert objects(folder)["a"] == []


@pytest.mark.parametrize(("name", "text"), [("a.txt", "0 0.5 0.5 1 1\n"), ("a.xml", VOC)])
def test_pictures_of_one_stem_share_their_annotations(tmp_path, name, text):
    folder = written(tmp_path, {"a.jpg": jpeg(1), "a.png": png(2), name: text.encode()})
    first, second = arrowsmith.open(folder).to_table()["objects"].to_pylist()
    assert first == second
    assert len(first) > 0


def test_voc(tmp_path):
    files = {f"JPEGImages/{name}.jpg": jpeg(n) for n, name in enumerate("ab")}
    files["Annotations/a.xml"] = VOC.encode()
    found = objects(written(tmp_path, files))
    assert found["a"] == [
        {"category": "cat", "bbox_xyxy": [1.0, 2.0, 11.0, 12.5], "pose": "Left", "truncated": 1,
         "difficult": 0},
        {"category": "dog", "bbox_xyxy": None, "pose": None, "truncated": None, "difficult": None},
    ]  # fmt: skip
    assert found["b"] is None


def test_boxes_survive_parquet(tmp_path):
    folder = written(tmp_path / "in", {"a.jpg": jpeg(1), "a.xml": VOC.encode()})
    arrowsmith.open(folder).write(tmp_path / "out.parquet")
    assert arrowsmith.open(tmp_path / "out.parquet").to_table()["objects"].to_pylist() == [
        objects(folder)["a"]
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xml", b"<annotation><object><bndbox><xmin>x</xmin></bndbox></object></annotation>"),
        ("a.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><annotation>&b;</annotation>"),
        ("a.xml", b"<annotation"),
        ("c.json", b'{"images": [{"id": 1}], "annotations": []}'),
        ("c.json", b'{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{}]}'),
        ("c.json", b'{"images": 3, "annotations": []}'),
        ("classes.txt", "Käse".encode("latin-1")),
    ],
)
def test_damaged_annotations_are_told(tmp_path, name, content):
    folder = written(tmp_path, {"a.jpg": jpeg(1), name: content})
    with pytest.raises(DataError, match="annotation file"):
        arrowsmith.open(folder)
    assert len(arrowsmith.open(folder, annotations="none").to_table()) == 1
