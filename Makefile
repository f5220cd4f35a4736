# SPDX-License-Identifier: Apache-2.0
# A thin front for meson and ninja. A build directory is a child of the tree (the flags name ../src, so that ccache
# serves every clone). `make help` lists the targets.
B ?= build
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
DESTDIR ?=
export CCACHE_NOHASHDIR = 1

.PHONY: all
all: $(B)/build.ninja	## build everything into build/
	@ninja -C $(B) -j$(JOBS)

$(B)/build.ninja:
	meson setup $(B) --prefix=$(PREFIX)

.PHONY: check unit integration lint clang asan tsan fuzz bench vm-test install clean help
check:	## everything CI runs
	./check

unit: all	## unit tests only
	meson test -C $(B) --suite unit --print-errorlogs

integration: all	## integration tests only
	tests/integration/run

lint:	## form, banned calls, include ladder
	tools/lint/run

clang: build-clang/build.ninja	## the second compiler
	@ninja -C build-clang -j$(JOBS)
build-clang/build.ninja:
	CC="ccache clang" meson setup build-clang

asan: build-asan/build.ninja	## address and undefined behaviour sanitizers
	@ninja -C build-asan -j$(JOBS)
build-asan/build.ninja:
	meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Dwerror=false

tsan: build-tsan/build.ninja	## thread sanitizer (the engine)
	@ninja -C build-tsan -j$(JOBS)
build-tsan/build.ninja:
	meson setup build-tsan -Db_sanitize=thread -Db_lundef=false -Doptimization=1 -Dwerror=false

fuzz: build-fuzz/build.ninja	## libFuzzer targets; SECONDS=n for each
	@ninja -C build-fuzz -j$(JOBS)
	tools/ci/fuzz.sh build-fuzz $(or $(SECONDS),60)
build-fuzz/build.ninja:
	CC="ccache clang" meson setup build-fuzz -Dfuzz=true -Dtests=false -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Dwerror=false

vm-test: all	## cgroup v2, pure v1 and older kernels, in virtual machines (slow)
	tests/vm/run $(VM)

bench: all	## hoy beside the peers that are installed
	python3 tools/bench/bench.py

diff-docker: all	## the stock docker CLI and hoy against the engine of DOCKER_HOST, case by case
	tools/diff-docker -v
	tests/differential/run.py

install: all	## PREFIX= DESTDIR=
	DESTDIR=$(DESTDIR) meson install -C $(B) --no-rebuild

clean:	## delete the build directories
	rm -rf build build-clang build-asan build-tsan build-fuzz

help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22
