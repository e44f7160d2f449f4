"""What an encrypted column is bound to, where more than one service reads it."""

from jingxiaowei.store.sealed import SEALED
from jingxiaowei.store.tables import INBOX, MEDIA, OUTBOX, QUESTION

OUT_BODY, DECISION = SEALED[OUTBOX.c.body], SEALED[INBOX.c.decision]
QUESTION_TEXT, FAR_ID = SEALED[QUESTION.c.text], SEALED[MEDIA.c.far_id]
