# `make help` lists the commands. All of them set up .venv first, and only when something in it has to change.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The environment is installed without compiled files, because most of it nobody imports; what is imported is compiled
# once and kept, also where the machine says otherwise. Without that each of some hundred processes does it again.
export PYTHONDONTWRITEBYTECODE :=

PYTHON ?= python3
BIN := .venv/bin
CHAPTERS = $(wildcard book/*.ipynb)

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: book
book: .venv/book ## Execute the chapters that changed, build the website, say where it is
	$(BIN)/jupyter-book build . -W --keep-going

# A file of tests at a time in each of the processes that share the cores, which have one thread each, in the order
# that conftest.py puts them in.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: test
test: .venv/all ## Run everything: unit tests, doctests, every chapter, the website
	@$(MAKE) --no-print-directory book
	$(PYTEST) --nbval-executed -m "not nightly"

.PHONY: quick
quick: .venv/all ## Run what takes a minute: unit tests without browser, website, sweeps and grading
	$(PYTEST) rfm_tutorial tests -m "not slow and not site and not browser and not processes and not nightly"

.PHONY: nightly
nightly: .venv/all ## Run what `make test` samples, in full
	$(PYTEST) -m nightly

.PHONY: test-elsewhere
test-elsewhere: .venv/all ## Run unit tests and chapters as other processors and thread counts would
	$(BIN)/python tools/elsewhere.py

# Both ends of the ranges in pyproject.toml, each in an environment of its own, for the tests that the extra `test` is
# enough for: not those of the website, of its pages and of grading.
UNIT_TESTS = rfm_tutorial tests -m "not browser and not site" $(addprefix --ignore=,tests/in_process.py \
  $(patsubst %,tests/test_%.py,answers assignments chapter_pages claims_table execution grading handout publishing \
  redirects site))
LOWEST_PYTHON ?= python3.11
NEWEST_PYTHON ?= python3.13

.PHONY: test-lowest
test-lowest: ## Run the unit tests with the oldest Python and packages that are allowed
	$(LOWEST_PYTHON) -m venv --clear _build/lowest
	$(LOWEST_PYTHON) tools/lowest_versions.py pyproject.toml > _build/lowest/constraints.txt
	_build/lowest/bin/python -m pip install --disable-pip-version-check -c _build/lowest/constraints.txt -e '.[test]'
	@# Old packages use what newer ones beneath them have deprecated.
	_build/lowest/bin/python -m pytest $(UNIT_TESTS) -W ignore::DeprecationWarning

.PHONY: test-newest
test-newest: ## Run the unit tests with the newest Python and packages that are allowed
	$(NEWEST_PYTHON) -m venv --clear _build/newest
	_build/newest/bin/python -m pip install --disable-pip-version-check -e '.[test]'
	_build/newest/bin/python -m pytest $(UNIT_TESTS)

.PHONY: lab
lab: .venv/book ## Open the chapters in JupyterLab
	$(BIN)/jupyter lab book

.PHONY: lint
lint: .venv/all ## Check style, types, import direction, scripts and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	$(BIN)/python book/_ext/npm_packages.py biome lint --error-on-warnings

.PHONY: notebooks
notebooks: .venv/book ## Execute every chapter in place and store its text outputs
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace $(CHAPTERS)
	$(BIN)/python tools/normalise_notebooks.py $(CHAPTERS)

.PHONY: counts
counts: .venv/all ## Print how many words, lines, screens and figures each chapter has
	$(BIN)/python -m pytest --quiet --capture=no tests/test_budget.py

.PHONY: runs
runs: .venv/book ## Compute again the long runs whose results chapters read from book/runs
	$(BIN)/python tools/stored_runs.py

.PHONY: assignments
assignments: .venv/all ## Build the graded assignments: notebooks, solutions, autograders
	$(BIN)/python tools/build_assignments.py _build/assignments

.PHONY: handout
handout: assignments ## Make the folder for students: notebooks, wheel, exact versions, how to start
	$(BIN)/python tools/handout.py _build/assignments _build/handout

# The batch itself grades two at a time.
.PHONY: grading
grading: .venv/all ## Grade the whole batch of honest, odd and hostile submissions, print its table
	$(BIN)/python -m pytest --quiet --capture=no -m nightly tests/test_grading.py

.PHONY: claims
claims: .venv/book ## Run every chapter and print what it claims, with values and verdicts
	$(BIN)/python tools/claims.py $(CHAPTERS)

.PHONY: bench
bench: .venv/book ## Time one RFM iteration against one Cholesky solve
	$(BIN)/python benchmarks/bench.py

.PHONY: sizes
sizes: .venv/book ## Time both machines from small clocks to large ones, for the page on scaling; two minutes, quiet
	$(BIN)/python benchmarks/sizes.py

# pip-compile lists the build of torch that it finds, such as 2.13.0+cpu; other machines know it as 2.13.0. And it
# lists this project, with its folder, because its extras name each other.
TORCH := 2.13.0
.PHONY: lock
lock: .venv/all ## Renew requirements.txt from pyproject.toml
	rm -f .venv/lock.txt
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --all-extras --allow-unsafe --strip-extras \
	  --no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --upgrade-package torch==$(TORCH) --output-file .venv/lock.txt pyproject.toml
	sed -e 's/^torch==$(TORCH)+.*/torch==$(TORCH)/' -e '/^rfm-tutorial @ /{N;d;}' .venv/lock.txt > requirements.txt

.PHONY: publish
publish: ## Push the website that is built to the branch gh-pages, which shows it
	@export GIT_INDEX_FILE="$(CURDIR)/_build/published" && rm -f "$$GIT_INDEX_FILE" && touch _build/html/.nojekyll && \
	  git --work-tree=_build/html add --all --force . && \
	  commit=$$(git -c user.name=make -c user.email=make@localhost commit-tree "$$(git write-tree)" \
	    -m "The website of $$(git rev-parse --short HEAD)") && \
	  git push --force origin "$$commit:refs/heads/gh-pages"

.PHONY: dist
dist: .venv/book ## Build the packages that a release uploads, in dist
	rm -rf dist
	$(BIN)/python -m hatchling build

.PHONY: clean
clean: ## Remove the environment, the website and all caches
	rm -rf .venv _build .*_cache .hypothesis .coverage
	find . -name __pycache__ -prune -exec rm -rf {} +

# Two environments in one: what the website needs, and everything. Files that nobody imports need not be compiled.
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --no-compile

.venv/book: requirements.txt pyproject.toml
	$(new-environment)
	$(PIP_INSTALL) --constraint requirements.txt --editable '.[book]'
	$(complete-environment)

.venv/all: requirements.txt pyproject.toml
	$(new-environment)
	$(PIP_INSTALL) --no-deps --requirement requirements.txt --editable .
	$(complete-environment)
	touch .venv/book

define new-environment
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "Python 3.11 or newer is needed, but there is no '$(PYTHON)': install it, or name yours, as in 'make book PYTHON=python3.12'." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, but '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1): name a newer one, as in 'make book PYTHON=python3.12'." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make a virtual environment: install its venv module, on Debian and Ubuntu with 'apt-get install python3-venv'." >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
endef

define complete-environment
	@# Matplotlib reports on stderr when it builds its list of fonts: have that done before a chapter runs.
	$(BIN)/python -c 'import matplotlib.font_manager'
	touch $@
endef
