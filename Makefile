# Everything works from a fresh clone with Python >= 3.11, make and pip.
PYTHON ?= python3
VENV ?= .venv
DOCS ?= build/docs
PORT ?= 3000
BIN = $(VENV)/bin
BLUT = $(BIN)/blut
LAMQUANT = cookbooks/lamquant/configs
DEMO_ARGS = $(LAMQUANT)/args_demo.yaml
LLM_DEMO_ARGS = cookbooks/llm/configs/args_demo.yaml

# Byte code and code versions are kept beside the sources: without them every process works them out again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo demo-lamquant demo-llm plan ui docs test test-scale test-postgres test-all test-dagster lint audit mutants bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort

# Under a lock, so that several first commands in a fresh clone do not build the environment at once.
setup: ## make the virtual environment
	@$(PYTHON) -c 'import fcntl, subprocess, sys; lock = open(".venv.lock", "w"); fcntl.flock(lock, fcntl.LOCK_EX); \
	sys.exit(subprocess.call(["$(MAKE)", "--no-print-directory", "$(VENV)/.ready"]))'

$(VENV)/.ready: pyproject.toml constraints.txt requirements/build.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements/build.txt
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation \
		--editable '.[ui,alerts,lamquant,llm,observability,postgres,hpo,remote,dev,docs]'
	@touch $@

demo: setup ## train, judge and promote a codec on real EEG, a few minutes of CPU
	$(BLUT) recipe run lamquant_joint_codec --args @$(DEMO_ARGS)

# A gate that refuses has done its work, and the others go on. Each run reuses what those before it have made.
ACCEPT = $(BLUT) recipe run --accept-refusal
demo-lamquant: setup ## all seven recipes for EEG, on a real set and on made-up seizures: about a quarter of an hour
	$(BLUT) recipe run lamquant_data_prep --args @$(LAMQUANT)/args_demo_corpus.yaml
	$(ACCEPT) lamquant_joint_codec --args @$(DEMO_ARGS)
	$(ACCEPT) lamquant_encoder --args @$(LAMQUANT)/args_demo_encoder.yaml
	$(ACCEPT) lamquant_oracle --args @$(LAMQUANT)/args_demo_oracle.yaml
	$(ACCEPT) lamquant_combined_decoder --args @$(LAMQUANT)/args_demo_decoder.yaml
	$(ACCEPT) lamquant_snn --args @$(LAMQUANT)/args_demo_snn.yaml
	$(BLUT) plan lamquant_full_pipeline --args @$(LAMQUANT)/args_demo_pipeline.yaml
	$(ACCEPT) lamquant_full_pipeline --args @$(LAMQUANT)/args_demo_pipeline.yaml
	$(BLUT) results

demo-llm: setup ## fine-tune a small language model to a GGUF and ask it before and after; llama.cpp is built first
	$(BLUT) recipe run finetune_from_dataset --args @$(LLM_DEMO_ARGS)

plan: setup ## what `make demo` would run now, and why
	$(BLUT) plan lamquant_joint_codec --args @$(DEMO_ARGS)

# make passes SIGTERM on to its child, which has to be the command itself and no shell around it.
ui: setup ## the Dagster UI and daemon; it prints the link that lets a browser in
	PATH="$(CURDIR)/$(BIN):$$PATH"; export PATH; exec $(BLUT) ui --port $(PORT) -w workspace.yaml

# A warning, such as of a link that leads nowhere, fails it.
docs: setup ## build the documentation; it prints where
	@$(BIN)/sphinx-build -q -W --keep-going -d $(DOCS)/doctrees docs $(DOCS)/html
	@echo "the documentation: $(abspath $(DOCS))/html/index.html"

# Three files at a time keep two cores busy: many tests wait for what they started.
PYTEST = $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=150 --durations-min=3
# What fails beside two other files (1: all were run) may only have been short of time: it is asked once more, with
# nothing beside it, and both answers are shown.
AGAIN = [ $$? = 1 ] && $(BIN)/python -m pytest -v --last-failed --last-failed-no-failures none
FAST = 'not heavy and not slurm and not postgres and not ray'
KEEPS = 'not heavy and not slurm and not postgres and not ray and not sqlite'
SCALE = '(slurm or postgres) and not heavy'
test: lint ## the test suite without what is marked heavy; it builds llama.cpp if that is not there
	$(PYTEST) -m $(FAST) || { $(AGAIN) -m $(FAST); }

test-scale: setup ## what needs a Slurm or a PostgreSQL, which the tests start themselves
	$(PYTEST) -m $(SCALE) || { $(AGAIN) -m $(SCALE); }
	$(MAKE) test-postgres FILES='$(addprefix tests/,blut_assets/history blut_resources/instance blut_resources/store sensors)'

# A home of a test has a database of its own. Tests that keep no history are left out (tests/conftest.py), what is
# about the files of SQLite is too, and what has a server of its own anyway.
test-postgres: setup ## the tests that keep a history, with it in PostgreSQL
	export BLUT_TESTS_ON=postgres; $(PYTEST) -m $(KEEPS) $(FILES) || { $(AGAIN) -m $(KEEPS) $(FILES); }

test-all: lint ## every test, the heavy ones too: some download packages, or need programs that CI lacks
	$(PYTEST)

# A release of Dagster may change what is not promised. `make test` has the version of constraints.txt.
test-dagster: setup ## what leans on Dagster, with the newest and the oldest version that the package allows
	$(BIN)/python -m tests.dagsters newest
	$(BIN)/python -m tests.dagsters oldest

lint: setup ## style, the direction of imports, dead code, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python -m tests.house.dead
	$(BIN)/pyright

# A package that cannot be looked up fails it: what nobody could ask about was not audited.
AUDIT = $(VENV)-audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off
audit: $(VENV)-audit/.ready ## look up every pinned package in the advisories of the package index
	$(AUDIT) $(AUDIT_SERVICE) --requirement constraints.txt

$(VENV)-audit/.ready: requirements/audit.txt
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/pip install --quiet --require-hashes --requirement requirements/audit.txt
	@touch $@

mutants: setup ## break one line at a time and see that its tests notice; `make mutants ONLY_MUTANTS=gates` some
	$(BIN)/python -m tests.mutation $(ONLY_MUTANTS)

bench: setup ## measure; prints tables, writes bench/results; `make bench containment` measures only that
	$(BIN)/python -m bench $(ONLY)

ifeq (bench,$(firstword $(MAKECMDGOALS)))
ONLY = $(wordlist 2,99,$(MAKECMDGOALS))
.PHONY: $(ONLY)
$(ONLY): ;@:
endif

clean: ## remove the virtual environment; artifacts and history stay
	rm -rf $(VENV) $(VENV)-audit .venv.lock
