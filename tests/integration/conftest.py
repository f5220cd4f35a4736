# SPDX-License-Identifier: Apache-2.0
"""Fixtures. `engine` is shared by the tests of one file and emptied after each; `new_engine` makes one for a single test."""
import os
import shutil

import pytest

import harness


def pytest_configure(config):
    if os.environ.get("HOY_TEST_NS") != "1":
        raise pytest.UsageError("start the integration tests with tests/integration/run: they need namespaces of their own")


@pytest.fixture(scope="module")
def module_engine():
    base = harness.new_base()
    peer = os.environ.get("HOY_TEST_PEER")
    e = harness.Peer(base, peer) if peer else harness.Engine(base)
    try:
        e.start()
        e.load_busybox()
    except BaseException:
        e.abandon()
        raise
    yield e
    e.close()
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def engine(module_engine):
    if module_engine.proc.poll() is not None:
        module_engine.start()
    yield module_engine
    if module_engine.proc.poll() is not None:
        raise AssertionError(f"hoyd ended with {module_engine.proc.returncode}:\n{module_engine.log()[-4000:]}")
    module_engine.remove_all()


@pytest.fixture
def new_engine():
    """new_engine(args=[…], env={…}, image=True) -> a started Engine; closed and audited at the end of the test."""
    made = []

    def make(args=(), env=None, image=True, start=True):
        e = harness.Engine(harness.new_base(), args, env)
        made.append(e)
        if start:
            e.start()
            if image:
                e.load_busybox()
        return e
    yield make
    for e in made:
        try:
            if e.proc:
                e.env = {}
                e.close()
        except BaseException:
            e.abandon()
            raise
        shutil.rmtree(e.base, ignore_errors=True)


@pytest.fixture
def docker(engine):
    if not harness.DOCKER:
        pytest.skip("no stock docker CLI on this machine")
    return engine.docker


@pytest.fixture
def hoy(engine):
    return engine.hoy


@pytest.fixture
def api(engine):
    return engine.api
