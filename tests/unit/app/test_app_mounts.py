"""Which file systems die with a container."""

from __future__ import annotations

from consentry.app.mounts import EPHEMERAL_KINDS, Mount, is_container, mount_of, parse_mounts

TEXT = """\
overlay / overlay rw,relatime 0 0
tmpfs /dev tmpfs rw 0 0
/dev/sdb1 /var/lib/consentry ext4 rw 0 0
tmpfs /var/lib/consentry/scratch tmpfs rw 0 0
/dev/sdc1 /srv/my\\040data xfs rw 0 0
"""


def kind_of(path: str) -> str:
    mount = mount_of(path, parse_mounts(TEXT))
    assert mount is not None
    return mount.kind


def test_longest_mount_above_a_path_holds_it() -> None:
    assert kind_of("/var/lib/consentry/ledger") == "ext4"
    assert kind_of("/var/lib/consentry") == "ext4"
    assert kind_of("/var/lib/consentry-old") == "overlay"
    assert kind_of("/var/lib/consentry/scratch/x") == "tmpfs"
    assert kind_of("/srv/my data/x") == "xfs"


def test_last_mount_at_one_place_covers_the_others() -> None:
    mounts = (Mount("/a", "tmpfs"), Mount("/a", "ext4"))

    assert mount_of("/a/b", mounts) == mounts[1]


def test_overlay_at_the_root_is_a_container() -> None:
    assert is_container(parse_mounts(TEXT), {})


def test_kubernetes_says_so_in_the_environment() -> None:
    assert is_container((Mount("/", "ext4"),), {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})


def test_a_disk_is_not_ephemeral() -> None:
    assert not EPHEMERAL_KINDS & {"ext4", "xfs", "btrfs", "nfs4"}
