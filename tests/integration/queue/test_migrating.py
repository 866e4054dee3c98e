"""Migrations of the queue while messages are being written."""

from concurrent.futures import ThreadPoolExecutor

import psycopg

from services.kit.migrate import migrate
from tests.support.eventually import eventually_sync
from tests.support.postgres import Databases

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX%'"
_WRITE = "LOCK TABLE messages IN ROW EXCLUSIVE MODE"
_INDEXES = (
    "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE i.indrelid = 'messages'::regclass AND i.indisvalid AND c.relname IN"
    " ('messages_released', 'messages_to_judge_again')"
)


def test_an_index_is_created_while_messages_are_written_also_where_two_migrate_at_once(
    databases: Databases,
) -> None:
    database = databases.blank("queue")
    migrate("queue", database.owner_url, "0028")
    # A snapshot of `other` would be waited for, too.
    with psycopg.connect(database.owner_url) as long, psycopg.connect(database.owner_url, autocommit=True) as other:
        long.execute(_WRITE)
        with ThreadPoolExecutor() as pool:
            migrators = [pool.submit(migrate, "queue", database.owner_url, "0029") for _ in range(2)]

            def waits() -> None:
                assert other.execute(_WAITING).fetchall() == [(1,)]

            eventually_sync(waits)
            other.execute("SET lock_timeout = '1s'")
            with other.transaction():
                other.execute(_WRITE)
            long.commit()
            for each in migrators:
                each.result(timeout=30)
        assert other.execute(_INDEXES).fetchall() == [("messages_to_judge_again",)]
