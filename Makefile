# SPDX-License-Identifier: Apache-2.0
# A thin front for meson and ninja; `make help` lists the targets.
B ?= build
JOBS ?= $(shell nproc)
export CCACHE_NOHASHDIR = 1

.PHONY: all
all: $(B)/build.ninja
	@ninja -C $(B) -j$(JOBS)

$(B)/build.ninja:
	meson setup $(B) $(MESON_ARGS)
