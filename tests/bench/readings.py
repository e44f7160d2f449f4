"""How well and how fast screenshots are read: drawn ones in every style, or a folder of others.

``python -m tests.bench.readings`` draws its own (it needs a Chinese font); with a folder it reads
the pictures that its ``labels.tsv`` names in the columns ``file`` and ``text``.
"""

import asyncio
import csv
import io
import itertools
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from PIL import Image, ImageFilter
from rapidfuzz.distance import Levenshtein

from jingxiaowei.pipeline.transcript import as_dialogue
from jingxiaowei.services.reading import Reader
from tests.pictures import STYLES, Chat, chinese_font, draw_chat, saved

CHATS = (
    Chat(
        [
            ("", "昨天 09:12"),
            ("赵总", "小陈，在公司吗？账上现在还有多少钱，截图发我看一下"),
            ("我", "赵总，基本户 83.6 万，截图稍后给您"),
            ("赵总", "好，先给合作方付 38 万保证金，手续回来补"),
            ("赵总", "我在开会，别打电话，付完发回单"),
            ("我", "要走审批吗"),
            ("", "赵总撤回了一条消息"),
            ("赵总", "特事特办，出了问题我负责"),
            ("我", "好的"),
        ],
        "高层沟通群(4)",
    ),
    Chat(
        [
            ("", "14:02"),
            ("客服小美", "亲，您的快递丢失了，我们给您三倍赔付"),
            ("我", "怎么赔"),
            ("客服小美", "请下载会议软件，会议号 718 290 364，我教您操作"),
            ("我", "要共享屏幕吗？我有点不放心"),
            ("客服小美", "这是标准流程的，请放心。银行卡号 6222020200112233445 收款"),
            ("我", "我还是先问问警察"),
        ],
        "客服小美",
        names=False,
    ),
    Chat(
        [
            ("", "上午 10:20"),
            ("行政老周", "明天下午三点消防演练，各部门派两个人参加，不要迟到"),
            ("财务小吴", "收到"),
            ("财务小吴", "报销单月底前交，发票抬头写全称"),
            ("我", "合同 HT-2026-118 的尾款 12,500.00 元付了吗"),
            ("财务小吴", "付了，回单在OA里"),
            ("我", "谢谢"),
        ],
        "办公室通知(28)",
    ),
    Chat(
        [
            ("", "18:45"),
            ("王主管Kevin", "Hi，今天的任务做完就能提现，本金加佣金一共 5680 元"),
            ("我", "之前的 3 单还没返"),
            ("王主管Kevin", "要连做三单才能一起返，这单垫付 9800"),
            ("导师阿月", "大家都到账了，抓紧时间"),
            ("我", "我没有那么多钱了"),
            ("王主管Kevin", "可以借呗先周转，系统五分钟内必须完成，不然前面的都冻结"),
        ],
        "福利任务群08(56)",
    ),
    Chat(
        [
            ("", "星期三 20:11"),
            ("妈妈", "你爸的身份证快到期了，去哪里换"),
            ("我", "派出所或者便民服务中心都行，带旧证去就可以，不收照相的钱"),
            ("妈妈", "好"),
            ("我", "周六我陪他去"),
        ],
        "妈妈",
        names=False,
    ),
)
SIZES = (1080, 750, 540)
SPOILT = {"clear": 0, "jpeg": 60, "blurred": 50}


@dataclass(frozen=True)
class Case:
    name: str
    picture: bytes
    truth: str


def truth(chat: Chat) -> str:
    said = [f"{who}：{text}" if who else text for who, text in chat.said]
    return "\n".join([chat.title, *said])


def drawn() -> Iterator[Case]:
    """Each chat in each style once, sizes and damage in turn."""
    turns = itertools.cycle(itertools.product(SIZES, SPOILT))
    for (number, chat), (name, style) in itertools.product(enumerate(CHATS), STYLES.items()):
        width, damage = next(turns)
        picture = draw_chat(chat, style, width)
        if damage == "blurred":
            picture = picture.filter(ImageFilter.GaussianBlur(0.7 * width / 1080))
        quality = SPOILT[damage]
        data = saved(picture, "JPEG", quality=quality) if quality else saved(picture)
        yield Case(f"{name}-{number}-{width}-{damage}", data, truth(chat))


def labelled(folder: Path) -> Iterator[Case]:
    with (folder / "labels.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            data = (folder / row["file"]).read_bytes()
            yield Case(row["file"], data, row["text"].replace("\\n", "\n"))


def letters(text: str) -> str:
    """What is compared: no spaces, which a picture does not show for certain, and one kind of
    full-width and half-width marks."""
    marks = str.maketrans("，。？！：；（）“”", ',.?!:;()""')
    return "".join(text.translate(marks).split())


@dataclass
class Score:
    wrong: int = 0
    characters: int = 0
    bubbles: int = 0
    sides: int = 0
    speakers: int = 0
    exact: int = 0


def judge(read: str, case: Case, score: Score) -> bool:
    """Count what is right; whether the whole picture is."""
    want, got = letters(case.truth), letters(read)
    score.wrong += Levenshtein.distance(want, got)
    score.characters += len(want)
    lines = [letters(line) for line in read.splitlines()]
    good = True
    for line in map(letters, case.truth.splitlines()):
        who, colon, said = line.partition(":")
        if not colon or who.isdigit() or who[-1].isdigit():
            continue
        score.bubbles += 1
        near = [other for other in lines if Levenshtein.normalized_similarity(line, other) > 0.6]
        same = [other for other in near if other.partition(":")[2][-4:] == said[-4:]] or near
        side = any((other.startswith("我:")) == (who == "我") for other in same)
        score.sides += side
        score.speakers += any(other.partition(":")[0] == who for other in same)
        score.exact += line in lines
        good = good and side and line in lines
    return good


async def measure(cases: list[Case]) -> None:
    reader, score, seconds = Reader(), Score(), []
    began = time.perf_counter()
    await reader.warm()
    print(f"start {time.perf_counter() - began:.1f} s")
    process = psutil.Process(reader.pid)
    before = process.cpu_times()
    for case in cases:
        began = time.perf_counter()
        reading = await reader.read(case.picture)
        seconds.append(time.perf_counter() - began)
        read = as_dialogue(reading)
        size = Image.open(io.BytesIO(case.picture)).size
        if not judge(read, case, score):
            print(f"--- {case.name} {size} {seconds[-1]:.1f} s\n{read}")
    memory, after = process.memory_info().rss / 1e6, process.cpu_times()
    busy = (after.user + after.system - before.user - before.system) / len(cases)
    await reader.close()
    print(
        f"{len(cases)} pictures: characters right {1 - score.wrong / score.characters:.4f}, "
        f"sides {score.sides}/{score.bubbles}, speakers {score.speakers}/{score.bubbles}, "
        f"bubbles exact {score.exact}/{score.bubbles}"
    )
    print(
        f"seconds: median {statistics.median(seconds):.2f}, most {max(seconds):.2f} "
        f"({busy:.2f} of one core's); memory {memory:.0f} MB"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(measure(list(labelled(Path(sys.argv[1])))))
    elif chinese_font() is None:
        sys.exit("no Chinese font here: install fonts-noto-cjk")
    else:
        asyncio.run(measure(list(drawn())))
