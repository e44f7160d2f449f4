"""A database's own keys as they lie in it, wrapped, and the steps in which the data key changes.

``data`` encrypts and ``index`` hashes. While the data key changes there is a third: first ``next``,
which every process learns to read by before anybody writes under it; then that is ``data``, and
the one before is ``former`` until nothing is left under it.

The index key stays: ids are made with it, which stand in every table, in the trail and in what
was handed out. It is wrapped anew with the secret like the others.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.store.cipher import new_key, unwrap, wrap
from jingxiaowei.store.tables import DATA_KEY

DATA, INDEX, NEXT, FORMER = "data", "index", "data.next", "data.former"


async def read_keys(connection: AsyncConnection, secrets: Sequence[str]) -> dict[str, bytes]:
    """Every key by its purpose.

    Raises:
        StoreError: a key is wrapped with none of the secrets.
    """
    found = await connection.execute(select(DATA_KEY.c.purpose, DATA_KEY.c.wrapped))
    return {purpose: unwrap(secrets, purpose, wrapped) for purpose, wrapped in found.all()}


async def wrap_keys(connection: AsyncConnection, secrets: Sequence[str]) -> dict[str, bytes]:
    """Wrap every key with the first of the secrets; the keys.

    The keys are locked until the transaction ends: one changes them at a time.

    Raises:
        StoreError: a key is wrapped with none of the secrets.
    """
    await connection.execute(
        select(DATA_KEY.c.purpose).order_by(DATA_KEY.c.purpose).with_for_update()
    )
    keys = await read_keys(connection, secrets)
    for purpose, key in keys.items():
        await connection.execute(
            update(DATA_KEY)
            .where(DATA_KEY.c.purpose == purpose)
            .values(wrapped=wrap(secrets[0], purpose, key))
        )
    return keys


async def offer_key(connection: AsyncConnection, secrets: Sequence[str]) -> bool:
    """Make the next data key, unless a change is under way already; whether one was made."""
    keys = await wrap_keys(connection, secrets)
    if NEXT in keys or FORMER in keys:
        return False
    await _put(connection, secrets[0], NEXT, new_key())
    return True


async def promote_key(connection: AsyncConnection, secrets: Sequence[str]) -> None:
    """The next data key becomes the one that is written under; again is the same."""
    keys = await wrap_keys(connection, secrets)
    if NEXT not in keys:
        return
    await connection.execute(delete(DATA_KEY).where(DATA_KEY.c.purpose.in_((DATA, NEXT))))
    await _put(connection, secrets[0], FORMER, keys[DATA])
    await _put(connection, secrets[0], DATA, keys[NEXT])


async def drop_former(connection: AsyncConnection, secrets: Sequence[str], key: bytes) -> None:
    """Forget a former data key, if it is still the one that nothing is left under."""
    keys = await wrap_keys(connection, secrets)
    if keys.get(FORMER) == key:
        await connection.execute(delete(DATA_KEY).where(DATA_KEY.c.purpose == FORMER))


async def _put(connection: AsyncConnection, secret: str, purpose: str, key: bytes) -> None:
    row = {
        "purpose": purpose,
        "wrapped": wrap(secret, purpose, key),
        "created_at": datetime.now(UTC),
    }
    await connection.execute(insert(DATA_KEY), [row])
