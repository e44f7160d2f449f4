"""Which columns hold what is encrypted, and what each ciphertext is bound to.

The one list: services take a column's purpose from here, erasing takes the tables that must leave
no trace, and changing the data key takes what has to be encrypted anew. Beside the columns
pictures lie encrypted in the data folder, each bound to its own id.
"""

from typing import Any

from sqlalchemy import Column

from jingxiaowei.store.alert_tables import ALERT, CONTACT, ENTITY, EVENT, EVIDENCE
from jingxiaowei.store.file_tables import ASSIGNMENT, CONTACT_POINT, REPLY, REQUEST, SUGGESTION
from jingxiaowei.store.mirror_tables import WECOM_CONTACT
from jingxiaowei.store.sheet_tables import LIST_PIECE
from jingxiaowei.store.tables import (
    CONVERSATION,
    DATA_KEY,
    IDENTITY,
    INBOX,
    MEDIA,
    OFFICER,
    OUTBOX,
    QUESTION,
    TICKET,
)

# A purpose never changes: what was encrypted with another one opens no more.
SEALED: dict[Column[Any], bytes] = {
    IDENTITY.c.address: b"identity.address",
    CONVERSATION.c.topic: b"conversation.topic",
    CONVERSATION.c.traces: b"conversation.traces",
    INBOX.c.body: b"inbox.body",
    INBOX.c.decision: b"inbox.decision",
    OUTBOX.c.body: b"outbox.body",
    MEDIA.c.far_id: b"media.far_id",
    MEDIA.c.reading: b"media.reading",
    TICKET.c.note: b"ticket.note",
    QUESTION.c.text: b"question.text",
    OFFICER.c.name: b"officer.name",
    ASSIGNMENT.c.reason: b"tag_assignment.reason",
    SUGGESTION.c.quote: b"tag_suggestion.quote",
    CONTACT_POINT.c.value: b"contact.value",
    REQUEST.c.text: b"rights_request.text",
    REQUEST.c.answer: b"rights_request.answer",
    REPLY.c.text: b"reply.text",
    ALERT.c.note: b"alert.note",
    EVIDENCE.c.body: b"alert_evidence.body",
    ENTITY.c.value: b"alert_entity.value",
    EVENT.c.body: b"alert_event.body",
    CONTACT.c.body: b"alert_contact.body",
    WECOM_CONTACT.c.external: b"wecom_contact.external",
    LIST_PIECE.c.body: b"list_piece.body",
}
# Bytes that the data key does not encrypt: the keys themselves, wrapped with the operator's
# secret, and sketches of wordings, which are keyed hashes.
UNSEALED = frozenset({DATA_KEY.c.wrapped, EVIDENCE.c.sketch})
