"""What an encrypted column is bound to, where more than one service reads it."""

OUT_BODY, DECISION = b"outbox.body", b"inbox.decision"
QUESTION_TEXT, FAR_ID = b"question.text", b"media.far_id"
