"""Reading ``scams/``: the scripts, the rules beside them, and what the screening was taught."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jingxiaowei.content.scam_model import (
    ExemptionRule,
    Fusion,
    Practice,
    ReadingRule,
    ScamBook,
    ScamScript,
    Spelling,
    Wording,
)
from jingxiaowei.content.shelf import Shelf, list_of, parse, read, whole
from jingxiaowei.content.source import Level, Problem, yaml_files

# The files that are no scripts, by name; every other file of the folder is one.
WORDS, SPELLING, EXEMPTIONS, READINGS = (
    "words.yaml",
    "spelling.yaml",
    "exemptions.yaml",
    "readings.yaml",
)
FUSION, WORDING, PRACTICE = "fusion.yaml", "wording.npz", "practice"
_OTHERS = {WORDS, SPELLING, EXEMPTIONS, READINGS, FUSION}


def read_scams(shelf: Shelf, folder: Path) -> ScamBook:
    """Everything that the screening needs; what is wrong stands on the shelf."""
    if not folder.is_dir():
        shelf.problems.append(Problem(str(folder), 1, Level.ERROR, "没有找到话术文件夹"))
        return ScamBook()
    return ScamBook(
        scripts=_scripts(shelf, folder),
        exemptions=tuple(
            list_of(shelf, folder, [folder / EXEMPTIONS], "exemption", ExemptionRule).values()
        ),
        readings=tuple(
            list_of(shelf, folder, [folder / READINGS], "reading", ReadingRule).values()
        ),
        words=_words(shelf, folder / WORDS),
        spelling=whole(shelf, folder / SPELLING, Spelling) or Spelling(),
        fusion=whole(shelf, folder / FUSION, Fusion) if (folder / FUSION).exists() else None,
        wording=_wording(shelf, folder / WORDING),
    )


def _scripts(shelf: Shelf, folder: Path) -> tuple[ScamScript, ...]:
    scripts: dict[str, ScamScript] = {}
    files = [path for path in yaml_files(folder) if path.parent == folder]
    for file in files:
        if file.name in _OTHERS:
            continue
        doc = read(shelf, file)
        script = parse(shelf, doc, (), doc.value, ScamScript) if doc is not None else None
        if doc is None or script is None:
            continue
        key = script.scam_type.value
        if key in scripts:
            other, line = shelf.at("script", key)
            shelf.error(doc, ("scam_type",), f"“{key}”已在 {other} 第 {line} 行写过")
            continue
        scripts[key] = script
        shelf.places["script", key] = (doc, ())
        for i, signal in enumerate(script.signals):
            if ("signal", signal.id) in shelf.places:
                other, line = shelf.at("signal", signal.id)
                text = f"id “{signal.id}”重复，{other} 第 {line} 行已有"
                shelf.error(doc, ("signals", i, "id"), text)
            shelf.places.setdefault(("signal", signal.id), (doc, ("signals", i)))
    if not scripts:
        shelf.problems.append(Problem(str(folder), 1, Level.ERROR, "没有找到任何话术"))
    return tuple(scripts.values())


def _words(shelf: Shelf, path: Path) -> Mapping[str, tuple[str, ...]]:
    doc = read(shelf, path)
    if doc is None:
        return {}
    if not isinstance(doc.value, dict):
        shelf.error(doc, (), "要写成若干“词类: [词, 词]”")
        return {}
    found = {}
    for name, words in doc.value.items():
        if not isinstance(words, list) or not words:
            shelf.error(doc, (name,), f"词类“{name}”要列出至少一个词")
        else:
            found[str(name)] = tuple(str(word) for word in words)
    shelf.places["words", "words"] = (doc, ())
    return found


def _wording(shelf: Shelf, path: Path) -> Wording:
    """What ``evaluate --fit`` wrote; without it the rules stand alone."""
    if not path.exists():
        return Wording()
    try:
        with np.load(path, allow_pickle=False) as stored:
            terms = bytes(stored["terms"]).decode().split("\n")
            rules = bytes(stored["rules"]).decode().split("\n")
            weights = stored["weights"].astype(np.float32) * stored["unit"].astype(np.float32)
            wording = Wording(
                tuple(terms),
                tuple(rules),
                stored["rarity"].astype(np.float32),
                weights,
                stored["bias"].astype(np.float32),
            )
    except (OSError, KeyError, ValueError) as error:
        text = f"读不出来（{error}）：请重新运行 jingxiaowei evaluate --fit"
        shelf.problems.append(Problem(str(path), 1, Level.ERROR, text))
        return Wording()
    if weights.shape[0] != len(terms) + len(rules) or len(wording.rarity) != len(terms):
        text = "内容对不上：请重新运行 jingxiaowei evaluate --fit"
        shelf.problems.append(Problem(str(path), 1, Level.ERROR, text))
        return Wording()
    return wording


def read_practice(folder: Path) -> tuple[tuple[Practice, ...], list[Problem]]:
    """The practice texts; read only to teach and to examine, not at every start."""
    shelf = Shelf()
    found = []
    for file in yaml_files(folder / PRACTICE):
        practice = whole(shelf, file, Practice)
        if practice is not None:
            found.append(practice)
    return tuple(found), shelf.problems
