PROTOS := $(shell find protos -name '*.proto' 2>/dev/null)

.PHONY: protos
protos: .venv/.protos

.venv/.protos: $(PROTOS)
	PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python -m grpc_tools.protoc -I . --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. $(PROTOS)
	touch $@
