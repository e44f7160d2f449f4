"""files: one person's tags, consents, contact, requests; merges, handovers, receipts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('audience',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('expression', sa.String(), nullable=False),
    sa.Column('officer_id', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('name')
    )
    op.create_table('receipt',
    sa.Column('code', sa.String(length=8), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('counts', sa.JSON(), nullable=False),
    sa.Column('resident_id', sa.String(length=32), nullable=True),
    sa.Column('scrubbed_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('code')
    )
    op.create_table('taxonomy_surgery',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('plan', sa.JSON(), nullable=False),
    sa.Column('before', sa.JSON(), nullable=False),
    sa.Column('counts', sa.JSON(), nullable=False),
    sa.Column('by', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('undone_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('handover',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('giver_id', sa.BigInteger(), nullable=False),
    sa.Column('taker_id', sa.BigInteger(), nullable=False),
    sa.Column('area', sa.String(), nullable=True),
    sa.Column('by', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('counts', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['area'], ['area.slug'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('consent',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('resident_id', sa.String(length=32), nullable=False),
    sa.Column('kind', sa.Enum('tags', 'careful', name='consentkind', native_enum=False, length=20), nullable=False),
    sa.Column('given', sa.Boolean(), nullable=False),
    sa.Column('said_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('inbox_id', sa.BigInteger(), nullable=True),
    sa.Column('channel', sa.String(), nullable=False),
    sa.ForeignKeyConstraint(['resident_id'], ['resident.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('consent', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_consent_resident_id'), ['resident_id'], unique=False)

    op.create_table('contact',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('resident_id', sa.String(length=32), nullable=False),
    sa.Column('kind', sa.Enum('name', 'phone', 'company', 'address', name='contactkind', native_enum=False, length=20), nullable=False),
    sa.Column('value', sa.LargeBinary(), nullable=False),
    sa.Column('found', sa.String(length=32), nullable=True),
    sa.Column('source', sa.Enum('officer', 'resident', 'suggestion', 'import', 'wecom', 'system', name='tagsource', native_enum=False, length=20), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['resident_id'], ['resident.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('contact', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_contact_found'), ['found'], unique=False)
        batch_op.create_index(batch_op.f('ix_contact_resident_id'), ['resident_id'], unique=False)

    op.create_table('merge',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('kept_id', sa.String(length=32), nullable=False),
    sa.Column('gone_id', sa.String(length=32), nullable=False),
    sa.Column('by', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('undone_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('moved', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['gone_id'], ['resident.id'], ),
    sa.ForeignKeyConstraint(['kept_id'], ['resident.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('merge', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_merge_gone_id'), ['gone_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_merge_kept_id'), ['kept_id'], unique=False)

    op.create_table('rights_request',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('code', sa.String(length=8), nullable=False),
    sa.Column('resident_id', sa.String(length=32), nullable=False),
    sa.Column('kind', sa.Enum('view', 'correct', 'object', 'delete', 'export', 'erase', name='requestkind', native_enum=False, length=20), nullable=False),
    sa.Column('text', sa.LargeBinary(), nullable=False),
    sa.Column('state', sa.Enum('open', 'confirmed', 'answered', 'refused', name='requeststate', native_enum=False, length=20), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('answer', sa.LargeBinary(), nullable=True),
    sa.Column('officer_id', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['resident_id'], ['resident.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('code')
    )
    with op.batch_alter_table('rights_request', schema=None) as batch_op:
        batch_op.create_index('ix_rights_request_open', ['due_at'], unique=False, sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))
        batch_op.create_index(batch_op.f('ix_rights_request_resident_id'), ['resident_id'], unique=False)

    op.create_table('tag_assignment',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('resident_id', sa.String(length=32), nullable=False),
    sa.Column('tag', sa.String(), nullable=False),
    sa.Column('source', sa.Enum('officer', 'resident', 'suggestion', 'import', 'wecom', 'system', name='tagsource', native_enum=False, length=20), nullable=False),
    sa.Column('officer_id', sa.BigInteger(), nullable=True),
    sa.Column('confirmed_by', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.LargeBinary(), nullable=False),
    sa.Column('evidence_id', sa.BigInteger(), nullable=True),
    sa.Column('ground', sa.Enum('consent', 'duty', 'emergency', 'own_choice', name='ground', native_enum=False, length=20), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('review_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_by', sa.BigInteger(), nullable=True),
    sa.Column('ended_because', sa.Enum('expired', 'withdrawn', 'corrected', 'removed', 'replaced', 'retired', 'purged', name='ended', native_enum=False, length=20), nullable=True),
    sa.Column('surgery_id', sa.BigInteger(), nullable=True),
    sa.Column('ended_surgery_id', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['resident_id'], ['resident.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('tag_assignment', schema=None) as batch_op:
        batch_op.create_index('ix_tag_assignment_ended', ['ended_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_tag_assignment_ended_surgery_id'), ['ended_surgery_id'], unique=False)
        batch_op.create_index('ix_tag_assignment_expires', ['expires_at'], unique=False, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.create_index(batch_op.f('ix_tag_assignment_resident_id'), ['resident_id'], unique=False)
        batch_op.create_index('ix_tag_assignment_review', ['review_at'], unique=False, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.create_index(batch_op.f('ix_tag_assignment_surgery_id'), ['surgery_id'], unique=False)
        batch_op.create_index('ix_tag_assignment_tag', ['tag', 'resident_id', 'expires_at'], unique=False, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.create_index('uq_tag_assignment_current', ['resident_id', 'tag'], unique=True, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))

    op.create_table('tag_suggestion',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('resident_id', sa.String(length=32), nullable=False),
    sa.Column('tag', sa.String(), nullable=False),
    sa.Column('state', sa.Enum('open', 'proposed', 'confirmed', 'declined', 'lapsed', name='suggestionstate', native_enum=False, length=20), nullable=False),
    sa.Column('source', sa.String(), nullable=False),
    sa.Column('quote', sa.LargeBinary(), nullable=False),
    sa.Column('inbox_id', sa.BigInteger(), nullable=True),
    sa.Column('ground', sa.Enum('consent', 'duty', 'emergency', 'own_choice', name='ground', native_enum=False, length=20), nullable=False),
    sa.Column('proposed_by', sa.BigInteger(), nullable=True),
    sa.Column('decided_by', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['resident_id'], ['resident.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('tag_suggestion', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_tag_suggestion_resident_id'), ['resident_id'], unique=False)
        batch_op.create_index('ix_tag_suggestion_waiting', ['id'], unique=False, sqlite_where=sa.text("state IN ('open', 'proposed')"), postgresql_where=sa.text("state IN ('open', 'proposed')"))
        batch_op.create_index('uq_tag_suggestion_standing', ['resident_id', 'tag'], unique=True, sqlite_where=sa.text("state IN ('open', 'proposed', 'declined')"), postgresql_where=sa.text("state IN ('open', 'proposed', 'declined')"))

    with op.batch_alter_table('audit_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_audit_event_object'), ['object'], unique=False)

    with op.batch_alter_table('resident', schema=None) as batch_op:
        batch_op.add_column(sa.Column('officer_id', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('minor', sa.String(length=20), server_default='none', nullable=False))
        batch_op.create_index(batch_op.f('ix_resident_area'), ['area'], unique=False)
        batch_op.create_index(batch_op.f('ix_resident_officer_id'), ['officer_id'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('resident', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_resident_officer_id'))
        batch_op.drop_index(batch_op.f('ix_resident_area'))
        batch_op.drop_column('minor')
        batch_op.drop_column('officer_id')

    with op.batch_alter_table('audit_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_audit_event_object'))

    with op.batch_alter_table('tag_suggestion', schema=None) as batch_op:
        batch_op.drop_index('uq_tag_suggestion_standing', sqlite_where=sa.text("state IN ('open', 'proposed', 'declined')"), postgresql_where=sa.text("state IN ('open', 'proposed', 'declined')"))
        batch_op.drop_index('ix_tag_suggestion_waiting', sqlite_where=sa.text("state IN ('open', 'proposed')"), postgresql_where=sa.text("state IN ('open', 'proposed')"))
        batch_op.drop_index(batch_op.f('ix_tag_suggestion_resident_id'))

    op.drop_table('tag_suggestion')
    with op.batch_alter_table('tag_assignment', schema=None) as batch_op:
        batch_op.drop_index('uq_tag_assignment_current', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.drop_index('ix_tag_assignment_tag', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.drop_index(batch_op.f('ix_tag_assignment_surgery_id'))
        batch_op.drop_index('ix_tag_assignment_review', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.drop_index(batch_op.f('ix_tag_assignment_resident_id'))
        batch_op.drop_index('ix_tag_assignment_expires', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.drop_index(batch_op.f('ix_tag_assignment_ended_surgery_id'))
        batch_op.drop_index('ix_tag_assignment_ended')

    op.drop_table('tag_assignment')
    with op.batch_alter_table('rights_request', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_rights_request_resident_id'))
        batch_op.drop_index('ix_rights_request_open', sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"))

    op.drop_table('rights_request')
    with op.batch_alter_table('merge', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_merge_kept_id'))
        batch_op.drop_index(batch_op.f('ix_merge_gone_id'))

    op.drop_table('merge')
    with op.batch_alter_table('contact', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_contact_resident_id'))
        batch_op.drop_index(batch_op.f('ix_contact_found'))

    op.drop_table('contact')
    with op.batch_alter_table('consent', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_consent_resident_id'))

    op.drop_table('consent')
    op.drop_table('handover')
    op.drop_table('taxonomy_surgery')
    op.drop_table('receipt')
    op.drop_table('audience')
