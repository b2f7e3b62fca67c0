# torchvet in a container: CPU only, not root, no weights inside.
#
#   docker build -t torchvet .
#   docker run --rm -v "$PWD/models:/models:ro" torchvet check /models
#
# The base is pinned by date; to pin it by digest too, build with
# --build-arg BASE=debian:bookworm-20250520-slim@sha256:... The steps are those of scripts/setup.
ARG BASE=debian:bookworm-20250520-slim

FROM ${BASE} AS build
# May name PyTorch's index of CPU builds. PyPI's own build brings CUDA's libraries with it, which the
# image does not take over, so its worker would not start and the last step below would say so.
ARG PIP_INDEX_URL
WORKDIR /torchvet
COPY scripts/setup scripts/setup
RUN scripts/setup --packages
COPY . .
RUN scripts/setup --build
RUN cmake --install build/release --prefix /opt/torchvet --strip \
 && cmake --install build/release --prefix /opt/torchvet --component libtorch

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends libdeflate0 libfmt9 libhwy1 libsimdjson14 libssl3 libstdc++6 libtbb12 libxxhash0 libzstd1 zlib1g \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/torchvet /opt/torchvet
ENV PATH=/opt/torchvet/bin:$PATH
USER 65532:65532
WORKDIR /models
# Proves that the program and its worker run here: exit code 3 when the worker does not start.
RUN --mount=type=bind,from=build,source=/torchvet/fixtures/demo/clean.pt,target=/tmp/clean.pt \
    torchvet check /tmp/clean.pt
ENTRYPOINT ["torchvet"]
CMD ["help"]
