"""标签调整的文件: what a surgery means for ``tags/*.yaml``, checked before it is offered, written
where the folder lets us, and put back when the surgery is undone."""

import difflib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jingxiaowei.content.model import Library
from jingxiaowei.content.shelf import Shelf
from jingxiaowei.content.source import Level, yaml_files
from jingxiaowei.content.tag_checker import BY_SYSTEM, check_tags
from jingxiaowei.content.tag_edits import Edit, edited
from jingxiaowei.content.tag_loader import read_taxonomy
from jingxiaowei.content.tag_model import OPT_OUT
from jingxiaowei.errors import ContentError
from jingxiaowei.pipeline.rights import LARGE_TEXT
from jingxiaowei.services.handing_over import PROMISES
from jingxiaowei.services.surgery_values import Kind, Plan
from jingxiaowei.services.tagging_values import TagRefusedError

# Tags that the program itself asks about: without them it would do the wrong thing in silence.
_KNOWN = frozenset({OPT_OUT, LARGE_TEXT, *BY_SYSTEM, *PROMISES})
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True)
class Proposal:
    """The tags' files as a plan wants them.

    Attributes:
        texts: by file: how it stands, and how it would.
        faults: what the checker refuses in it, or why there is none.
        notes: what the checker warns of.
        writable: whether we may write it ourselves.
    """

    texts: Mapping[Path, tuple[str, str]]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    writable: bool = False

    @property
    def patch(self) -> str:
        """All of it as ``git apply`` and ``patch -p1`` take it."""
        lines: list[str] = []
        for path, (before, after) in self.texts.items():
            name = f"{path.parent.name}/{path.name}"
            lines += difflib.unified_diff(
                before.splitlines(keepends=True),
                after.splitlines(keepends=True),
                f"a/{name}",
                f"b/{name}",
            )
        return "".join(lines)

    @property
    def kept(self) -> list[dict[str, str]]:
        """What undoing needs of it."""
        return [
            {"file": path.name, "before": before, "after": after}
            for path, (before, after) in self.texts.items()
        ]


