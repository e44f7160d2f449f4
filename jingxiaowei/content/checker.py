"""What an admin's files must fulfil beyond their schema: every problem, each at its line."""

from collections.abc import Container, Iterable, Iterator
from datetime import date

import chinese_calendar

from jingxiaowei.content.loader import placeholders, read_library
from jingxiaowei.content.model import Certainty, FaqEntry, Library
from jingxiaowei.content.normalise import compact
from jingxiaowei.content.rights_checker import RIGHTS_FIELDS, check_rights
from jingxiaowei.content.scam_checker import check_scams
from jingxiaowei.content.shelf import Shelf
from jingxiaowei.content.source import Level, Problem
from jingxiaowei.content.tag_checker import check_tags
from jingxiaowei.errors import ContentError
from jingxiaowei.settings import Settings

# WeCom's limits: a text in bytes, a menu label in characters (128 bytes, and what a phone shows).
TEXT_BYTES = 2048
LABEL_CHARACTERS = 16
PHRASINGS_WANTED = 10
HIT_CASES_WANTED, MISS_CASES_WANTED = 5, 2

# The lines that the program says by name, with what it can fill in.
VOICE_FIELDS: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        """
        menu popular hello who thanks okay bye unclear sorry suspicious large full helpful unhelpful
        ask_back neither unknown unknown_plain stale check_note stale_note
        hint_hukou hint_traffic hint_exit_entry
        emergency violence missing injury self_harm transferring fire
        voice video location file link other_kind image image_bad
        handoff failed rate masked joined left
        """.split(),
        frozenset(),
    ),
    **dict.fromkeys(
        """
        fraud_boss_not_yet fraud_in_progress fraud_done fraud_third_person fraud_unsure fraud_shared
        """.split(),
        frozenset(),
    ),
    "fraud_specimen": frozenset({"type"}),
    "fraud_publicity": frozenset({"type", "one", "two", "three", "motto"}),
    "fraud_other": frozenset({"type", "action"}),
    "welcome": frozenset({"unit"}),
    "privacy": frozenset({"unit", "privacy"}),
    "domain": frozenset({"name"}),
    "again": frozenset({"title"}),
    "signpost": frozenset({"agency", "phone"}),
    "handoff_again": frozenset({"code"}),
    **dict.fromkeys(("request_answered", "request_refused"), frozenset({"what", "code", "words"})),
    "contact_welcome": frozenset({"unit", "privacy"}),
    "ticket_closed": frozenset({"code", "words"}),
    "after_hours": frozenset({"time", "code", "phone"}),
    **dict.fromkeys(
        """
        silence night nobody correction_scam correction_scam_action
        correction_false_alarm correction_false_alarm_action
        correction_drill correction_drill_action
        """.split(),
        frozenset[str](),
    ),
    **dict.fromkeys(
        "advise_not_yet advise_in_progress advise_done".split(),
        frozenset({"role", "name", "station", "phone"}),
    ),
    "correction": frozenset({"day", "finding", "action"}),
    "long": frozenset({"n"}),
    **RIGHTS_FIELDS,
    "erased": frozenset({"code", "kept"}),
}


def load_library(settings: Settings, today: date) -> Library:
    """The checked content.

    Raises:
        ContentError: something is broken; the text names each file and line.
    """
    library, shelf = read_library(settings)
    refuse_errors(check_library(library, shelf, today))
    return library


def refuse_errors(problems: Iterable[Problem]) -> None:
    """Raise for what is no warning.

    Raises:
        ContentError: something is broken; the text names each file and line.
    """
    errors = [p for p in problems if p.level is Level.ERROR]
    if errors:
        lines = "\n".join(f"  {p.file}:{p.line} {p.message}" for p in errors)
        raise ContentError(f"内容文件有 {len(errors)} 处错误，请改好再启动：\n{lines}")


