"""An option is written once per language, and every language has all of them."""

from __future__ import annotations

import inspect
import re
from typing import get_args

import numpy as np
import pytest
from conftest import ROOT

import pyengine
from pyengine import _core, arguments

HEADERS = ROOT / "csrc" / "include" / "pyengine"


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)


def fields(body: str) -> dict[str, tuple[str, str]]:
    """Type and initial value by name."""
    found = {}
    for line in body.split(";"):
        declared, _, initial = " ".join(line.split()).partition(" = ")
        if declared and "(" not in declared:
            kind, names = re.fullmatch(r"(.*?[ *>])(\w+(?:, \w+)*)(?:\[\d+\])?", declared).groups()
            for name in names.split(", "):
                found[name] = (kind.strip(), initial)
    return found


CPP = "\n".join(
    without_comments(p.read_text())
    for p in sorted(HEADERS.glob("*.h"))
    if not p.name.startswith("c_")
)
C = without_comments("\n".join(p.read_text() for p in sorted(HEADERS.glob("c_*.h"))))
CPP_STRUCTS = {
    name: fields(re.sub(r"\n[^\n;]*\) const \{.*?\}", "", body, flags=re.DOTALL))  # no functions
    for name, body in re.findall(r"^struct (\w+) \{(.*?)^\};", CPP, re.DOTALL | re.MULTILINE)
}
C_STRUCTS = {
    name: fields(body)
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", C, re.DOTALL)
}
ENUMS = {
    name: len(re.findall(r"\w[^,]*", body))
    for name, body in re.findall(r"enum (?:class )?(\w+) \{(.*?)\}", CPP + C, re.DOTALL)
}

PAIRS = {
    "EngineOptions": "pye_engine_options",
    "SegmentOptions": "pye_segment_options",
    "ThreadOptions": "pye_thread_options",
    "EngineInfo": "pye_engine_info",
    "ClassInfo": "pye_class_info",
    "LayerInfo": "pye_layer_info",
    "ResultInfo": "pye_result_info",
    "TilePlan": "pye_tile_plan",
    "OpTime": "pye_op_time",
    "MemoryUse": "pye_memory",
    "ValueRange": "pye_range",
    "LabelRun": "pye_run",
    "LabelContour": "pye_contour",
    "ExecutorStatus": "pye_executor_status",
    "ImageView": "pye_image",
}
# What C says in another way.
ELSEWHERE = {
    "EngineOptions.executor_alignment_px": "for executors of one's own, which are C++",
    "EngineOptions.executor_halo_px": "likewise",
    "EngineInfo.classes": "label_count and pye_engine_class()",
    "EngineInfo.layers": "layer_count and pye_engine_layer()",
    "EngineInfo.results": "result_count and pye_engine_result()",
    "ImageView.first_row": "pye_band",
    "ImageView.rows": "pye_band",
    "ImageView.byte_order": "added to the type",
    "Classification": "arguments of pye_engine_classify()",
    "NetworkGeometry": "fields of pye_engine_info",
    "RunLimits": "for executors of one's own, which are C++",
    "AxisGeometry": "for executors of one's own, which are C++",
    "LabelView": "arguments",
    "TileSize": "a field for each side",
    "TileReport": "arguments of pye_tile_report",
    "Window": "four fields each",
    "Tile": "for executors of one's own, which are C++",
}
ONLY_C = {
    "size": "versions of the struct",
    "user": "handed to the callback",
    "run_tasks_user": "handed to the callback",
    "core_count": "a vector's size",
    "library_folder_count": "a vector's size",
    "foreground_count": "a vector's size",
    "label_count": "a vector's size",
    "streams_bytes": "streams know their memory themselves",
    "layer_count": "a vector's size",
    "result_count": "a vector's size",
}
# Methods of Engine with another name in C, or none.
FUNCTIONS = {
    "Open": "pye_engine_open",
    "info": "pye_engine_describe",
    "Plan": "pye_engine_plan",
    "Prepare": "pye_engine_prepare",
    "OpenMemory": "pye_engine_open_memory",
    "OpenDescriptor": "pye_engine_open_descriptor",
    "Memory": "pye_engine_memory",
    "Trim": "pye_engine_trim",
    "CheckRange": "pye_engine_check_range",
    "SegmentLabels": "pye_segment_labels",
    "SegmentScores": "pye_segment_scores",
    "SegmentLabelsOnDevice": "pye_segment_labels_on_device",
    "SegmentScoresOnDevice": "pye_segment_scores_on_device",
    "BandRows": "pye_band_rows",
    "SegmentVolume": "pye_segment_volume",
    "RunVolume": "pye_engine_run_volume",
    "RunVolumeOutputShape": "pye_engine_run_volume_output_shape",
    "ProfileVolume": None,  # of an executor of one's own
    "SegmentBand": "pye_segment_band",
    "Classify": "pye_engine_classify",
    "Normalise": "pye_engine_normalise",
    "Run": "pye_engine_run",
    "RunOutputShape": "pye_engine_run_output_shape",
    "Profile": "pye_engine_profile",
    "AllocateOnDevice": None,  # CUDA's own functions do
    "StreamWait": None,
    "Statistics": None,  # bands of an image whose preprocessing depends on all of it: C++ alone
}