class TagFiles:
    """The folder of the tags' files.

    Args:
        folder: ``tags/``. lexicon: the folder with what the checker needs beside it.
    """

    def __init__(self, folder: Path, lexicon: Path) -> None:
        self._folder = folder
        self._lexicon = lexicon

    def propose(self, plan: Plan, library: Library) -> Proposal:
        """What a plan means for the files; nothing is written."""
        try:
            texts = edited(self._folder, _edit(plan, library))
        except ContentError as error:
            return Proposal({}, (str(error),))
        faults, notes = self._checked(texts, library)
        writable = all(os.access(path, os.W_OK) for path in (self._folder, *texts))
        return Proposal(texts, faults, notes, writable)

    def _checked(
        self, texts: Mapping[Path, tuple[str, str]], library: Library
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the checker says of the whole folder with the changes in it."""
        shelf = Shelf()
        with tempfile.TemporaryDirectory(prefix="jxw-tags-") as name:
            for path in yaml_files(self._folder):
                text = texts[path][1] if path in texts else path.read_text(encoding="utf-8")
                (Path(name) / path.name).write_text(text, encoding="utf-8")
            taxonomy = read_taxonomy(shelf, Path(name), self._lexicon)
        facts = {entry.fact for entry in library.entries}
        check_tags(taxonomy, library.forbidden, facts, shelf)
        said: dict[Level, list[str]] = {level: [] for level in Level}
        said[Level.ERROR] += [
            f"“{choice.tag}”在 rights.yaml 里还写着，居民能自己选它，先在那里改"
            for choice in library.rights.choices
            if choice.tag in library.taxonomy.by_slug and choice.tag not in taxonomy.by_slug
        ]
        for problem in sorted(set(shelf.problems)):
            line = f"{Path(problem.file).name} 第 {problem.line} 行：{problem.message}"
            said[problem.level].append(line)
        return tuple(said[Level.ERROR]), tuple(said[Level.WARNING])

    def write(self, proposal: Proposal) -> bool:
        """Write a proposal; whether the files are as it wants them.

        Somebody who edits the same files at this moment keeps what they wrote.
        """
        if not proposal.texts:
            return True
        if proposal.faults or not proposal.writable:
            return False
        return self._exchange(proposal.texts)

    def put_back(self, kept: list[dict[str, Any]]) -> bool:
        """Undo what :meth:`write` wrote, unless it was edited since; whether it was undone."""
        return self._exchange(
            {self._folder / each["file"]: (each["after"], each["before"]) for each in kept}
        )

    def _exchange(self, texts: Mapping[Path, tuple[str, str]]) -> bool:
        if any(_read(path) != before for path, (before, _) in texts.items()):
            return False
        made: list[tuple[Path, Path]] = []
        try:
            for path, (_, after) in texts.items():
                # Hidden: the watcher and the checker pass it over.
                new = path.with_name(f".{path.name}.new")
                made.append((new, path))
                new.write_text(after, encoding="utf-8")
                new.chmod(path.stat().st_mode & 0o777)
            for new, path in made:
                new.replace(path)
        except OSError:
            for new, _ in made:
                new.unlink(missing_ok=True)
            return False
        return True


def require_sense(plan: Plan, library: Library, files: TagFiles | None) -> None:
    """Refuse a plan that makes none.

    Raises:
        TagRefusedError: says why.
    """
    known, groups = library.taxonomy.by_slug, {group.slug for group in library.taxonomy.groups}
    if not plan.sources or plan.target in plan.sources:
        raise TagRefusedError("写明调整哪些标签，新旧不能相同。")
    if plan.kind is not Kind.MERGE and len(plan.sources) > 1:
        raise TagRefusedError("一次只调整一个；合并才能写几个。")
    fixed = sorted(_KNOWN & set(plan.sources)) if plan.kind not in (Kind.SPLIT, Kind.MOVE) else []
    if fixed:
        raise TagRefusedError(f"“{fixed[0]}”是程序认得的标签，代号不能改，也不能停用。")
    if plan.kind is Kind.RETIRE and plan.target:
        raise TagRefusedError("停用不写新标签。")
    if plan.kind is Kind.MOVE and plan.sources[0] not in known:
        raise TagRefusedError(f"没有“{plan.sources[0]}”这个标签。")
    if plan.kind is Kind.MOVE and plan.target and plan.target not in groups:
        raise TagRefusedError(f"没有“{plan.target}”这个组。")
    if (plan.kind is Kind.SPLIT) != bool(plan.expression):
        raise TagRefusedError("拆分要写哪些人用新标签，别的不用写。")
    wants = plan.kind in (Kind.RENAME, Kind.MERGE, Kind.SPLIT)
    if wants and plan.target not in known and not _renames(plan, library, files):
        raise TagRefusedError(f"新标签“{plan.target}”还不在标签表里，先在 YAML 里加上。")


def _renames(plan: Plan, library: Library, files: TagFiles | None) -> bool:
    """Whether it is a rename that we can follow in the files ourselves."""
    if plan.kind is not Kind.RENAME or files is None or not _SLUG.fullmatch(plan.target):
        return False
    proposal = files.propose(plan, library)
    return bool(proposal.texts) and proposal.writable and not proposal.faults


def _edit(plan: Plan, library: Library) -> Edit:
    match plan.kind:
        case Kind.MOVE if plan.target:
            return Edit(plan.sources, group=plan.target)
        case Kind.RENAME:
            fresh = plan.target not in library.taxonomy.by_slug
            return Edit(plan.sources, plan.target, renamed=fresh)
        case Kind.MERGE | Kind.RETIRE:
            return Edit(plan.sources, plan.target)
        case Kind.SPLIT | Kind.MOVE:
            return Edit(())  # both tags stay, or it was moved by hand


def _read(path: Path) -> str:
    """A file as :func:`.edited` reads it; empty where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return text if text.endswith("\n") else text + "\n"
