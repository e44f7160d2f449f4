"""What the words of the residents' rights must fulfil beyond their schema, and their lines."""

from jingxiaowei.content.model import Library
from jingxiaowei.content.normalise import compact
from jingxiaowei.content.shelf import Shelf
from jingxiaowei.content.source import Level
from jingxiaowei.content.tag_model import Applier

RIGHTS = frozenset(
    """
    view readers export erase agree withdraw correct
    this_wrong this_delete this_object yes no erase_yes erase_no see fine
    """.split()
)
# Understood only where they answer what was just shown or asked.
IN_CONTEXT = frozenset(
    "this_wrong this_delete this_object yes no erase_yes erase_no see fine".split()
)
_NAMED = frozenset({"name"})
RIGHTS_FIELDS: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        """
        file_empty file_end file_fine file_here private_closed item_gone which readers_none
        erasing erase_not agreed refused consent_none opt_out opt_in low_freq
        under14 under14_again under14_guardian teen teen_guardian erase_kept
        """.split(),
        frozenset[str](),
    ),
    "notice": frozenset({"unit"}),
    "own_file": frozenset({"n"}),
    "file_line": frozenset({"i", "name", "who", "day", "why", "until"}),
    "file_own_line": frozenset({"i", "name", "day", "until"}),
    "own_item": frozenset({"name", "definition", "day", "purposes", "until"}),
    "file_private": frozenset({"n"}),
    "file_private_head": frozenset({"n"}),
    "file_more": frozenset({"n"}),
    "file_contact": frozenset({"what"}),
    "file_request": frozenset({"what", "code", "day"}),
    "item": frozenset({"name", "definition", "who", "day", "why", "purposes", "until"}),
    **dict.fromkeys("deleted objected chosen unchosen not_on_file not_choosable".split(), _NAMED),
    "held_by_law": frozenset({"name", "ground", "day", "code"}),
    "requested": frozenset({"what", "day", "code"}),
    "request_more": frozenset({"code"}),
    "readers": frozenset({"lines"}),
    "readers_line": frozenset({"day", "who", "why"}),
    "export_link": frozenset({"hours"}),
    "export_long": frozenset({"window", "code", "day"}),
    "erase_ask": frozenset({"kept"}),
    "keep_ask": frozenset({"name", "until"}),
    "tag_ask": frozenset({"name", "purposes", "until"}),
    "tag_ask_careful": frozenset({"name", "purposes", "until"}),
    "withdrawn": frozenset({"n"}),
}


def check_rights(library: Library, shelf: Shelf) -> None:
    """Every right has its words, no words belong to two, every choice is a resident's."""
    book = library.rights
    if not book.rights:
        return  # the file itself is missing or broken, and that has been said
    file = shelf.at("rights", "rights")[0]
    for missing in sorted(RIGHTS - {right.id for right in book.rights}):
        shelf.report_file(file, f"缺少“{missing}”的说法")
    said: dict[str, str] = {}
    for i, right in enumerate(book.rights):
        if right.id not in RIGHTS:
            text = f"不认识“{right.id}”"
            shelf.report(Level.ERROR, text, "rights", "rights", "rights", i, "id")
        if right.id not in IN_CONTEXT:
            for j, word in enumerate(right.says):
                _own(shelf, said, word, right.id, "rights", i, "says", j)
    for i, choice in enumerate(book.choices):
        tag = library.taxonomy.by_slug.get(choice.tag)
        if tag is None or Applier.RESIDENT not in tag.applied_by:
            text = f"“{choice.tag}”不是居民自己能选的标签"
            shelf.report(Level.ERROR, text, "rights", "rights", "choices", i, "tag")
        for name in ("reply", "off_reply"):
            key = getattr(choice, name)
            if key and key not in library.voice:
                text = f"voice 里没有“{key}”这句话"
                shelf.report(Level.ERROR, text, "rights", "rights", "choices", i, name)
        for name in ("on", "off"):
            for j, word in enumerate(getattr(choice, name)):
                _own(shelf, said, word, f"{choice.tag} {name}", "choices", i, name, j)


def _own(shelf: Shelf, said: dict[str, str], word: str, owner: str, *path: str | int) -> None:
    first = said.setdefault(compact(word), owner)
    if first != owner:
        text = f"“{word}”已经属于“{first}”"
        shelf.report(Level.ERROR, text, "rights", "rights", *path)