def flat(struct: str) -> set[str]:
    """Names of the fields as C writes them: no structs in structs, units apart."""
    names = set()
    for name, (kind, _) in CPP_STRUCTS[struct].items():
        if kind in ("TileSize", "Window"):
            # C's plans are of images.
            names |= {f"{name}_{side}" for side in CPP_STRUCTS[kind].keys() - {"depth", "front"}}
        elif kind == "NetworkGeometry":
            names |= {n for n, (of, _) in CPP_STRUCTS[kind].items() if of != "AxisGeometry"}
        elif f"{struct}.{name}" not in ELSEWHERE:
            names.add(name)
    return {name.removesuffix("_px") for name in names}


def test_the_headers_are_read() -> None:
    assert len(CPP_STRUCTS["SegmentOptions"]) >= 10
    assert CPP_STRUCTS["SegmentOptions"]["overlap"] == ("double", "0.25")
    assert C_STRUCTS["pye_image"]["data"] == ("const void*", "")


def test_every_public_struct_has_its_like_in_c() -> None:
    assert set(CPP_STRUCTS) == set(PAIRS) | {n for n in ELSEWHERE if "." not in n}


@pytest.mark.parametrize("struct", PAIRS)
def test_structs_of_c_hold_what_those_of_cpp_hold(struct: str) -> None:
    in_c = {name.removesuffix("_px") for name in C_STRUCTS[PAIRS[struct]]}
    assert in_c - set(ONLY_C) == flat(struct)


@pytest.mark.parametrize(
    ("cpp", "c"),
    [
        ("PixelType", "pye_pixel_type"),
        ("Accuracy", "pye_accuracy"),
        ("OnMismatch", "pye_on_mismatch"),
        ("ThreadPolicy", "pye_thread_policy"),
        ("TileMode", "pye_mode"),
        ("OutputKind", "pye_output"),
        ("PaddingMode", "pye_padding"),
        ("Augmentation", "pye_augmentation"),
    ],
)
def test_enumerations_have_as_many_values_everywhere(cpp: str, c: str) -> None:
    assert ENUMS[cpp] == ENUMS[c] == len(getattr(_core, cpp).__members__) > 1


def test_every_method_of_the_engine_has_a_function_in_c() -> None:
    (body,) = re.findall(r"class PYENGINE_EXPORT Engine \{(.*?) private:", CPP, re.DOTALL)
    methods = set(re.findall(r"(\w+)\([^()]*(?:\{\}[^()]*)?\)(?: const)?(?: noexcept)?;", body))
    methods -= {"Engine"}
    assert methods == set(FUNCTIONS)
    functions = set(re.findall(r"(pye_\w+)\(", C))
    assert {f for f in FUNCTIONS.values() if f} <= functions


# ---- Python ---------------------------------------------------------------------------------------

