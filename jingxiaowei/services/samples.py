"""Sample residents for the demo: a few questions, asked through the front door."""

from datetime import UTC, datetime

from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind
from jingxiaowei.services.inbox import Inbox

_SAMPLES = (
    ("sample-li", "身份证下个月到期了，怎么换"),
    ("sample-wang", "我外地来打工的，居住证要带啥"),
    ("sample-chen", "小孩的护照爸爸一个人带去办行吗"),
    ("sample-zhao", "帮我查一下明天的天气"),
    ("sample-sun", "人工"),
)


async def seed(inbox: Inbox) -> None:
    """Let the sample residents ask. A second start adds nothing: the messages' ids are fixed."""
    await inbox.receive(
        [
            Incoming(
                Channel.WEB,
                "web",
                who,
                f"{who}-1",
                MessageKind.TEXT,
                datetime.now(UTC),
                text=text,
                settle=0,
            )
            for who, text in _SAMPLES
        ]
    )
