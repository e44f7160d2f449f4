"""Changes of the tags' files keep everything else as an admin wrote it."""

from pathlib import Path

import pytest

from jingxiaowei.content.shelf import Shelf
from jingxiaowei.content.source import yaml_files
from jingxiaowei.content.tag_edits import Edit, edited
from jingxiaowei.content.tag_loader import read_taxonomy
from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.errors import ContentError
from tests.conftest import ROOT

LEXICON = ROOT / "jingxiaowei" / "content" / "lexicon"
FOLDER = ROOT / "tags"


def taxonomy_after(edit: Edit, tmp_path: Path) -> tuple[Taxonomy, dict[str, tuple[str, str]]]:
    changed = edited(FOLDER, edit)
    for path in yaml_files(FOLDER):
        before = path.read_text(encoding="utf-8")
        (tmp_path / path.name).write_text(changed.get(path, ("", before))[1], encoding="utf-8")
    shelf = Shelf()
    taxonomy = read_taxonomy(shelf, tmp_path, LEXICON)
    assert not shelf.problems
    return taxonomy, {path.name: texts for path, texts in changed.items()}


def lines(texts: tuple[str, str]) -> set[str]:
    """The lines that are not the same before and after."""
    before, after = (text.splitlines() for text in texts)
    return set(before) ^ set(after)


@pytest.fixture(scope="module")
def before() -> Taxonomy:
    return read_taxonomy(Shelf(), FOLDER, LEXICON)


def test_a_tag_is_renamed_where_it_stands(before: Taxonomy, tmp_path: Path) -> None:
    after, changed = taxonomy_after(Edit(("senior_60",), "over_60", renamed=True), tmp_path)
    assert set(changed) == {"01-family-life.yaml"}
    assert len(after.tags) == 102
    assert after.by_slug["over_60"].name == "六十岁以上"
    assert after.narrower == {"over_60": "senior_70"}
    assert "over_60" in after.conflicts("young_adult")
    assert all("60" in line for line in lines(changed["01-family-life.yaml"]))
    assert [t.slug for t in after.tags if t.slug != "over_60"] == [
        t.slug for t in before.tags if t.slug != "senior_60"
    ]


def test_merged_tags_go_and_what_names_them_names_the_other(tmp_path: Path) -> None:
    after, changed = taxonomy_after(Edit(("dorm_resident", "renter"), "landlord"), tmp_path)
    assert {"renter", "dorm_resident"}.isdisjoint(after.by_slug)
    assert len(after.tags) == 100
    [group] = [each for each in after.groups if each.slug == "residence"]
    assert group.one_of == (("local_hukou", "new_resident", "overseas_resident"),)
    text = changed["02-residence.yaml"][1]
    assert text.count("#") <= changed["02-residence.yaml"][0].count("#")
    assert "\n\n\n" not in text


def test_a_retired_tag_leaves_no_rule_behind(tmp_path: Path) -> None:
    after, changed = taxonomy_after(Edit(("pref_low_freq",)), tmp_path)
    assert "pref_low_freq" not in changed["12-contact-pref.yaml"][1]
    assert "one_of" not in changed["12-contact-pref.yaml"][1]
    assert len(after.tags) == 101
    again, _ = taxonomy_after(Edit(("senior_60",)), tmp_path)
    assert again.by_slug["senior_70"].part_of is None


def test_every_tag_can_be_renamed_retired_and_moved(before: Taxonomy, tmp_path: Path) -> None:
    for tag in before.tags[7::40]:
        group = "care" if tag.group != "care" else "volunteer"
        after, _ = taxonomy_after(Edit((tag.slug,), group=group), tmp_path)
        assert after.by_slug[tag.slug].group == group
        same = {"group": "", "minors": False}
        assert after.by_slug[tag.slug].model_copy(update=same) == tag.model_copy(update=same)
        assert len(taxonomy_after(Edit((tag.slug,)), tmp_path)[0].tags) == 101
        after, _ = taxonomy_after(Edit((tag.slug,), "something_new", renamed=True), tmp_path)
        assert after.conflicts("something_new") == before.conflicts(tag.slug)


def test_what_cannot_be_changed_is_said(tmp_path: Path) -> None:
    assert edited(FOLDER, Edit(("no_such_tag",))) == {}
    with pytest.raises(ContentError, match="没有这个标签或这个组"):
        edited(FOLDER, Edit(("renter",), group="no_such_group"))
    (tmp_path / "a.yaml").write_text("- just\n- a list\n", encoding="utf-8")
    with pytest.raises(ContentError, match="不是标签文件"):
        edited(tmp_path, Edit(("renter",)))
