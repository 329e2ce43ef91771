"""Runtime: what makes services into a process: clock, health, supervision, admin port."""

from switchhook.runtime.admin import AdminServer
from switchhook.runtime.backoff import backoff
from switchhook.runtime.clock import Clock, utc_now
from switchhook.runtime.health import Health, ServiceHealth, ServiceReport
from switchhook.runtime.service import Administered, Service
from switchhook.runtime.supervisor import install_signal_handlers, run_services

__all__ = [
    "AdminServer",
    "Administered",
    "Clock",
    "Health",
    "Service",
    "ServiceHealth",
    "ServiceReport",
    "backoff",
    "install_signal_handlers",
    "run_services",
    "utc_now",
]
