# Four images from one file; each target says what for. Base and packages are Debian's, so one source of updates; Docker is
# built from Go modules (image/daemon).
#   operator         runs in the cluster, non-root, with a read-only root file system
#   node-tool        the init container: mounts and proves cgroups on the node, hands its tool to the daemon's container
#   daemon           Docker and the wrapper, for sites that cannot pull docker:dind, and for Docker in Docker in Docker
#   apparmor-loader  keeps the AppArmor profiles in the kernels of the nodes. Optional
# A proxy's certificate authority for pip: --secret id=ca,src=BUNDLE (optional).

# --- the program of the pod ---
# `docker build` compiles it. Whoever has it already gives the stage's content as a build context: --build-context node=FOLDER, with
# FOLDER/dind-node made by node/build.
FROM debian:trixie-slim AS node
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates golang-go \
 && rm -rf /var/lib/apt/lists/*
COPY image/daemon/versions /src/image/daemon/
COPY node /src/node
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi; \
    export GOPATH=/tmp/go GOCACHE=/tmp/go-build \
 && sh /src/node/build /dind-node \
 && chmod -R u+w /tmp/go && rm -rf /tmp/go /tmp/go-build

# Its other names are commands of their own.
FROM debian:trixie-slim AS tool
COPY --from=node /dind-node /tool/usr/local/lib/dind/
RUN chmod 755 /tool/usr/local/lib/dind/dind-node \
 && ln -s dind-node /tool/usr/local/lib/dind/entrypoint \
 && ln -s dind-node /tool/usr/local/lib/dind/cgroups-mount

FROM scratch AS node-tool
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="dind-operator node tool" \
      org.opencontainers.image.description="Mounts and proves cgroups for a nested Docker daemon, and installs its wrapper" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-3-Clause"
COPY --from=tool /tool/ /
ENV PATH=/usr/local/lib/dind
ENTRYPOINT ["/usr/local/lib/dind/cgroups-mount"]
CMD ["preflight", "--install", "/dind"]

# --- the daemon: Docker's programs from Go modules, in the versions of image/daemon/versions ---
# `docker build` compiles them, in ten minutes. Whoever has them already gives the stage's content as a build context:
# --build-context programs=FOLDER, with FOLDER/programs made by image/daemon/build.
FROM debian:trixie-slim AS programs
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates gcc golang-go libc6-dev libseccomp-dev \
 && rm -rf /var/lib/apt/lists/*
COPY image/daemon/build image/daemon/versions /src/
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi; \
    export GOPATH=/tmp/go GOCACHE=/tmp/go-build \
 && sh /src/build /programs \
 && chmod -R u+w /tmp/go && rm -rf /tmp/go /tmp/go-build

FROM debian:trixie-slim AS daemon
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="dind-operator daemon" \
      org.opencontainers.image.description="A Docker daemon that runs inside a privileged container" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0"
# git, xz and ps are what dockerd itself starts: for builds from a repository, xz-compressed layers and `docker top`. It
# looks for nft even where it works with iptables.
# fuse-overlayfs is for volumes that carry no overlay: those on an overlay, for one.
# tini is what `docker run --init` starts, under the name that dockerd looks for. The group owns the socket.
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates fuse-overlayfs git iptables nftables procps tini xz-utils \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt \
 && ln -s tini-static /usr/bin/docker-init \
 && groupadd --system docker
COPY --from=programs /programs/bin/ /usr/local/bin/
COPY --from=programs /programs/cli-plugins/ /usr/local/libexec/docker/cli-plugins/
COPY --from=tool /tool/ /
# An overlay cannot carry an overlay: the images and containers inside need a file system of their own.
VOLUME /var/lib/docker
ENTRYPOINT ["/usr/local/lib/dind/entrypoint"]

# --- the loader: of the package, the compiler of profiles and the language it is told to speak ---
FROM debian:trixie-slim AS parser
RUN apt-get update \
 && apt-get install -y --no-install-recommends apparmor \
 && rm -rf /var/lib/apt/lists/*

FROM debian:trixie-slim AS apparmor-loader
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="dind-operator AppArmor loader" \
      org.opencontainers.image.description="Loads the AppArmor profiles dind and dind-complain on a node" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-only"
COPY --from=parser /usr/sbin/apparmor_parser /usr/sbin/
COPY --from=parser /etc/apparmor.d/abi/3.0 /etc/apparmor.d/abi/3.0
COPY image/apparmor/loader image/apparmor/dind-complain.sed /usr/local/lib/dind/
COPY image/apparmor/dind /etc/dind-apparmor/dind
# Without a configuration the parser warns, and Debian's would name a file that is not here.
RUN chmod 755 /usr/local/lib/dind/loader && mkdir /etc/apparmor && : >/etc/apparmor/parser.conf
ENTRYPOINT ["/usr/local/lib/dind/loader"]
CMD ["run"]

# --- the operator: dependencies and the package in a virtual environment that has no pip ---
FROM debian:trixie-slim AS wheel
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --without-pip /opt/dind-operator
WORKDIR /src
COPY pyproject.toml ./
# Apart from the sources, so that editing those does not fetch the dependencies again.
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -c 'import tomllib; print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]))' >/tmp/requirements.txt \
 && python3 -m pip --python /opt/dind-operator/bin/python install --no-cache-dir --disable-pip-version-check -r /tmp/requirements.txt
COPY README.md LICENSE ./
COPY operator operator
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m pip --python /opt/dind-operator/bin/python install --no-cache-dir --disable-pip-version-check --no-deps .

FROM debian:trixie-slim AS operator
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="dind-operator" \
      org.opencontainers.image.description="A Kubernetes operator that turns a DindEnvironment into a Docker daemon of its own" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt
COPY --from=wheel /opt/dind-operator /opt/dind-operator
# Nothing is written at run time: no byte code, no home, no temporary files.
ENV PATH=/opt/dind-operator/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["dind-operator"]
CMD ["run"]
