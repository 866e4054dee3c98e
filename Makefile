PROTOS := $(sort $(wildcard protos/*/v1/*.proto tests/support/*/v1/*.proto))

.PHONY: protos
protos: .venv/.protos

.venv/.protos: $(PROTOS)
	PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python -m grpc_tools.protoc -I . --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. $(PROTOS)
	touch $@
