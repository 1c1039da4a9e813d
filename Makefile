# Thin: every target is one of the project's own commands in the project's own environment.
PYTHON ?= python3
CORES ?= all
STUDY ?= quick
RUN = . .venv/bin/activate &&
SNAKEMAKE = $(RUN) snakemake --cores $(CORES) --config study=$(STUDY)

.PHONY: help reproduce resume pull test lint gpu-check

help:  ## what make can do
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20

reproduce: .venv/ready  ## set up, run STUDY (quick) with all cores, compare with the reference, verify
	$(SNAKEMAKE)
	$(RUN) aib compare $(STUDY) $(if $(STRICT),--strict)
	$(RUN) aib verify $(STUDY)

resume: .venv/ready  ## after any kill: wait for who lives, finish what was begun, compare, verify
	$(RUN) aib unlock
	$(SNAKEMAKE) --rerun-incomplete
	$(RUN) aib compare $(STUDY)
	$(RUN) aib verify $(STUDY)

pull: .venv/ready  ## fetch finished runs from the DVC remote; nothing is trained again
	@$(RUN) dvc remote default > /dev/null 2>&1 || { echo "error: no DVC remote is set, so there is" \
		"nowhere to pull from; set one (docs/versioning.md), or: make reproduce"; exit 1; }
	$(RUN) dvc pull || { echo "error: the DVC remote did not give everything; nothing here was" \
		"deleted; check its address (dvc remote list) and what it says above, then: make pull"; exit 1; }
	$(RUN) aib restore $(STUDY)
	$(SNAKEMAKE) --touch
	$(SNAKEMAKE)

test: .venv/ready  ## set up and run the tests
	$(RUN) pytest --numprocesses auto --dist loadfile

lint: .venv/ready  ## ruff, snakefmt, snakemake --lint
	$(RUN) ruff check . && ruff format --check .
	$(RUN) snakefmt --check Snakefile workflow && snakemake --lint

gpu-check: .venv/ready  ## does the GPU compute what it should, and how fast? ten minutes, and a report
	$(RUN) python benchmarks/gpu_check $(OPTIONS)

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "error: Python 3.11 or newer is needed; name it with: make PYTHON=python3.12"; exit 1; }
	@echo "setting up .venv (7 GB, most of it PyTorch with CUDA)"
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet uv
	.venv/bin/uv pip sync --python .venv/bin/python --quiet --require-hashes --compile-bytecode requirements.lock
	.venv/bin/uv pip install --python .venv/bin/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@
