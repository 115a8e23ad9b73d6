"""The identity of an API: its address, its version, and a mark that tells keys apart.

It is stored with each sync, so that another address, version or key is noticed.
"""

from hashlib import sha256


def identity(address: str, version: str, key: str) -> str:
    """Return what identifies an API, version and key, without revealing the key."""
    return f"{address} {version} {sha256(f'{address} {key}'.encode()).hexdigest()[:6]}"


def version_of(api: str) -> str:
    """Return the version in an identity."""
    return " ".join(api.split(" ")[1:-1])


def is_other_key(before: str, now: str) -> bool:
    """Return whether two identities are of the same API and version, but of different keys."""
    return before != now and before.rpartition(" ")[0] == now.rpartition(" ")[0] != ""


def difference(before: str, now: str) -> str:
    """Return a sentence on how the API differs from the one of the last good sync, or ""."""
    if not before or before == now:
        return ""
    address, address_now = (api.partition(" ")[0] for api in (before, now))
    parts = (
        ("address", address, address_now),
        ("API version", version_of(before), version_of(now)),
    )
    changed = [f"the {what} changed from {old} to {new}" for what, old, new in parts if old != new]
    return f" Since the last good sync {' and '.join(changed) or 'the key changed'}."
