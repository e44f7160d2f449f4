"""What the screening is taught with, and what is kept for its exam."""

from pathlib import Path

from jingxiaowei.services.screen_practice import EXAM, lessons

TAUGHT = """scam_type: none
groups:
  - form: talk
    stage: none
    transfer: unknown
    texts: [今天食堂吃面, 明天窗口几点开门, 车停在院子里了, 把门带上, 晚上一起走, 会议改到三点]
"""


def test_a_file_for_the_exam_is_never_taught(tmp_path: Path) -> None:
    folder = tmp_path / "practice"
    folder.mkdir()
    (folder / "talk.yaml").write_text(TAUGHT, encoding="utf-8")
    alone = lessons(tmp_path)
    exam = TAUGHT.replace("groups:", "exam: true\ngroups:").replace("食堂吃面", "食堂吃饭")
    (folder / "exam-talk.yaml").write_text(exam, encoding="utf-8")
    both = lessons(tmp_path)
    apart = [lesson for lesson in both if lesson.kept_apart]
    assert [lesson for lesson in both if not lesson.kept_apart] == alone
    assert len(apart) == len(alone)
    assert {lesson.fold for lesson in apart} == {EXAM}
    assert {lesson.fold for lesson in alone} != {EXAM}