def check_library(library: Library, shelf: Shelf, today: date) -> list[Problem]:
    """All problems of the files, sorted by file and line; errors refuse the start."""
    for entry in library.entries:
        _check_entry(library, shelf, entry, today)
    _check_phrasings(library, shelf)
    _check_voice(library, shelf)
    _check_references(library, shelf)
    _check_calendar(shelf, today)
    check_scams(library.scams, shelf)
    check_rights(library, shelf)
    check_tags(library.taxonomy, library.forbidden, known_facts(library, shelf), shelf)
    return sorted(set(shelf.problems))


class _Any:
    def __contains__(self, _fact: object) -> bool:
        return True


def known_facts(library: Library, shelf: Shelf) -> Container[str]:
    """The fact codes that the rest of the content may name.

    While a file cannot be read, any: what it holds is not missing, and one fault is told of once.
    """
    if any(problem.level is Level.ERROR for problem in shelf.problems):
        return _Any()
    return {entry.fact for entry in library.entries}


def _texts(entry: FaqEntry) -> Iterator[tuple[tuple[str, ...], str]]:
    yield ("answer",), entry.answer
    for name in type(entry.parts).model_fields:
        text = getattr(entry.parts, name)
        if text:
            yield ("parts", name), text


def _check_entry(library: Library, shelf: Shelf, entry: FaqEntry, today: date) -> None:
    def say(level: Level, text: str, *path: str | int) -> None:
        shelf.report(level, text, "faq", entry.id, *path)

    size = 0
    for path, text in _texts(entry):
        size += len(text.encode())
        try:
            names = placeholders(text)
        except ValueError:
            say(Level.ERROR, "花括号不成对；要写窗口，用 {window.代号}", *path)
            continue
        for name in names:
            kind, _, rest = name.partition(".")
            window = rest.removesuffix(".full")
            if kind != "window" or window not in library.windows:
                say(Level.ERROR, f"没有“{{{name}}}”这个窗口，见 windows.yaml", *path)
    if size > TEXT_BYTES:
        say(Level.ERROR, f"答案共 {size} 字节，企业微信一条最多 {TEXT_BYTES} 字节", "answer")
    if len(entry.title) > LABEL_CHARACTERS:
        say(Level.WARNING, f"标题超过 {LABEL_CHARACTERS} 个字，按钮上放不下", "title")
    for kind in type(entry.concepts).model_fields:
        for i, slug in enumerate(getattr(entry.concepts, kind)):
            if library.lexicon.kinds.get(slug) != kind:
                say(Level.ERROR, f"词典里没有 {kind} 概念“{slug}”", "concepts", kind, i)
    if entry.reviewed_on is None:
        say(Level.WARNING, "还没有核对过：答案会加“请向窗口核实”", "reviewed_on")
    elif entry.reviewed_on > today:
        say(Level.WARNING, "核对日期在将来", "reviewed_on")
    if entry.valid_until is not None and entry.valid_until < today:
        say(Level.WARNING, "已过有效日期：答案会加“请向窗口核实”", "valid_until")
    if entry.owner is None:
        say(Level.WARNING, "没有写负责核对的部门（owner）", "id")
    if len(entry.phrasings) < PHRASINGS_WANTED:
        text = f"问法只有 {len(entry.phrasings)} 条，至少写 {PHRASINGS_WANTED} 条才答得准"
        say(Level.WARNING, text, "phrasings")
    hits, misses = len(entry.cases.hit), len(entry.cases.miss)
    if hits < HIT_CASES_WANTED or misses < MISS_CASES_WANTED:
        text = (
            f"试题不够：该命中的至少 {HIT_CASES_WANTED} 条，不该命中的至少 {MISS_CASES_WANTED} 条"
        )
        say(Level.WARNING, text, "cases")
    if entry.certainty is Certainty.CHECK and entry.valid_until is None:
        say(Level.WARNING, "因地而异的答案要写有效日期（valid_until）", "certainty")


