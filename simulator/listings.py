"""Rows of the directory entities of XAPI: peers, users, queues, ring groups, IVRs, trunks, DIDs, rules, clients.

Only fields that a client of call data reads; the vendor's entities have many more, all of them optional.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.numbering import PEER_TYPES, Did, Directory, Dn, DnKind, Trunk

if TYPE_CHECKING:
    from simulator.feed import FrameFeed
    from simulator.wire import Row

_DESTINATION_TYPES = {DnKind.IVR: "IVR", DnKind.QUEUE: "Queue", DnKind.EXTENSION: "Extension"}
_SIMULTANEOUS_CALLS = 30


class Listings:
    """The directory as XAPI tells it."""

    def __init__(self, directory: Directory, feed: FrameFeed) -> None:
        self._directory = directory
        self._feed = feed
        self._peers: list[Row] = []

    def peers(self) -> list[Row]:
        if not self._peers:  # the directory never changes; a client reads thousands of numbers page by page
            self._peers = [self._peer(dn) for dn in self._directory.by_number.values()]
        return self._peers

    def users(self) -> list[Row]:
        return [
            {
                "Id": dn.id,
                "Number": dn.number,
                "FirstName": dn.first_name,
                "LastName": dn.last_name,
                "DisplayName": dn.name,
                "EmailAddress": f"{dn.first_name}.{dn.last_name}@example.com".lower(),
                "IsRegistered": True,
                "QueueStatus": "LoggedIn",
                "CurrentProfileName": "Available",
                "Enabled": True,
                "RecordCalls": True,
                "RecordExternalCallsOnly": True,
                "AllowOwnRecordings": True,
            }
            for dn in self._directory.of_kind(DnKind.EXTENSION)
        ]

    def queues(self) -> list[Row]:
        return [
            {
                "Id": dn.id,
                "Number": dn.number,
                "Name": dn.name,
                "IsRegistered": True,
                "PollingStrategy": dn.strategy,
                "RingTimeout": 20,
                "MasterTimeout": 600,
                "Recording": "Disabled",
                "Agents": [{"Number": number, "Name": self._directory.name(number)} for number in dn.members],
                "Managers": [],
            }
            for dn in self._directory.of_kind(DnKind.QUEUE)
        ]

    def ring_groups(self) -> list[Row]:
        return [
            {
                "Id": dn.id,
                "Number": dn.number,
                "Name": dn.name,
                "IsRegistered": True,
                "RingStrategy": dn.strategy,
                "RingTime": 20,
                "Members": [
                    {"Id": place, "Number": number, "Name": self._directory.name(number)}
                    for place, number in enumerate(dn.members, 1)
                ],
            }
            for dn in self._directory.of_kind(DnKind.RING_GROUP)
        ]

    def receptionists(self) -> list[Row]:
        return [
            {
                "Id": dn.id,
                "Number": dn.number,
                "Name": dn.name,
                "IsRegistered": True,
                "IVRType": "Default",
                "Timeout": 30,
            }
            for dn in self._directory.of_kind(DnKind.IVR)
        ]

    def trunks(self) -> list[Row]:
        return [
            {
                "Id": trunk.id,
                "Number": trunk.number,
                "Gateway": {"Id": trunk.id, "Name": trunk.name, "Type": "Provider", "Lines": _SIMULTANEOUS_CALLS},
                "IsOnline": True,
                "SimultaneousCalls": _SIMULTANEOUS_CALLS,
                "ExternalNumber": trunk.dids[0].number,
                "Direction": "Both",
                "DidNumbers": [did.number for did in trunk.dids],
                "RoutingRules": [self._rule(trunk, did) for did in trunk.dids],
            }
            for trunk in self._directory.trunks
        ]

    def did_numbers(self) -> list[Row]:
        return [
            {
                "Number": did.number,
                "TrunkId": trunk.id,
                "TemplateFileName": "",
                "RoutingRule": self._rule(trunk, did),
            }
            for trunk in self._directory.trunks
            for did in trunk.dids
        ]

    def inbound_rules(self) -> list[Row]:
        return [self._rule(trunk, did) for trunk in self._directory.trunks for did in trunk.dids]

    def service_principals(self) -> list[Row]:
        client = self._directory.client
        monitored = sorted(self._feed.monitored)
        return [
            {
                "Id": client.id,
                "Number": client.number,
                "CallControlEnabled": True,
                "XAPIEnabled": True,
                "MyPhoneEnabled": False,
                "IsSystem": False,
                "Peers": [self._peer(self._directory.by_number[number]) for number in monitored],
            }
        ]

    def choose_monitored(self, peers: list[tuple[object, object]]) -> None:
        """Let the API client see these DNs, named by number or id, and no others; unknown ones are passed over."""
        chosen = {
            dn.number
            for dn in self._directory.by_number.values()
            if any(dn.number == number or (number is None and dn.id == identity) for number, identity in peers)
        }
        self._feed.monitored = chosen & self._directory.default_monitored()

    def _peer(self, dn: Dn) -> Row:
        return {
            "Id": dn.id,
            "Number": dn.number,
            "Name": dn.name,
            "Type": PEER_TYPES[dn.kind],
            "Hidden": False,
            "MemberOf": [],
            "Tags": [],
        }

    def _rule(self, trunk: Trunk, did: Did) -> Row:
        destination = self._directory.by_number[did.destination]
        route: Row = {
            "Number": destination.number,
            "Name": destination.name,
            "To": _DESTINATION_TYPES[destination.kind],
            "Type": PEER_TYPES[destination.kind],
            "External": "",
            "Tags": [],
        }
        return {
            "Id": int(did.number[-6:]),
            "RuleName": did.rule,
            "Data": f"*{did.number}",
            "Condition": "BasedOnDID",
            "CallType": "AllCalls",
            "CustomData": "",
            "TrunkDN": self._peer(self._directory.by_number[trunk.number]),
            "OfficeHoursDestination": route,
            "OutOfOfficeHoursDestination": route,
        }
