# One image for every program of Tutti: `tutti serve`, `tutti run <service>`,
# `tutti player`. Static, no shell, not root.
#
#   docker build -t tutti .
#   # The image has no Opus, which needs cgo and libopus: `make build-opus` makes a binary
#   # with it on a machine that has libopus-dev, for a base image that has libopus0.
#   docker run --network host -v tutti-data:/data -v /srv/music:/music:ro tutti serve --music /music
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=cache,target=/go/pkg/mod \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/tutti ./cmd/tutti && \
    mkdir -p /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/tutti /tutti
# A volume mounted here inherits the owner, so the non-root user can write.
COPY --from=build --chown=65532:65532 /out/data /data
ENV TUTTI_DATA_DIR=/data \
    TUTTI_LOG_FORMAT=json
EXPOSE 8080/tcp 8927/tcp
VOLUME ["/data"]
USER 65532:65532
ENTRYPOINT ["/tutti"]
CMD ["serve"]
