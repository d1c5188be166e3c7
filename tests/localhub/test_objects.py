"""Large files reach their place whole, or not at all."""

import errno
import hashlib
import threading

import pytest

from rshub.localhub.errors import Refusal
from rshub.localhub.layout import prepare
from rshub.localhub.objects import ObjectStore

DATA = b"some bytes" * 1000
OID = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def layout(tmp_path):
    return prepare(tmp_path)


@pytest.fixture
def objects(layout):
    return ObjectStore(layout)


def test_a_file_is_found_by_its_digest(objects, layout):
    with objects.incoming(limit=len(DATA)) as incoming:
        for start in range(0, len(DATA), 999):
            incoming.write(DATA[start : start + 999])
        assert objects.size(OID) is None
        assert objects.adopt(incoming, OID) == OID
    assert objects.size(OID) == len(DATA)
    assert objects.path(OID).read_bytes() == DATA
    assert b"".join(objects.read(OID, 5, 100, block=7)) == DATA[5:105]
    assert list(layout.incoming.iterdir()) == []


def test_a_wrong_digest_leaves_nothing(objects, layout):
    with pytest.raises(Refusal, match="announced"), objects.incoming(limit=10) as incoming:
        incoming.write(b"x")
        objects.adopt(incoming, OID)
    assert [path for path in layout.objects.rglob("*") if path.is_file()] == []
    assert list(layout.incoming.iterdir()) == []


def test_a_limit_is_a_limit(objects, layout):
    with pytest.raises(Refusal) as caught, objects.incoming(limit=10) as incoming:
        incoming.write(b"x" * 10)
        incoming.write(b"x")
    assert caught.value.status == 413
    assert list(layout.incoming.iterdir()) == []


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507)])
def test_a_full_disk_is_said(objects, number, status):
    class Full:
        def write(self, _):
            raise OSError(number, "full")

        def close(self):
            pass

    with pytest.raises(Refusal) as caught, objects.incoming(limit=10) as incoming:
        incoming._file.close()
        incoming._file = Full()
        incoming.write(b"x")
    assert caught.value.status == status


def test_the_same_file_from_many_sides(objects, layout):
    def store():
        with objects.incoming(limit=len(DATA)) as incoming:
            incoming.write(DATA)
            objects.adopt(incoming)

    threads = [threading.Thread(target=store) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in layout.objects.rglob("*") if path.is_file()] == [OID]
    assert list(layout.incoming.iterdir()) == []


def test_leftovers_are_swept(objects, layout):
    (layout.incoming / "left").write_bytes(b"x")
    objects.sweep()
    assert list(layout.incoming.iterdir()) == []
