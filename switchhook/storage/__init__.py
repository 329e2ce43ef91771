"""Storage: one service's own tables, durable before anybody is told, and the outbox of events on their way."""

from switchhook.storage.database import Database, Row, Statement
from switchhook.storage.lease import Lease
from switchhook.storage.opening import migrate_database, open_database
from switchhook.storage.outbox import Outbox

__all__ = ["Database", "Lease", "Outbox", "Row", "Statement", "migrate_database", "open_database"]
