"""Where judged rows wait until the whole file is judged: a file, encrypted, gone afterwards.

What is imported must all come or none, and a long list must not be held in memory.
"""

import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.services.sheets_judging import Judged
from jingxiaowei.services.sheets_people import Person
from jingxiaowei.services.tagging_rules import Ruling
from jingxiaowei.services.tagging_values import Noted
from jingxiaowei.store.cipher import Cipher
from jingxiaowei.store.file_tables import Ground

_PURPOSE = b"sheets.spool"
_LENGTH = struct.Struct(">I")


class Spool:
    """``with Spool(…) as spool``: put chunks, then read them back, any number of times."""

    def __init__(self, cipher: Cipher, taxonomy: Taxonomy, folder: Path) -> None:
        self._cipher = cipher
        self._taxonomy = taxonomy
        folder.mkdir(parents=True, exist_ok=True)
        # Without a name in the folder: it goes with the process, however that ends.
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def put(self, rows: Sequence[Judged]) -> None:
        if not rows:
            return
        sealed = self._cipher.seal_json(_PURPOSE, [_packed(row) for row in rows])
        self._file.write(_LENGTH.pack(len(sealed)) + sealed)

    def chunks(self) -> Iterator[list[Judged]]:
        """What was put, chunk by chunk."""
        self._file.seek(0)
        while head := self._file.read(_LENGTH.size):
            sealed = self._file.read(_LENGTH.unpack(head)[0])
            rows: Any = self._cipher.open_json(_PURPOSE, sealed)
            yield [self._unpacked(row) for row in rows]

    def _unpacked(self, row: Any) -> Judged:
        person = Person(**row["person"])
        rulings = []
        for tag in row["tags"]:
            expires, review = _moment(tag["expires"]), _moment(tag["review"])
            noted = Noted(
                person.resident_id, tag["slug"], tag["reason"], Ground(tag["ground"]),
                expires_at=expires,
            )  # fmt: skip
            rulings.append(
                (
                    noted,
                    Ruling(
                        self._taxonomy.by_slug[tag["slug"]],
                        tag["reason"],
                        tag["proposal"],
                        (),
                        expires,
                        review,
                    ),
                )
            )
        return Judged(row["number"], person, tuple(rulings), row["already"])


def _packed(row: Judged) -> dict[str, Any]:
    return {
        "number": row.number,
        "person": asdict(row.person),
        "already": row.already,
        "tags": [
            {
                "slug": ruling.tag.slug,
                "reason": ruling.reason,
                "ground": noted.ground,
                "proposal": ruling.proposal,
                "expires": ruling.expires_at,
                "review": ruling.review_at,
            }
            for noted, ruling in row.rulings
        ],
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
