# Everything a developer types. The virtual environment is made once, and again when pyproject.toml or the pins change.

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
PROTO := proto/switchhook/v1/events.proto

.PHONY: install run test test-containers sbom soak check lint format proto constraints docs dashboards pictures bench clean
.DELETE_ON_ERROR:

install: $(VENV)/.installed  ## what it takes to run

run: install  ## with your switchhook.toml, else the demonstration; Ctrl-C stops
	@if [ -f switchhook.toml ]; then exec $(BIN)/switchhook run; else exec $(BIN)/switchhook demo; fi

test: lint  ## everything: style, types, then all tests (among them import contracts and generated files)
	$(BIN)/pytest -o faulthandler_timeout=700 -o faulthandler_exit_on_timeout=true -n 3 --dist loadscope --no-loadscope-reorder --durations 25

soak: $(VENV)/.installed-dev  ## dispatchers are killed SOAK_KILLS times (200), the monitor SOAK_MONITOR_KILLS (100), SOAK_LIVES (5000) of calls disturbed
	$(BIN)/pytest -s -m soak tests/soak tests/unit/monitor

test-containers: $(VENV)/.installed-dev  ## images, compose file and kills with a container engine; skipped without one
	$(BIN)/pytest -rs -m containers -n 2 --dist loadgroup --durations 15 tests/containers

sbom: $(VENV)/.installed-dev  ## what is in the image IMAGE, as CycloneDX on standard output
	@$(BIN)/python -m tests.containers.sbom $(IMAGE)

check: lint  ## what needs no running services: style, types, import contracts, generated files
	$(BIN)/pytest -q tests/repository

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(VENV)/.installed-dev  ## the Python of the service contract
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc --proto_path=proto --python_out=. --grpc_python_out=. --mypy_out=. --mypy_grpc_out=. $(PROTO)

constraints: $(VENV)/.installed-dev  ## the pins, from what is installed
	$(BIN)/python -m tests.repository.closure > constraints.new && mv constraints.new constraints.txt

docs: $(VENV)/.installed-dev  ## the references of configuration keys and metrics, the examples of webhooks, the chart's values
	$(BIN)/python -m services.commands.reference > docs/configuration.new && mv docs/configuration.new docs/configuration.md
	$(BIN)/python -m services.commands.metrics_reference > docs/metrics.new && mv docs/metrics.new docs/metrics.md
	$(BIN)/python -m services.commands.webhook_examples < docs/webhooks.md > docs/webhooks.new && mv docs/webhooks.new docs/webhooks.md
	$(BIN)/python -m tests.chart.values_schema > schema.new && mv schema.new charts/switchhook/values.schema.json
	$(BIN)/python -m tests.chart.readme > readme.new && mv readme.new charts/switchhook/README.md
	$(BIN)/python -m charts.dashboards

dashboards: $(VENV)/.installed-dev  ## Grafana's, from charts/dashboards into the chart
	$(BIN)/python -m charts.dashboards

pictures: $(VENV)/.installed-dev  ## docs/images, drawn from what a real Prometheus saw in two minutes of demonstration with faults
	$(BIN)/python -m tests.observation.pictures docs/images

bench: $(VENV)/.installed-dev
	$(BIN)/python -m bench
	$(BIN)/python -m bench.deliveries
	$(BIN)/python -m bench.monitoring
	$(BIN)/python -m bench.recordings
	$(BIN)/python -m bench.downloads
	$(BIN)/python -m bench.observability

clean:  ## everything that was made, but no data
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,bundled]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Switchhook needs Python 3.11 or newer, and none is on the PATH (python3 is: $$(python3 --version 2>&1)). Install one, or: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$$python has no venv: install its package (Debian, Ubuntu: apt-get install $$(basename "$$python")-venv)" >&2; exit 1; \
	fi; \
	"$$python" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
