# SPDX-License-Identifier: Apache-2.0
"""A clean Debian for each test: one tree made by mmdebstrap, and an overlay of it each time.

All of it happens in a mount namespace of its own, so that nothing can stay mounted.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".build/deb"
CLONE_NEWNS = 0x00020000        # unshare(2)


def say(*command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def field(package, name):
    return say("dpkg-deb", "-f", package, name).strip()


@pytest.fixture(scope="session", autouse=True)
def own_namespace():
    if os.geteuid() != 0:
        pytest.exit("a Debian in a folder needs root; run `sudo make deb-test`", returncode=2)
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(CLONE_NEWNS) != 0:
        pytest.exit(f"no namespace of one's own: {os.strerror(ctypes.get_errno())}", returncode=2)
    say("mount", "--make-rprivate", "/")


@pytest.fixture(scope="session")
def package():
    packages = list(PLACE.glob("*.deb"))
    assert len(packages) == 1, f"{PLACE} holds {len(packages)} packages; run `make deb`"
    return packages[0]


@pytest.fixture(scope="session")
def contents(package, tmp_path_factory):
    """The files of the package, unpacked."""
    folder = tmp_path_factory.mktemp("contents")
    say("dpkg-deb", "-x", package, folder)
    return folder


@pytest.fixture(scope="session")
def space():
    with tempfile.TemporaryDirectory(prefix="deb-test-", dir=ROOT / ".build") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def clean_debian(package, space):
    """A minimal Debian with what the package depends on, out of the archive alone."""
    folder = space / "clean"
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    install = 'chroot "$1" apt-get satisfy --yes --no-install-recommends '
    say("mmdebstrap", "--variant=minbase", "--mode=root",
        f"--customize-hook={install} '{field(package, 'Depends')}'", release, folder)
    return folder


class Machine:
    """A Debian of one's own to change."""

    def __init__(self, folder):
        self.folder = folder

    def run(self, *command, status=0):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            ["chroot", str(self.folder), *command], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, env=environment, check=False, timeout=120)
        output = done.stdout + done.stderr
        assert done.returncode == status, f"{command}: {done.returncode}\n{output}"
        return output

    def install(self, package):
        shutil.copy(package, self.folder / "tmp/sealtail.deb")
        return self.run("dpkg", "--install", "/tmp/sealtail.deb")

    def path(self, place):
        return self.folder / place.lstrip("/")


@pytest.fixture
def machine(clean_debian, space):
    with tempfile.TemporaryDirectory(dir=space) as folder:
        upper, work, merged = (Path(folder) / name for name in ("upper", "work", "merged"))
        for place in (upper, work, merged):
            place.mkdir()
        options = f"lowerdir={clean_debian},upperdir={upper},workdir={work}"
        say("mount", "-t", "overlay", "overlay", "-o", options, merged)
        # Swift finds the arguments of a program in /proc/self/cmdline.
        say("mount", "-t", "proc", "proc", merged / "proc")
        try:
            yield Machine(merged)
        finally:
            say("umount", "--recursive", merged)


@pytest.fixture(scope="session")
def older(package, space):
    """The package as an older version with a file that the newer one has no more."""
    folder = space / "older"
    say("dpkg-deb", "-R", package, folder)
    control = folder / "DEBIAN/control"
    version = field(package, "Version")
    text = control.read_text(encoding="utf-8")
    control.write_text(text.replace(f"Version: {version}", "Version: 0.0.1-1~deb12u1"), "utf-8")
    (folder / "usr/share/sealtail/forgotten").write_text("gone by now\n", "utf-8")
    target = space / "older.deb"
    say("dpkg-deb", "--root-owner-group", "-Znone", "-b", folder, target)
    return target
