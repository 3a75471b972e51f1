"""lean.audit() asked every object for its class, which proxies answer for somebody else, or not at all; and it trusted what
subclasses of dict say of themselves.
"""
import weakref

import pytest

from gossamer import lean


class Target:
    pass


class Lazy:
    @property
    def __class__(self):
        raise LookupError("asked")


class Liar(dict):
    def __len__(self):
        raise LookupError("asked")

    __iter__ = __len__


class Meta(type):
    def __getattribute__(cls, name):
        raise LookupError("asked")


class Named(metaclass=Meta):
    pass


@pytest.fixture
def odd():
    named = Named()
    named.attribute = 1
    vars(named)
    return [weakref.proxy(Target()), Lazy(), Liar(a=1), named, {"liar": Liar(b=2)}]


def test_audit(odd):
    owners = {group.owner for group in lean.audit()}
    assert any(owner.endswith("Named.__dict__") for owner in owners)
