"""Objects: where MP3 files are kept, a folder or an S3 bucket behind one interface, encrypted when keys are given.

The recorder writes, the fileserver reads. `card` is what the one tells the other about a file, and that it is gone.
"""

from switchhook.objects.card import Card, Gone, GoneReason, card_name, object_name, read_card, write_card
from switchhook.objects.keyring import Keyring, read_keyring
from switchhook.objects.store import Objects, OpenObject, Placed, open_objects

__all__ = [
    "Card",
    "Gone",
    "GoneReason",
    "Keyring",
    "Objects",
    "OpenObject",
    "Placed",
    "card_name",
    "object_name",
    "open_objects",
    "read_card",
    "read_keyring",
    "write_card",
]