TABLES = [
    (
        arguments.EngineKeywords,
        _core.EngineOptions,
        {"isa", "device", "library_folders", "run_tasks"},
    ),
    (
        arguments.SegmentKeywords,
        _core.SegmentOptions,
        {"progress", "foreground", "foreground_cell_px", "report"},
    ),
]


@pytest.mark.parametrize(("keywords", "core", "apart"), TABLES)
def test_keywords_fill_every_field_of_the_core(keywords, core, apart) -> None:
    filled = [f for option in arguments.table(keywords).values() for f in option.fields]
    assert sorted([*filled, *apart]) == sorted(core.fields)
    own = {name for name in CPP_STRUCTS[core.__name__] if f"{core.__name__}.{name}" in ELSEWHERE}
    assert set(core.fields) == set(CPP_STRUCTS[core.__name__]) - own


@pytest.mark.parametrize(("keywords", "core", "apart"), TABLES)
def test_defaults_are_the_same_in_both_languages(keywords, core, apart) -> None:
    for name, option in arguments.table(keywords).items():
        value = option.check(name, option.default)
        for field, given in zip(
            option.fields, value if len(option.fields) > 1 else (value,), strict=True
        ):
            kind, initial = CPP_STRUCTS[core.__name__][field]
            if initial in ("", "nullptr"):  # a function or an object: none
                assert given is None, field
            elif kind == "ThreadOptions":
                assert option.default is None
            elif "::" in initial:
                assert initial == f"{kind}::k{given.name.rstrip('_').capitalize()}"
            else:
                assert float({"false": "0", "true": "1"}.get(initial, initial)) == given, field


@pytest.mark.parametrize(
    ("literal", "enumeration"),
    [
        (arguments.Output, _core.OutputKind),
        (arguments.Mode, _core.TileMode),
        (arguments.PaddingMode, _core.PaddingMode),
        (arguments.Augmentation, _core.Augmentation),
        (arguments.Accuracy, _core.Accuracy),
        (arguments.OnMismatch, _core.OnMismatch),
    ],
)
def test_words_are_those_of_the_core(literal, enumeration) -> None:
    assert set(get_args(literal)) == set(arguments.words(enumeration))


@pytest.mark.parametrize(
    ("described", "keywords"),
    [
        (pyengine.Engine, arguments.EngineKeywords),
        (pyengine.Engine.plan, arguments.SegmentKeywords),
        (pyengine.Engine.segment, arguments.SegmentKeywords),
        (pyengine.Engine.segment_batch, arguments.SegmentKeywords),
        (pyengine.Engine.segment_file, arguments.SegmentKeywords),
    ],
)
def test_help_names_and_explains_every_keyword(described, keywords) -> None:
    parameters = inspect.signature(described).parameters
    for name, option in arguments.table(keywords).items():
        assert parameters[name].default == option.default
        assert re.search(rf"^{name} : ", described.__doc__, re.MULTILINE)
    assert "**options" not in described.__doc__


def test_unknown_options_are_refused_by_name(membranes, tmp_path) -> None:
    image = np.zeros((8, 8), np.uint8)
    np.save(tmp_path / "in.npy", image)
    with pytest.raises(TypeError, match="unknown option 'tiles'; known: tile, batch_size"):
        membranes.segment(image, tiles=3)
    with pytest.raises(TypeError, match="'tiles'"):
        list(membranes.segment_batch([image], tiles=3))
    with pytest.raises(TypeError, match="'tiles'"):
        membranes.segment_file(tmp_path / "in.npy", tmp_path / "out.npy", tiles=3)
    with pytest.raises(TypeError, match="'treads'.*threads"):
        pyengine.Engine("em-membranes", treads=3)
    assert [p.name for p in tmp_path.iterdir()] == ["in.npy"]


def test_the_core_refuses_fields_that_it_does_not_have() -> None:
    with pytest.raises(TypeError, match="'tiles'"):
        _core.SegmentOptions(tiles=3)
    with pytest.raises(TypeError, match=r"SegmentOptions\.mode cannot be 'exact'"):
        _core.SegmentOptions(mode="exact")
