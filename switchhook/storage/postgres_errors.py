"""What PostgreSQL and its driver raise, in the platform's words. No value of a parameter and no password gets through:
the driver repeats values in its sentences, and values are phone numbers and names."""

from __future__ import annotations

import asyncpg

from switchhook.errors import ConstraintViolated, LeaseLost, StorageBroken, StorageError, StorageFull

# What the driver raises, its own faults and those of the network included. `TimeoutError` is an `OSError`.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError)
# What it raises for a statement or its parameters: it also converts values.
REFUSALS = (*DRIVER_ERRORS, OverflowError, ValueError, TypeError)

_FULL_STATES = {"53100", "58030"}  # disk_full, io_error
# Classes of SQLSTATE whose sentence names tables and roles, but no values.
_PLAIN_CLASSES = {"08", "28", "3D", "3F", "42", "53", "55", "57", "58"}
# Classes that end the transaction or the session as a whole, so that they cannot be one unit's own: connection,
# transaction state (a standby refuses to write), rollback by the server, resources, operator, system, internal.
_FATAL_CLASSES = {"08", "25", "40", "53", "57", "58", "XX"}
_COLLISIONS = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_LEASE_LOST = "SWL01"  # raised by functions of migrations that demand an owner


def is_fatal(error: Exception) -> bool:
    """True when the error ended the transaction as a whole."""
    state = _state(error)
    if state is None:  # the driver's own `InterfaceError` is about a statement, or about a connection that is closed
        return isinstance(error, asyncpg.InternalClientError | OSError | EOFError)
    return state[:2] in _FATAL_CLASSES


def is_collision(error: Exception) -> bool:
    """True when another process's transaction was preferred; the same once more will do."""
    return _state(error) in _COLLISIONS


def translated(error: Exception) -> StorageError:
    """The platform's error. The cause is left out where its text could hold a value."""
    state = _state(error)
    failure: StorageError
    if state is None:
        failure = StorageBroken(f"the database cannot be used: {_plain(error)}")
    elif isinstance(error, asyncpg.IntegrityConstraintViolationError):
        failure = ConstraintViolated(f"{type(error).__name__}: {_constraint(error)}")
    elif state == _LEASE_LOST:
        failure = LeaseLost()
    elif state in _FULL_STATES:
        failure = StorageFull(f"the database cannot grow or be written ({_sentence(error)}): free space on its disk")
    else:
        failure = StorageBroken(f"the database refused: {_sentence(error)}")
    return failure


def _sentence(error: Exception) -> str:
    state = _state(error) or ""
    return str(error.args[0]) if state[:2] in _PLAIN_CLASSES else f"{type(error).__name__} ({state})"


def _constraint(error: Exception) -> str:
    names = (getattr(error, name, None) for name in ("table_name", "column_name", "constraint_name"))
    return " ".join(str(name) for name in names if name)


def _plain(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, OSError | EOFError):
        return str(error) or type(error).__name__
    return type(error).__name__


def _state(error: Exception) -> str | None:
    return error.sqlstate if isinstance(error, asyncpg.PostgresError) else None
