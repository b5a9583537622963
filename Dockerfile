# tenku serve, with the embedded model inside: docker build -t tenku . && docker compose up
FROM python:3.12-slim

RUN useradd --create-home --uid 10001 tenku && mkdir /state && chown tenku /state
WORKDIR /build
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY tenku tenku
# The CPU build of torch: a tenth of the size of the usual one.
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    --constraint constraints.txt ".[postgresql]" && rm -rf /build

USER tenku
WORKDIR /home/tenku
ENV TENKU_HOME=/state
VOLUME /state
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["tenku"]
CMD ["serve", "--host", "0.0.0.0", "--json-logs"]
