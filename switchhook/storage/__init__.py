"""Storage: one service's own tables, durable before anybody is told, and the outbox of events on their way."""

from switchhook.storage.database import Database, Row, Statement
from switchhook.storage.inspection import Inspection, inspect_database, services_at_work
from switchhook.storage.lease import Lease
from switchhook.storage.opening import migrate_database, open_database
from switchhook.storage.outbox import Outbox

__all__ = [
    "Database",
    "Inspection",
    "Lease",
    "Outbox",
    "Row",
    "Statement",
    "inspect_database",
    "migrate_database",
    "open_database",
    "services_at_work",
]
