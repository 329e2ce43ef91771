"""What the admin client makes of the address that it is given."""

from __future__ import annotations

import pytest

from services.commands.admin_client import AdminClient
from switchhook.errors import ConfigError


@pytest.mark.parametrize("url", ["http://[", "ftp://host", "http://", "http://host:0", "http://host:x", "//"])
def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    with pytest.raises(ConfigError, match="must be like http://127.0.0.1:9464"):
        AdminClient(url, "token")
