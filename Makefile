PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/demo

.PHONY: demo test clean

# The main job on frames that the project draws itself: train, test, report.
demo: $(VENV)/ready
	rm -rf $(RUN)
	$(BIN)/python scripts/train.py experiment=demo run_dir=$(RUN)

test: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

# Made anew when what it depends on changes; the mark at the end says that it is complete.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) runs phantom