def _check_phrasings(library: Library, shelf: Shelf) -> None:
    """A phrasing stands in one entry, once; a case is not one of the phrasings."""
    owner: dict[str, tuple[str, int]] = {}
    for entry in library.entries:
        for i, phrasing in enumerate(entry.phrasings):
            key = compact(phrasing)
            if not key:
                text = f"问法“{phrasing}”里没有字"
                shelf.report(Level.ERROR, text, "faq", entry.id, "phrasings", i)
                continue
            other, j = owner.setdefault(key, (entry.id, i))
            if (other, j) != (entry.id, i):
                file, line = shelf.at("faq", other, "phrasings", j)
                text = f"问法“{phrasing}”与 {file} 第 {line} 行（{other}）重复"
                shelf.report(Level.ERROR, text, "faq", entry.id, "phrasings", i)
    facts: dict[str, str] = {}
    for entry in library.entries:
        other_id = facts.setdefault(entry.fact, entry.id)
        if other_id != entry.id:
            text = f"事实编号 {entry.fact} 已由“{other_id}”使用"
            shelf.report(Level.ERROR, text, "faq", entry.id, "fact")
        for i, case in enumerate(entry.cases.hit):
            if compact(case) in owner:
                text = f"试题“{case}”和问法一样，测不出什么"
                shelf.report(Level.WARNING, text, "faq", entry.id, "cases", "hit", i)


def _check_voice(library: Library, shelf: Shelf) -> None:
    for key, fields in VOICE_FIELDS.items():
        if key not in library.voice:
            place = next(
                (doc for (kind, _), (doc, _) in shelf.places.items() if kind == "voice"), None
            )
            file = place.file if place else "voice"
            shelf.problems.append(Problem(file, 1, Level.ERROR, f"缺少“{key}”这句话"))
            continue
        voice = library.voice[key]
        try:
            unknown = set(placeholders(voice.text)) - fields
        except ValueError:
            shelf.report(Level.ERROR, "花括号不成对", "voice", key, "text")
            continue
        if unknown:
            text = f"“{'、'.join(sorted(unknown))}”没有东西可填"
            shelf.report(Level.ERROR, text, "voice", key, "text")
    for key, voice in library.voice.items():
        if len(voice.text.encode()) > TEXT_BYTES:
            shelf.report(Level.ERROR, f"超过 {TEXT_BYTES} 字节", "voice", key, "text")
        for i, option in enumerate(voice.options):
            if len(option.label) > LABEL_CHARACTERS or len(option.id.encode()) > 64:
                text = f"按钮“{option.label}”太长（最多 {LABEL_CHARACTERS} 个字）"
                shelf.report(Level.ERROR, text, "voice", key, "options", i)


def _check_references(library: Library, shelf: Shelf) -> None:
    for emergency in library.emergencies:
        if emergency.card not in library.voice:
            text = f"voice 里没有“{emergency.card}”这句话"
            shelf.report(Level.ERROR, text, "emergency", emergency.id, "card")
    for talk in library.smalltalk:
        if talk.reply not in library.voice:
            text = f"voice 里没有“{talk.reply}”这句话"
            shelf.report(Level.ERROR, text, "smalltalk", talk.id, "reply")
    desks = [area.id for area in library.areas.values() if area.desk]
    if len(desks) != 1 and library.areas:
        text = f"要有且只有一个辖区写 desk: true（现在 {len(desks)} 个）"
        shelf.report(Level.ERROR, text, "area", next(iter(library.areas)))


def _check_calendar(shelf: Shelf, today: date) -> None:
    """The national calendar is published year by year; without it only weekdays count."""
    try:
        chinese_calendar.is_workday(today)
    except NotImplementedError:  # what the library raises for a year it does not hold
        text = f"还没有 {today.year} 年的放假安排：按周一到周五算，调休请写在这里"
        doc = shelf.places.get(("calendar", "calendar"))
        file = doc[0].file if doc else "calendar.yaml"
        shelf.problems.append(Problem(file, 1, Level.WARNING, text))
