# A static binary, nobody's user, and nothing else. The root file system may be
# mounted read-only; only the data folder is written.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download && go mod verify
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/foregate . \
 && mkdir -p /out/data /out/etc/ssl/certs /out/tmp \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
 && chown 65532:65532 /out/data && chmod 700 /out/data && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /out/ /
USER 65532:65532
WORKDIR /
VOLUME /data
EXPOSE 8080 8443
# The admin listener answers inside the container only.
HEALTHCHECK --interval=10s --timeout=3s --start-period=3s CMD ["/foregate", "healthy", "-c", "/etc/foregate/foregate.yaml"]
ENTRYPOINT ["/foregate"]
CMD ["serve", "-c", "/etc/foregate/foregate.yaml"]
